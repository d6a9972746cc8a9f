#pragma once
#include "dicom/report_content.h"

#include <filesystem>
#include <string>

namespace glionode::dicom {

enum class SrClass { kComprehensive3D, kComprehensive, kEnhanced };
std::string SrClassUid(SrClass sr_class);

struct EncodedObject {
  std::filesystem::path file;
  std::string sop_class_uid, sop_instance_uid, series_uid;
};

/// Encodes the TID 1500 report once into `file` (not synced). Patient, study and character set come byte for byte from
/// `source_file`, the newest instance of the selected series. UIDs follow from content.input_key (promise 3). Throws
/// Error{kBadDataset} if no valid object can be made.
EncodedObject WriteSr(const ReportContent& content, SrClass sr_class, const std::filesystem::path& source_file,
                      const std::filesystem::path& file);

/// The report as plain text, as a person reads it (for report.txt and the page). Reads any SR file of ours.
std::string RenderSrText(const std::filesystem::path& file);

}  // namespace glionode::dicom
