#include "inference/volumes/bias_field.h"

#include "config/error.h"
#include "inference/volumes/itk_image.h"

#include <itkN4BiasFieldCorrectionImageFilter.h>

#include <cmath>

namespace glionode::volumes {
namespace {

constexpr double kFieldSpacing = 10.0;  ///< coil fields change over tens of mm
constexpr float kFloor = 1e-3F;         ///< share of the mean: N4 takes logarithms
/// Only tissue has a say: the logarithms of air and bone are outliers that hold the field back.
constexpr float kTissueFrom = 0.4F;
/// Width of the assumed field's histogram (N4's default is 0.15). Measured with a known field of 16 % on the real
/// study: in 20 iterations 0.15 leaves 40 % of it, 0.4 leaves 20 %.
constexpr double kWidth = 0.4;

}  // namespace

BiasField CorrectBias(std::vector<float>& values, const Mask& mask, const Grid& grid) {
  UseOneItkThread();
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (mask[i]) sum += values[i], ++count;
  if (count == 0 || sum <= 0) return {};
  const double mean = sum / static_cast<double>(count);

  Volume image, soft_mask;
  image.size = grid.size;
  image.spacing = {grid.spacing, grid.spacing, grid.spacing};
  image.origin = grid.origin;
  soft_mask = image;
  image.voxels = values;
  soft_mask.voxels.assign(mask.begin(), mask.end());
  Volume small = Reduce(image, kFieldSpacing);
  const Volume small_mask = Reduce(soft_mask, kFieldSpacing);
  const auto floor = static_cast<float>(mean) * kFloor;
  for (float& v : small.voxels) v = std::max(v, floor);

  try {
    using MaskImage = itk::Image<unsigned char, 3>;
    using N4 = itk::N4BiasFieldCorrectionImageFilter<ItkImage, MaskImage, ItkImage>;
    auto input = ToItk(small);
    auto itk_mask = MaskImage::New();
    itk_mask->CopyInformation(input);
    itk_mask->SetRegions(input->GetLargestPossibleRegion());
    itk_mask->Allocate();
    for (std::size_t i = 0; i < small.voxels.size(); ++i)
      itk_mask->GetBufferPointer()[i] =
          small_mask.voxels[i] > 0.5F && small.voxels[i] > kTissueFrom * static_cast<float>(mean) ? 1 : 0;
    auto n4 = N4::New();
    n4->SetInput(input);
    n4->SetMaskImage(itk_mask);
    n4->SetMaskLabel(1);
    n4->SetNumberOfFittingLevels(2);
    N4::VariableSizeArrayType iterations(2);
    iterations[0] = 10, iterations[1] = 10;
    n4->SetMaximumNumberOfIterations(iterations);
    n4->SetConvergenceThreshold(1e-4);
    n4->SetBiasFieldFullWidthAtHalfMaximum(kWidth);
    n4->SetNumberOfWorkUnits(1);
    n4->Update();
    BiasField bias{small, 1};  // corrected = input / field
    Volume& field = bias.field;
    const float* corrected = n4->GetOutput()->GetBufferPointer();
    for (std::size_t i = 0; i < field.voxels.size(); ++i)
      field.voxels[i] = std::clamp(small.voxels[i] / std::max(corrected[i], 1e-20F), 0.2F, 5.0F);
    const auto smooth = SampleGrid(field, RigidTransform{}, grid);
    double after = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (smooth[i] > 0) values[i] /= smooth[i];
      if (mask[i]) after += values[i];
    }
    bias.scale = static_cast<float>(after > 0 ? sum / after : 1.0);
    for (float& v : values) v *= bias.scale;
    return bias;
  } catch (const itk::ExceptionObject& e) {
    throw Error(ErrorCode::kInternal, std::string("ITK bias correction failed: ") + e.GetDescription());
  }
}

void ApplyBias(std::vector<float>& values, const BiasField& bias, const Grid& grid) {
  if (bias.field.voxels.empty()) return;
  const auto smooth = SampleGrid(bias.field, RigidTransform{}, grid);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (smooth[i] > 0) values[i] /= smooth[i];
    values[i] *= bias.scale;
  }
}

}  // namespace glionode::volumes
