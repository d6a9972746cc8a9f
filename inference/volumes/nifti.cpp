#include "inference/volumes/nifti.h"

#include "config/error.h"

#include <itkImageFileReader.h>
#include <itkMetaDataObject.h>
#include <itkNiftiImageIO.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace glionode::volumes {
namespace {

[[noreturn]] void Bad(const std::filesystem::path& file, const std::string& reason) {
  throw Error(ErrorCode::kBadDataset, file.string() + ": " + reason);
}

/// ITK takes a file without a place at the origin with axes as they come; left and right would then be a guess.
bool HasPlace(const itk::MetaDataDictionary& header) {
  for (const char* key : {"qform_code", "sform_code"}) {
    std::string code;
    if (itk::ExposeMetaData<std::string>(header, key, code) && std::atoi(code.c_str()) > 0) return true;
    // ITK 5 writes the code's name into "..._name" and the number as text.
  }
  return false;
}

/// Uncompressed size in bytes: of a gzip file as its last four bytes say (RFC 1952, modulo 2^32).
std::uint64_t UncompressedSize(const std::filesystem::path& file) {
  const std::uint64_t size = std::filesystem::file_size(file);
  if (file.extension() != ".gz" || size < 18) return size;
  std::ifstream in(file, std::ios::binary);
  in.seekg(-4, std::ios::end);
  std::array<unsigned char, 4> last{};
  in.read(reinterpret_cast<char*>(last.data()), 4);
  return last[0] | last[1] << 8 | last[2] << 16 | static_cast<std::uint64_t>(last[3]) << 24;
}

/// ITK's NIfTI library fills what a file lacks with zeros and says nothing: half a head would pass for a whole one.
void CheckSize(const std::filesystem::path& file, const itk::ImageIOBase& io) {
  constexpr std::uint64_t kHeader = 352;  // NIfTI-1: header and extension flags
  const auto needed = kHeader + static_cast<std::uint64_t>(io.GetImageSizeInBytes());
  if (needed < (std::uint64_t{1} << 32) && UncompressedSize(file) < needed)
    Bad(file, "is cut off: " + std::to_string(needed) + " bytes are needed");
}

}  // namespace

Volume ReadNifti(const std::filesystem::path& file) {
  using Image = itk::Image<float, 3>;
  Image::Pointer image;
  try {
    auto io = itk::NiftiImageIO::New();
    if (!io->CanReadFile(file.c_str())) Bad(file, "is no NIfTI file");
    io->SetFileName(file.string());
    io->ReadImageInformation();
    for (unsigned axis = 3; axis < io->GetNumberOfDimensions(); ++axis)
      if (io->GetDimensions(axis) != 1) Bad(file, "has more than three dimensions; one volume is needed");
    if (io->GetNumberOfComponents() != 1) Bad(file, "holds colours or vectors; one value a voxel is needed");
    if (!HasPlace(io->GetMetaDataDictionary()))
      Bad(file, "says nothing about its place in the patient (qform and sform codes are 0)");
    CheckSize(file, *io);
    auto reader = itk::ImageFileReader<Image>::New();
    reader->SetImageIO(io);
    reader->SetFileName(file.string());
    reader->Update();
    image = reader->GetOutput();
  } catch (const itk::ExceptionObject& error) {
    Bad(file, std::string("cannot be read (") + error.GetDescription() + ")");
  }
  Volume volume;
  for (unsigned i = 0; i < 3; ++i) {
    volume.size[i] = static_cast<int>(image->GetLargestPossibleRegion().GetSize()[i]);
    volume.spacing[i] = image->GetSpacing()[i];
    volume.origin[i] = image->GetOrigin()[i];
    for (unsigned j = 0; j < 3; ++j) volume.direction[3 * i + j] = image->GetDirection()[i][j];
  }
  const float* values = image->GetBufferPointer();
  volume.voxels.assign(values, values + volume.Count());
  return volume;
}

}  // namespace glionode::volumes
