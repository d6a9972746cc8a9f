#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glionode::dicom {

/// A volume to be written as classic MR Image Storage, one file a slice, explicit VR little endian, 16 bit.
struct MrSeries {
  std::array<int, 3> size{};          ///< columns, rows, slices
  std::array<double, 3> spacing{};    ///< mm along columns index, rows index, slice index
  std::array<double, 3> origin{};     ///< LPS mm, centre of the first voxel
  std::array<double, 9> direction{};  ///< column vectors of the three axes, row-major 3x3
  std::vector<float> voxels;          ///< x fastest; written as integers 0..4095 without rescale
  /// DICOM keyword -> value (patient, study, series, acquisition). A UID that is not given is derived from the name
  /// below; those of the slices always are.
  std::map<std::string, std::string> attributes;
  std::string sop_uid_prefix_name;  ///< name for NamedUid; empty: the SeriesInstanceUID, which must be given then
};

/// Writes NNN.dcm files into `folder` (made if needed) and returns their paths. Throws Error{kBadDataset} for an
/// unknown keyword, a geometry that is not finite or a series without any name, before anything is written;
/// kOutOfSpace or kInternal with the system's reason for a file that cannot be written, of which no part stays.
std::vector<std::filesystem::path> WriteMrSeries(const MrSeries& series, const std::filesystem::path& folder);

}  // namespace glionode::dicom
