#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/registration.h"
#include "inference/volumes/volume.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace glionode::volumes {

/// Raised by every change after which the same images give another input: what was kept of former ones is made anew.
constexpr int kPreprocessingVersion = 4;

/// bundle.json "preprocessing" (design section 7).
struct PreprocessingSpec {
  double spacing_mm = 2.0;
  int shape = 96;  ///< cube
  /// Middle of the cube: `head_mask` (of the head), or `lesion` (of the largest lump that enhances in the brain; needs
  /// T1 and T1ce).
  std::string centre = "head_mask";
  bool bias_correction = true;
  std::string normalisation = "zscore";
  std::string input_state = "native";  ///< native, registered, skull-stripped (then what is above 0 is the head)
  std::array<double, 2> slice_thickness_mm{0.5, 7.0};  ///< limits
};

/// What the network gets, and what was found on the way. One function for training and serving.
struct NetworkInput {
  std::vector<float> tensor;            ///< [channel][z][y][x], channels in the order of `roles`; zero outside the head
  std::vector<std::uint8_t> head_mask;  ///< [z][y][x]
  std::array<double, 3> grid_origin{};  ///< LPS mm of voxel (0,0,0); axes along L, P, S
  double spacing_mm = 0;
  int shape = 0;
  std::optional<std::array<double, 3>> head_centre;    ///< LPS mm; nothing if no head was looked for
  std::optional<std::array<double, 3>> lesion_centre;  ///< LPS mm of what FindLesion finds; nothing without T1 and T1ce
  std::map<Role, Registration> registrations;
  std::vector<Reason> reasons;  ///< geometry, not_a_head, registration, contrast_check, no_lesion: what makes it not
                                ///< evaluable
  double registration_ms = 0, preprocess_ms = 0;
};

/// Registers T1 and T2 to T1ce (at the same time, one thread each), corrects the bias field, finds the head, resamples
/// all to one LPS grid centred on it, or on its lesion, and normalises by the values inside the head. `volumes` must
/// hold every role in `roles`; with one role only, nothing is registered. Throws Error{kInternal} for ITK failures.
NetworkInput Preprocess(const std::map<Role, Volume>& volumes, const std::vector<Role>& roles,
                        const PreprocessingSpec& spec);

/// Samples a plane for the capture: `pixels` x `pixels` at `pixel_mm`, centred on `centre` (LPS of the reference),
/// radiological view. plane: 'a', 'c' or 's'.
std::vector<float> SamplePlane(const Volume& volume, const RigidTransform& transform,
                               const std::array<double, 3>& centre, char plane, int pixels, double pixel_mm);

/// The same for a map on the network's grid (values 0 outside). `map_size` is z, y, x. Cell i of the map lies on voxel
/// `first_cell` + i * shape / map_size of the grid: 0 is exact for networks of odd kernels padded by half (the ResNets
/// here); a network that halves by 2-wide pooling k times (VGG) has its first cell at (2^k - 1) / 2.
Volume MapAsVolume(const std::vector<float>& map, const std::array<int, 3>& map_size, const NetworkInput& input,
                   double first_cell = 0);

}  // namespace glionode::volumes
