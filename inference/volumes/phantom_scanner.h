#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/phantom_anatomy.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace glionode::volumes {

/// How one series is taken. All of it is independent of the class.
struct Protocol {
  Role role = Role::kNone;
  double field = 1.5;  ///< tesla; decides about relaxation times, relaxivity, noise and the coil's field
  bool is_3d = false;
  double tr = 0, te = 0, flip = 90;  ///< ms, ms, degrees
  double inversion = 0;              ///< ms before excitation; 0: none
  double b_value = 0;                ///< s/mm2 of the diffusion gradients; 0: none
  std::array<int, 3> size{};
  std::array<double, 3> spacing{};  ///< mm
  double thickness = 0;             ///< mm, of the excited slice
  RigidTransform slices;            ///< where the stack stands: stack axes (middle at 0) to the patient system
  RigidTransform head;              ///< where the head is: patient system to head space
  double noise = 0;                 ///< share of white matter's signal
  double brightness = 0;            ///< stored value of white matter
  int noise_stream = -1;            ///< -1: the role's
  std::array<double, 9> bias{};     ///< polynomial of the coil's field
  std::map<std::string, std::string> attributes;  ///< DICOM keyword -> value
};

/// Inversion time (ms) that leaves no signal of liquor at a TR of 9000 ms: T1 ln(2 / (1 + exp(-TR / T1))) with its T1
/// of 4.3 s. At an infinite TR it would be 2981.
constexpr double kLiquorNull = 2480;

/// The examination of one phantom: T1, T2, T1ce on one scanner, with a little motion between them.
std::map<Role, Protocol> MakeProtocols(std::uint64_t seed, int index);

struct DistractorProtocol {
  std::string name;
  Protocol protocol;
};
/// Series of the same examination that are not for the network: localizer, FLAIR, diffusion. Nothing is drawn for them
/// that the others depend on.
std::vector<DistractorProtocol> MakeDistractors(const std::map<Role, Protocol>& protocols);

/// Takes the series: analytic rendering at the series' own grid, then field, Rician noise, whole numbers 0..4095.
Volume Render(const Anatomy& anatomy, const Protocol& protocol, std::uint64_t seed, int index);

}  // namespace glionode::volumes
