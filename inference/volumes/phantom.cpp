#include "inference/volumes/phantom.h"

#include "inference/volumes/phantom_shift.h"

#include <cmath>
#include <cstdio>

namespace glionode::volumes {
namespace {

/// How much each latent feature says about the class, before scaling to length 1 (meanings: struct Lesion).
constexpr double kWeights[kLatentFeatures] = {0.60, 0.50, 0.40, 0.35, 0.25, 0.30, 0.30, 0.20};

}  // namespace

LatentDraw DrawLatent(std::uint64_t seed, int index, const PhantomOptions& options, int balanced_label) {
  PhantomStream random(seed, index, kLatentStream);
  const double chance = random.Uniform();  // drawn always, so that z does not depend on how the label was set
  const bool necrosis = balanced_label < 0 ? chance < options.prevalence : balanced_label == 1;
  double norm = 0;
  for (double w : kWeights) norm += w * w;
  norm = std::sqrt(norm);
  LatentDraw draw;
  draw.label = necrosis ? "necrosis" : "recurrence";
  const double shift = (necrosis ? 0.5 : -0.5) * options.separation;
  for (double w : kWeights) {
    draw.z.push_back(shift * w / norm + random.Normal());
    draw.log_likelihood_ratio += options.separation * w / norm * draw.z.back();
  }
  return draw;
}

Phantom MakePhantom(std::uint64_t seed, int index, const PhantomOptions& options, int balanced_label) {
  LatentDraw draw = DrawLatent(seed, index, options, balanced_label);
  // From here on the class is known through z only.
  Anatomy anatomy = MakeAnatomy(seed, index, draw.z);
  ShiftAnatomy(options.shift, anatomy);
  auto protocols = MakeProtocols(seed, index);
  ShiftProtocols(options.shift, protocols);
  Phantom phantom;
  phantom.lesion_radius = anatomy.lesion.radius;
  for (const auto& [role, protocol] : protocols) {
    phantom.volumes[role] = Render(anatomy, protocol, seed, index);
    phantom.attributes[role] = protocol.attributes;
    if (role == Role::kT1ce) {
      // Head space to patient: the protocol holds the other direction.
      const Mat3 r = RotationMatrix(protocol.head.angles);
      const Mat3 back{r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]};
      const auto& t = protocol.head.translation;
      const auto& c = anatomy.lesion.centre;
      const Vec3 p = Multiply(back, {c[0] - t[0], c[1] - t[1], c[2] - t[2]});
      phantom.lesion_centre = {static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2])};
    }
  }
  if (options.distractors)
    for (const auto& [name, protocol] : MakeDistractors(protocols))
      phantom.distractors.push_back({name, Render(anatomy, protocol, seed, index), protocol.attributes});
  ShiftVolumes(options.shift, phantom.volumes);
  PhantomStream patient(seed, index, kPatientStream);
  char id[64], birth[48];
  std::snprintf(id, sizeof id, "PHANTOM-S%llu-%05d", static_cast<unsigned long long>(seed), index);
  std::snprintf(birth, sizeof birth, "%04d%02d%02d", 1935 + patient.Choice(60), 1 + patient.Choice(12),
                1 + patient.Choice(28));
  auto& a = phantom.study_attributes;
  a["PatientID"] = id;
  a["PatientName"] = "Phantom^S" + std::to_string(seed) + "-" + std::to_string(index);
  a["PatientBirthDate"] = birth;
  a["PatientSex"] = patient.Choice(2) ? "F" : "M";
  a["StudyDescription"] = "Glioma post RT phantom";
  a["StudyDate"] = "20260601";
  a["StudyTime"] = "090000";
  a["SeriesDate"] = a["StudyDate"];
  a["AcquisitionDate"] = a["StudyDate"];
  a["StudyID"] = std::to_string(index);
  a["QualityControlSubject"] = "YES";
  phantom.label = std::move(draw.label);
  phantom.z = std::move(draw.z);
  phantom.log_likelihood_ratio = draw.log_likelihood_ratio;
  return phantom;
}

}  // namespace glionode::volumes
