#pragma once
#include "inference/volumes/volume.h"

#include <itkImage.h>
#include <itkMultiThreaderBase.h>

#include <algorithm>
#include <mutex>

namespace glionode::volumes {

using ItkImage = itk::Image<float, 3>;

/// One thread inside ITK, set once for the process: with more, the Mattes metric differs in the ninth digit from run to
/// run (promise 4). Parallelism is over volumes instead.
inline void UseOneItkThread() {
  static std::once_flag once;
  std::call_once(once, [] {
    itk::MultiThreaderBase::SetGlobalMaximumNumberOfThreads(1);
    itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(1);
  });
}

/// A copy of a volume as an ITK image.
inline ItkImage::Pointer ToItk(const Volume& volume) {
  auto image = ItkImage::New();
  ItkImage::RegionType region;
  ItkImage::SpacingType spacing;
  ItkImage::PointType origin;
  ItkImage::DirectionType direction;
  for (unsigned i = 0; i < 3; ++i) {
    region.SetSize(i, static_cast<itk::SizeValueType>(volume.size[i]));
    spacing[i] = volume.spacing[i];
    origin[i] = volume.origin[i];
    for (unsigned j = 0; j < 3; ++j) direction[i][j] = volume.direction[3 * i + j];
  }
  image->SetRegions(region);
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  image->SetDirection(direction);
  image->Allocate();
  std::copy(volume.voxels.begin(), volume.voxels.end(), image->GetBufferPointer());
  return image;
}

}  // namespace glionode::volumes
