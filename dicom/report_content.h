#pragma once
#include "config/report_codes.h"
#include "config/vocabulary.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace glionode::dicom {

struct ReferencedInstance {
  std::string sop_class_uid, sop_instance_uid;
};

struct ReportedSeries {
  Role role = Role::kNone;
  std::string series_uid, description, why;
  std::vector<ReferencedInstance> instances;  ///< those that the network used: all are evidence
};

struct Predecessor {
  std::string study_uid, series_uid, sop_class_uid, sop_instance_uid;
  std::string date_time;  ///< as printed: 2026-11-21 14:03
  Decision decision = Decision::kIndeterminate;
};

/// Everything that SR and capture say. Plain values; no patient identity (that is copied from the source file).
struct ReportContent {
  Decision decision = Decision::kNotEvaluable;
  std::optional<double> probability_of_necrosis;  ///< empty when not evaluable
  std::vector<Reason> reasons;
  std::vector<ReportedSeries> series;
  std::string study_uid;
  std::string study_date;  ///< YYYYMMDD or ""
  std::string bundle_name, bundle_version, bundle_sha256, intended_use;
  std::string evaluation;  ///< "tested on 200 phantoms; of 100 necroses 83 found", or "no evaluation is on record"
  double abstain_low = 0, abstain_high = 1;
  double calibration_slope = 1, calibration_intercept = 0;
  std::string software;    ///< name and version of this program
  std::string device;      ///< cpu, cuda:0
  std::string device_uid;  ///< of this node
  std::string ae_title;
  std::string content_date, content_time;  ///< DICOM DA, TM (local time)
  std::string timezone;                    ///< +0100
  int revision = 1;
  std::optional<Predecessor> predecessor;  ///< the report that this one replaces for those who got it
  std::string revision_reason;             ///< "the T2 series was replaced"
  ReportCodes codes;                       ///< of the answers; a site may have put others in the place of ours
  std::string input_key;                   ///< names the tracking UID and all object UIDs
};

/// The phrases: the one place where sentences for radiologists are made (English, ASCII).
/// Result in a sentence a neuroradiologist would say, whole percent with the class named, what it rests on, what the
/// model assumes.
std::string ResultSentences(const ReportContent& content);
/// "Likely glioma recurrence", "Indeterminate", "Not evaluable" ...
std::string DecisionHeadline(const ReportContent& content);
/// "Replaces the report of ...", empty when there is none that anybody could have read.
std::string RevisionSentence(const ReportContent& content);
/// Whole percent; "<1" and ">99" at the ends.
std::string PercentText(double probability);
/// One description for SeriesDescription of SR and SC: starts "AI", ends "NOT FOR CLINICAL USE".
std::string ResultSeriesDescription(const ReportContent& content, bool capture);

}  // namespace glionode::dicom
