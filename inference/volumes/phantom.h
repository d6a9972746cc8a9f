#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/volume.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace glionode::volumes {

/// Counts the changes after which the same seed gives other pixels: part of what UIDs are made of.
constexpr int kPhantomVersion = 2;

struct PhantomOptions {
  double prevalence = 0.5;    ///< share of necrosis
  double separation = 1.812;  ///< delta of notes: AUC of a perfect reader is Phi(delta / sqrt 2)
  bool distractors = false;   ///< also series that are not for the network, as every study has them
  std::string shift;          ///< empty, or a kind of phantom that no model was made for (PhantomShifts())
};

/// What decides about one phantom: drawn before, and apart from, everything else.
struct LatentDraw {
  std::string label;                ///< recurrence or necrosis
  std::vector<double> z;            ///< N(+-separation/2 u, I): plus for necrosis
  double log_likelihood_ratio = 0;  ///< separation * u . z, of necrosis against recurrence
};

/// The latent draw of MakePhantom, without an image. Threads: any.
LatentDraw DrawLatent(std::uint64_t seed, int index, const PhantomOptions& options, int balanced_label = -1);

/// A series beside those of the network.
struct DistractorSeries {
  std::string name;  ///< localizer, flair, diffusion
  Volume volume;
  std::map<std::string, std::string> attributes;
};

/// One synthetic patient. The image depends on the class only through `z`.
struct Phantom {
  std::string label;                ///< recurrence or necrosis
  std::vector<double> z;            ///< latent features
  double log_likelihood_ratio = 0;  ///< of necrosis against recurrence
  std::map<Role, Volume> volumes;   ///< t1, t2, t1ce, each with its own geometry (thick slices or 3D, a little motion)
  std::map<Role, std::map<std::string, std::string>>
      attributes;  ///< per series: DICOM keyword -> value (SeriesDescription, RepetitionTime, EchoTime, ...)
  std::vector<DistractorSeries> distractors;
  std::map<std::string, std::string>
      study_attributes;              ///< PatientID (holds the seed), StudyDescription, QualityControlSubject = YES ...
  std::vector<float> lesion_centre;  ///< LPS mm
  double lesion_radius = 0;          ///< mm, of the enhancing part, before it is squeezed
};

/// Draws phantom number `index` of a cohort. Seed, index, label, separation and shift decide about it, not what was
/// drawn before; with distractors the other series stay the same. Scanner, motion and patient are independent of the
/// class. `balanced_label`: 0 recurrence, 1 necrosis, -1 drawn by prevalence.
Phantom MakePhantom(std::uint64_t seed, int index, const PhantomOptions& options, int balanced_label = -1);

}  // namespace glionode::volumes
