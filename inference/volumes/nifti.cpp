#include "inference/volumes/nifti.h"

#include "config/error.h"

#include <itkImageFileReader.h>
#include <itkMetaDataObject.h>
#include <itkNiftiImageIO.h>

#include <algorithm>
#include <cmath>
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
  if (!std::all_of(volume.voxels.begin(), volume.voxels.end(), [](float v) { return std::isfinite(v); }))
    Bad(file, "holds values that are not finite");
  return volume;
}

}  // namespace glionode::volumes
