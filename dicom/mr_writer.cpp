#include "dicom/mr_writer.h"

#include "config/error.h"
#include "dicom/source_context.h"
#include "dicom/uid.h"

#include <dcmtk/dcmdata/dcostrmf.h>
#include <dcmtk/dcmdata/dctk.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <system_error>

namespace glionode::dicom {
namespace {

constexpr double kLargest = 4095;  ///< 12 bits stored, as MR scanners write

namespace fs = std::filesystem;

/// A decimal string of at most 16 bytes (PS3.5 6.2, DS) with as many digits as fit.
std::string DecimalString(double value) {
  if (!std::isfinite(value)) throw Error(ErrorCode::kBadDataset, "a number of the series to write is not finite");
  if (value == 0) return "0";
  char buffer[40];
  for (int digits = 15; digits > 0; --digits) {
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits).ptr;
    if (end - buffer <= 16) return std::string(buffer, end);
  }
  return "0";
}

template <typename Range>
std::string DecimalStrings(const Range& values) {
  std::string text;
  for (const double value : values) text.append(text.empty() ? "" : "\\").append(DecimalString(value));
  return text;
}

/// What a classic MR image must have (type 1) or may leave empty (type 2), PS3.3 A.4.3 with C.7 and C.8.3.1; used where
/// the caller says nothing.
const std::map<std::string, std::string>& Defaults() {
  static const std::map<std::string, std::string> defaults = {{"PatientName", ""},
                                                              {"PatientID", ""},
                                                              {"PatientBirthDate", ""},
                                                              {"PatientSex", ""},
                                                              {"StudyDate", ""},
                                                              {"StudyTime", ""},
                                                              {"ReferringPhysicianName", ""},
                                                              {"StudyID", ""},
                                                              {"AccessionNumber", ""},
                                                              {"SeriesNumber", ""},
                                                              {"Manufacturer", ""},
                                                              {"PositionReferenceIndicator", ""},
                                                              {"PatientPosition", "HFS"},
                                                              {"ImageType", "ORIGINAL\\PRIMARY\\OTHER"},
                                                              {"ScanningSequence", "RM"},
                                                              {"SequenceVariant", "NONE"},
                                                              {"ScanOptions", ""},
                                                              {"MRAcquisitionType", ""},
                                                              {"RepetitionTime", ""},
                                                              {"EchoTime", ""},
                                                              {"EchoTrainLength", ""},
                                                              {"BodyPartExamined", "BRAIN"}};
  return defaults;
}

/// An attribute with its tag: DCMTK searches its whole dictionary for a keyword, too long to do for every slice.
struct Attribute {
  std::string keyword, value;
  DcmTag tag;
};

std::vector<Attribute> FindTags(const std::map<std::string, std::string>& attributes) {
  std::vector<Attribute> found;
  for (const auto& [keyword, value] : attributes) {
    DcmTag tag;
    if (DcmTag::findTagFromName(keyword.c_str(), tag).bad() || tag.getEVR() == EVR_SQ || tag.getGroup() == 0x0002)
      throw Error(ErrorCode::kBadDataset,
                  "'" + keyword + "' is not the keyword of a DICOM attribute that can be written");
    found.push_back({keyword, value, tag});
  }
  return found;
}

void Put(DcmItem& dataset, const Attribute& attribute) {
  // By the element itself: DcmItem's own function for text takes no binary numbers (FD).
  DcmElement* made = nullptr;
  OFCondition status = DcmItem::newDicomElement(made, attribute.tag);
  std::unique_ptr<DcmElement> element(made);
  if (status.good() && !attribute.value.empty()) status = element->putString(attribute.value.c_str());
  if (status.good()) status = dataset.insert(element.get(), true);
  if (status.good()) element.release();  // NOLINT(bugprone-unused-return-value): it is the data set's now
  if (status.bad())
    throw Error(ErrorCode::kBadDataset, "the value of " + attribute.keyword + " cannot be written: " + status.text());
}

void Check(const OFCondition& put, const char* what) {
  if (put.bad()) throw Error(ErrorCode::kInternal, std::string("cannot set ") + what + ": " + put.text());
}

void PutWord(DcmItem& dataset, const DcmTagKey& tag, int value) {
  Check(dataset.putAndInsertUint16(tag, static_cast<Uint16>(value)), "the layout of the pixels");
}

bool IsAscii(const std::map<std::string, std::string>& attributes) {
  return std::all_of(attributes.begin(), attributes.end(), [](const auto& entry) {
    return std::all_of(entry.second.begin(), entry.second.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  });
}

template <typename Range>
bool AllFinite(const Range& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

/// Checks the shape, so that nothing half-written is left behind by a caller's mistake.
void CheckShape(const MrSeries& series) {
  const auto [columns, rows, slices] = series.size;
  if (columns < 1 || rows < 1 || slices < 1 || columns > 65535 || rows > 65535)
    throw Error(ErrorCode::kBadDataset, "the size of the series to write is out of range");
  if (series.voxels.size() !=
      static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows) * static_cast<std::size_t>(slices))
    throw Error(ErrorCode::kBadDataset, "the number of voxels does not fit the size of the series to write");
  for (const double s : series.spacing)
    if (!(s > 0 && std::isfinite(s))) throw Error(ErrorCode::kBadDataset, "a spacing is not above 0");
  if (!AllFinite(series.origin) || !AllFinite(series.direction))
    throw Error(ErrorCode::kBadDataset, "the origin or a direction of the series to write is not finite");
}

/// What the UIDs are derived from that the caller does not give.
std::string UidName(const MrSeries& series) {
  if (!series.sop_uid_prefix_name.empty()) return series.sop_uid_prefix_name;
  const auto uid = series.attributes.find("SeriesInstanceUID");
  if (uid == series.attributes.end() || uid->second.empty())
    throw Error(ErrorCode::kBadDataset,
                "the series to write has neither a SeriesInstanceUID nor a name that its UIDs can be derived from");
  return uid->second;
}

/// The caller's attributes, and those that follow from them or from the shape.
std::map<std::string, std::string> CompleteAttributes(const MrSeries& series, const std::string& uid_name) {
  std::map<std::string, std::string> attributes = series.attributes;
  for (const auto& [keyword, value] : Defaults()) attributes.emplace(keyword, value);
  attributes["SOPClassUID"] = UID_MRImageStorage;
  attributes["Modality"] = "MR";
  attributes.emplace("StudyInstanceUID", NamedUid(uid_name + "/study"));
  attributes.emplace("SeriesInstanceUID", NamedUid(uid_name + "/series"));
  attributes.emplace("FrameOfReferenceUID", NamedUid(attributes["StudyInstanceUID"] + "/frame of reference"));
  attributes.emplace("SliceThickness", DecimalString(series.spacing[2]));
  attributes.emplace("ImagesInAcquisition", std::to_string(series.size[2]));
  if (!IsAscii(attributes))
    attributes["SpecificCharacterSet"] = "ISO_IR 192";  // values come as UTF-8, whatever they once were
  // Inversion Time is type 2C: there, and possibly empty, exactly for inversion recovery.
  if (attributes["ScanningSequence"].find("IR") != std::string::npos)
    attributes.emplace("InversionTime", "");
  else if (attributes.contains("InversionTime") && attributes["InversionTime"].empty())
    attributes.erase("InversionTime");
  attributes.erase("InstanceNumber");
  attributes.erase("SOPInstanceUID");
  return attributes;
}

void PutCommon(DcmItem& dataset, const MrSeries& series, const std::vector<Attribute>& attributes) {
  const auto& d = series.direction;
  for (const Attribute& attribute : attributes) Put(dataset, attribute);
  PutText(dataset, DCM_ImageOrientationPatient,
          DecimalStrings(std::array<double, 6>{d[0], d[3], d[6], d[1], d[4], d[7]}));
  PutText(dataset, DCM_PixelSpacing, DecimalStrings(std::array<double, 2>{series.spacing[1], series.spacing[0]}));
  PutText(dataset, DCM_SpacingBetweenSlices, DecimalString(series.spacing[2]));
  PutWord(dataset, DCM_SamplesPerPixel, 1);
  PutText(dataset, DCM_PhotometricInterpretation, "MONOCHROME2");
  PutWord(dataset, DCM_Rows, series.size[1]);
  PutWord(dataset, DCM_Columns, series.size[0]);
  PutWord(dataset, DCM_BitsAllocated, 16);
  PutWord(dataset, DCM_BitsStored, 12);
  PutWord(dataset, DCM_HighBit, 11);
  PutWord(dataset, DCM_PixelRepresentation, 0);
}

std::vector<Uint16> Stored(const MrSeries& series) {
  std::vector<Uint16> stored(series.voxels.size());
  std::transform(series.voxels.begin(), series.voxels.end(), stored.begin(), [](float value) {
    return static_cast<Uint16>(std::isnan(value) ? 0.0 : std::clamp(std::round(double{value}), 0.0, kLargest));
  });
  return stored;
}

/// What one slice has of its own.
void PutSlice(DcmItem& dataset, const MrSeries& series, int slice, const std::string& uid_name,
              const std::vector<Uint16>& stored) {
  const auto& d = series.direction;
  std::array<double, 3> position{};
  const double along = slice * series.spacing[2];
  for (std::size_t i = 0; i < 3; ++i) position[i] = series.origin[i] + d[3 * i + 2] * along;
  PutText(dataset, DCM_ImagePositionPatient, DecimalStrings(position));
  PutText(dataset, DCM_SliceLocation, DecimalString(position[0] * d[2] + position[1] * d[5] + position[2] * d[8]));
  const std::string number = std::to_string(slice + 1);
  PutText(dataset, DCM_InstanceNumber, number);
  PutText(dataset, DCM_SOPInstanceUID, NamedUid(uid_name + "/slice/" + number));
  const auto cells = static_cast<std::size_t>(series.size[0]) * static_cast<std::size_t>(series.size[1]);
  Check(dataset.putAndInsertUint16Array(DCM_PixelData, stored.data() + static_cast<std::size_t>(slice) * cells,
                                        static_cast<unsigned long>(cells)),
        "the pixels");
}

/// `problem`: the system's reason, 0 if it gave none; `toolkit`: DCMTK's, which of a full disk says only that a stream
/// ended.
[[noreturn]] void ThrowNotWritten(const fs::path& path, int problem, const std::string& toolkit) {
  std::error_code unknown;
  const auto space = fs::space(path.parent_path(), unknown);
  if (problem == 0 && !unknown && space.available == 0) problem = ENOSPC;
  throw Error(
      problem == ENOSPC || problem == EDQUOT ? ErrorCode::kOutOfSpace : ErrorCode::kInternal,
      "cannot write " + path.string() + ": " + (problem == 0 ? toolkit : std::generic_category().message(problem)));
}

/// Not DcmFileFormat::saveFile: that closes the file without asking whether its last block found room.
void SaveSlice(DcmFileFormat& object, const fs::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) ThrowNotWritten(path, errno, "");
  int problem = 0;
  OFCondition written;
  {
    DcmOutputFileStream stream(file);  // closes it
    errno = 0;
    object.transferInit();
    written = object.write(stream, EXS_LittleEndianExplicit, EET_UndefinedLength, nullptr, EGL_recalcGL);
    object.transferEnd();
    const bool refused = std::ferror(file) != 0 || std::fflush(file) != 0;
    if (written.good() && !refused) return;
    if (refused) problem = errno;
  }
  std::error_code ignored;
  fs::remove(path, ignored);
  ThrowNotWritten(path, problem, written.good() ? "it could not be flushed" : written.text());
}

}  // namespace

std::vector<fs::path> WriteMrSeries(const MrSeries& series, const fs::path& folder) {
  CheckShape(series);
  const std::string uid_name = UidName(series);
  std::map<std::string, std::string> attributes = CompleteAttributes(series, uid_name);
  const std::vector<Uint16> stored = Stored(series);
  const auto [low, high] = std::minmax_element(stored.begin(), stored.end());
  attributes.emplace("WindowCenter", DecimalString((double{0} + *low + *high) / 2));
  attributes.emplace("WindowWidth", DecimalString(std::max(1.0, double{0} + *high - *low)));

  const std::vector<Attribute> tagged = FindTags(attributes);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw Error(error == std::errc::no_space_on_device ? ErrorCode::kOutOfSpace : ErrorCode::kInternal,
                "cannot make the folder " + folder.string() + ": " + error.message());
  std::vector<fs::path> files;
  for (int slice = 0; slice < series.size[2]; ++slice) {
    DcmFileFormat object;
    PutCommon(*object.getDataset(), series, tagged);
    PutSlice(*object.getDataset(), series, slice, uid_name, stored);
    char file_name[24];
    std::snprintf(file_name, sizeof file_name, "%03d.dcm", slice + 1);
    files.push_back(folder / file_name);
    SaveSlice(object, files.back());
  }
  return files;
}

}  // namespace glionode::dicom
