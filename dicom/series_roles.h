#pragma once
#include "config/vocabulary.h"
#include "dicom/header_reader.h"
#include "dicom/site_rules.h"

#include <map>
#include <string>
#include <vector>

namespace glionode::dicom {

/// What is known of one series from headers; attributes by DICOM keyword (of the first instance, or of a CSV row).
struct SeriesFacts {
  std::string series_uid;
  std::map<std::string, std::string> attributes;
  /// Filled from instances; all zero for a CSV row.
  int instances = 0, frames = 0, rows = 0, columns = 0;
  std::vector<FrameGeometry> geometry;         ///< of all frames
  std::vector<std::string> frame_instances;    ///< parallel to geometry: SOP Instance UID of the object of each frame
  std::vector<std::string> sop_instance_uids;  ///< sorted; parallel to nothing
  bool mixed_matrix = false;                   ///< rows or columns differ between its images
};

/// Groups headers of one study by series, sorted by Series Instance UID. Order of the input does not matter. Instances
/// that a rejection note among the headers takes back are left out; so are objects that are no candidate image, where
/// their series has candidate images (a series without any keeps its instances and has 0 frames).
std::vector<SeriesFacts> SummarizeSeries(const std::vector<InstanceHeader>& headers);

struct RoleVerdict {
  Role role = Role::kNone;
  double score = 0;  ///< of the winner, 0..1
  std::string why;   ///< evidence in words, with the runner-up when it was close
  std::string rule;  ///< name of the deciding rule; "site rule 2 (line 41)" for one of the site
};

/// Judges one series by itself: by the first of the site's rules that fits (score 1; `why` says what the general rules
/// would have found), else by the table in role_rules.cpp. What is not MR or holds no images is `none` before any rule.
/// `peer`: calling AE title of who sent it, for rules of one peer. Pure.
RoleVerdict JudgeSeries(const SeriesFacts& series, const SiteRules& rules = {}, const std::string& peer = {});

struct JudgedSeries {
  SeriesFacts facts;
  RoleVerdict verdict;
};

/// The chosen series of one role.
struct ChosenSeries {
  std::string series_uid, description, why;
  std::vector<std::string> sop_instance_uids;  ///< those that form the volume, sorted
};

struct StudySelection {
  std::vector<JudgedSeries> series;
  std::map<Role, ChosenSeries> chosen;
  std::vector<Reason>
      reasons;  ///< missing_role, unsure_role, incomplete_series (gap in a stack), geometry: empty means ready to run
  bool count_evidence = false;  ///< something in the headers proves that nothing is missing (design section 2)
};

/// Judges all series, also by their order (a T1 without a word on contrast, acquired after the injection, is `unsure`;
/// not so one that a site rule calls T1),
/// then chooses one per wanted role: complete before incomplete, original before derived, coverage, resolution, slice
/// count, then the last repeat. Reasons name the role. Pure.
StudySelection SelectSeries(std::vector<SeriesFacts> series, const std::vector<Role>& wanted,
                            const SiteRules& rules = {}, const std::string& peer = {});

}  // namespace glionode::dicom
