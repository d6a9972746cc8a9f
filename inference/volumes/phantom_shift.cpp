#include "inference/volumes/phantom_shift.h"

#include <algorithm>

namespace glionode::volumes {

const std::vector<std::string>& PhantomShifts() {
  static const std::vector<std::string> shifts = {"inverted", "proton_density", "flair",    "no_skull",
                                                  "solid",    "cyst",           "t2_as_t1", "t1_as_t2"};
  return shifts;
}

void ShiftAnatomy(const std::string& shift, Anatomy& anatomy) {
  Lesion& lesion = anatomy.lesion;
  anatomy.stripped = shift == "no_skull";
  if (shift == "solid") {
    lesion.radius += 8;
    lesion.centre[0] = (lesion.centre[0] > 0 ? 1 : -1) * (anatomy.brain[0] - lesion.radius - 4);
    lesion.core = 0.01, lesion.core_filling = 1, lesion.bubbles = 0, lesion.nodule = 0.1;
    lesion.oedema = 0.5, lesion.cavity = 0, lesion.agent = 0.75, lesion.infiltration = 0;
  } else if (shift == "cyst") {
    lesion.radius += 6;
    lesion.core = 0.93, lesion.core_filling = 0, lesion.bubbles = 0, lesion.nodule = 0.1;
    lesion.oedema = 0.5, lesion.cavity = 0, lesion.core_t2 = 1.2, lesion.infiltration = 0;
  }
}

void ShiftProtocols(const std::string& shift, std::map<Role, Protocol>& protocols) {
  if (shift == "proton_density") {
    for (Role role : {Role::kT1, Role::kT1ce}) {
      Protocol& protocol = protocols.at(role);
      protocol.tr = protocol.is_3d ? 60 : 2800;
      if (protocol.is_3d) protocol.flip = 8;
    }
  } else if (shift == "flair") {
    protocols.at(Role::kT2).inversion = kLiquorNull;
    protocols.at(Role::kT2).tr = 9000;
  }
}

void ShiftVolumes(const std::string& shift, std::map<Role, Volume>& volumes) {
  if (shift == "inverted") {
    for (auto& [role, volume] : volumes) {
      const float most = *std::max_element(volume.voxels.begin(), volume.voxels.end());
      for (float& v : volume.voxels) v = most - v;
    }
  } else if (shift == "t2_as_t1") {
    volumes.at(Role::kT1) = volumes.at(Role::kT2);
  } else if (shift == "t1_as_t2") {
    volumes.at(Role::kT2) = volumes.at(Role::kT1);
  }
}

}  // namespace glionode::volumes
