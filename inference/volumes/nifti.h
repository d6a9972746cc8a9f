#pragma once
#include "inference/volumes/volume.h"

#include <filesystem>

namespace glionode::volumes {

/// A 3D NIfTI-1 file (.nii or .nii.gz) by ITK's reader: values with slope and intercept applied, geometry in LPS. A
/// fourth dimension of 1 is passed over. Throws Error{kBadDataset} (FILE: reason) for what is not readable, not 3D,
/// has no place in the patient (neither qform nor sform), or holds values that are not finite. Threads: any.
Volume ReadNifti(const std::filesystem::path& file);

}  // namespace glionode::volumes
