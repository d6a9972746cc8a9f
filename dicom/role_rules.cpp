#include "dicom/role_rules.h"

#include "dicom/dataset_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace glionode::dicom {
namespace {

using E = RoleEvidence;
using W = Word;

bool In(const std::optional<double>& value, double low, double high) {
  return value && *value >= low && *value <= high;
}
bool Plain(const E& e) { return !e.echo_planar; }
bool Saturated(const E& e) { return e.name.HasAny(W::kPre, W::kUnenhanced); }

// Points: an exclusion (kOut) beats everything, because T1 and T2 are capped below it (series_roles.cpp); a word of the
// name 6; a sequence that is weighted by design 5; acquisition parameters 4. Limits of TR, TE and TI are usual ranges
// at 1.5 and 3 T, wide on purpose: they only ever add to words, or speak where words are missing.
constexpr double kOut = 20;

constexpr EvidenceRule kRules[] = {
    // name                 applies when                                                              T1  T2  none
    // contrast
    // The weighting, by name
    {"t1 word", [](const E& e) { return e.name.Has(W::kT1); }, 6, 0, 0, 0, "T1 in the name"},
    {"t2 word", [](const E& e) { return e.name.Has(W::kT2); }, 0, 6, 0, 0, "T2 in the name"},
    {"t1 sequence", [](const E& e) { return e.name.Has(W::kT1Sequence) && !e.name.HasAny(W::kT2, W::kT2Star); }, 5, 0,
     0, 0, "a T1 sequence by name (such as MPRAGE, SPGR, BRAVO)"},
    {"t1 flair", [](const E& e) { return e.name.Has(W::kFlair) && e.name.Has(W::kT1) && !e.name.Has(W::kT2); }, 2, 0, 0,
     0, "T1 FLAIR is T1-weighted"},
    {"mp2rage uniform",
     [](const E& e) {
       return e.name.Has(W::kMp2rage) && (e.name.Has(W::kMp2rageUniform) || e.HasImageType({"UNI", "UNI_DEN"}));
     },
     8, 0, 0, 0, "uniform image of an MP2RAGE"},
    {"mp2rage part",
     [](const E& e) {
       return e.name.Has(W::kMp2rage) && !e.name.Has(W::kMp2rageUniform) && !e.HasImageType({"UNI", "UNI_DEN"});
     },
     0, 0, kOut, 0, "part of an MP2RAGE, not its uniform image"},
    {"flair", [](const E& e) { return e.name.Has(W::kFlair) && (!e.name.Has(W::kT1) || e.name.Has(W::kT2)); }, 0, 0,
     kOut, 0, "FLAIR"},
    {"t2 star",
     [](const E& e) { return e.name.Has(W::kT2Star) || (e.name.Has(W::kT2) && e.name.Has(W::kGradientEcho)); }, 0, 0,
     kOut, 0, "T2* or T2 gradient echo"},
    {"proton density", [](const E& e) { return e.name.Has(W::kProtonDensity) && !e.name.HasAny(W::kT1, W::kT2); }, 0, 0,
     kOut, 0, "proton density"},
    {"proton density echo",
     [](const E& e) { return e.name.Has(W::kProtonDensity) && e.name.Has(W::kT2) && In(e.te, 0.1, 45); }, 0, 0, kOut, 0,
     "the proton density echo of a double echo"},
    {"stir", [](const E& e) { return e.name.Has(W::kStir); }, 0, 0, kOut, 0, "STIR"},
    {"t2 inversion recovery",
     [](const E& e) { return e.name.Has(W::kInversionRecovery) && e.name.Has(W::kT2) && !e.name.Has(W::kT1); }, 0, 0,
     kOut, 0, "a T2 inversion recovery (FLAIR or STIR)"},
    {"echo planar word", [](const E& e) { return e.name.Has(W::kEchoPlanar); }, 0, 0, 12, 0,
     "echo-planar by its name: diffusion, perfusion or functional"},
    {"steady state", [](const E& e) { return e.name.Has(W::kSteadyState); }, 0, 0, kOut, 0, "steady-state sequence"},
    // What is no anatomical T1 or T2 at all, by name
    {"diffusion", [](const E& e) { return e.name.Has(W::kDiffusion); }, 0, 0, kOut, 0, "diffusion"},
    {"perfusion",
     [](const E& e) {
       return e.name.Has(W::kPerfusion) && !(e.name.Has(W::kT1) && e.name.HasAny(W::kMapping, W::kMap));
     },
     0, 0, kOut, 0, "perfusion or dynamic series"},
    {"spin labelling", [](const E& e) { return e.name.Has(W::kLabelling); }, 0, 0, kOut, 0, "arterial spin labelling"},
    {"functional", [](const E& e) { return e.name.Has(W::kFunctional); }, 0, 0, kOut, 0, "functional MRI"},
    {"susceptibility", [](const E& e) { return e.name.Has(W::kSusceptibility); }, 0, 0, kOut, 0,
     "susceptibility-weighted"},
    {"angiography", [](const E& e) { return e.name.Has(W::kAngiography); }, 0, 0, kOut, 0, "angiography or flow"},
    {"spectroscopy", [](const E& e) { return e.name.Has(W::kSpectroscopy) && !e.name.HasAny(W::kT1, W::kT2); }, 0, 0,
     kOut, 0, "spectroscopy"},
    {"localizer",
     [](const E& e) { return e.name.Has(W::kLocalizer) && !(e.name.Has(W::kSpectroscopy) && e.name.Has(W::kT1)); }, 0,
     0, kOut, 0, "localizer"},
    // Full stacks of T1 slices on which voxels of a spectroscopy were placed.
    {"spectroscopy plan",
     [](const E& e) { return e.name.Has(W::kLocalizer) && e.name.Has(W::kSpectroscopy) && e.name.Has(W::kT1); }, 0, 0,
     2, 0, "images for planning a spectroscopy"},
    {"small part", [](const E& e) { return e.name.Has(W::kSmallPart); }, 0, 0, 2, 0,
     "taken of a small part of the head"},
    {"field map", [](const E& e) { return e.name.Has(W::kFieldMap); }, 0, 0, kOut, 0, "field map or shim"},
    {"reformat", [](const E& e) { return e.name.Has(W::kReformat); }, 0, 0, kOut, 0, "reformatted from another series"},
    {"projection", [](const E& e) { return e.name.Has(W::kProjection); }, 0, 0, kOut, 0, "projection (MIP)"},
    {"subtraction", [](const E& e) { return e.name.Has(W::kSubtraction); }, 0, 0, kOut, 0, "subtraction"},
    {"phase", [](const E& e) { return e.name.Has(W::kPhase); }, 0, 0, kOut, 0, "phase image"},
    {"fat image", [](const E& e) { return e.name.Has(W::kFatImage); }, 0, 0, kOut, 0,
     "the fat or opposed-phase image of a Dixon"},
    {"map", [](const E& e) { return e.name.Has(W::kMap); }, 0, 0, 4.5, 0, "a computed map by its name"},
    {"mapping", [](const E& e) { return e.name.Has(W::kMapping) && !e.name.Has(W::kMap); }, 0, 0, 2, 0,
     "taken for a quantitative map"},
    // A T1 of a mapping protocol is one of many like it; T2 is mapped from a train of echoes, none of them "the" T2.
    {"t2 mapping", [](const E& e) { return e.name.Has(W::kMapping) && e.name.Has(W::kT2) && !e.name.Has(W::kT1); }, 0,
     0, 2, 0, "one of several echoes"},
    {"calibration", [](const E& e) { return e.name.Has(W::kCalibration); }, 0, 0, kOut, 0, "calibration scan"},
    {"report", [](const E& e) { return e.name.Has(W::kReport); }, 0, 0, kOut, 0, "a result or screen image"},
    {"other body part", [](const E& e) { return e.name.Has(W::kOtherBody); }, 0, 0, kOut, 0, "another body part"},
    // Attributes of the image
    {"image type diffusion",
     [](const E& e) {
       return e.HasImageType({"DIFFUSION", "ADC", "EADC", "FA", "COLFA", "TRACEW", "TRACE", "TENSOR", "B0"});
     },
     0, 0, kOut, 0, "image type says diffusion"},
    {"image type perfusion",
     [](const E& e) {
       return e.HasImageType({"PERFUSION", "ASL", "RCBF", "RELCBF", "CBF", "CBV", "RELCBV", "MTT", "RELMTT", "TTP",
                              "FMRI", "GBP", "PBP"});
     },
     0, 0, kOut, 0, "image type says perfusion or functional MRI"},
    {"image type computed",
     [](const E& e) {
       return e.HasImageType({"MPR", "CSA MPR", "REFORMATTED", "MIP", "CSA MIP", "MIN IP", "MNIP", "PROJECTION IMAGE",
                              "MEAN IP", "SUBTRACTION", "SUB", "SCREEN SAVE", "CSA REPORT", "LOCALIZER", "MOSAIC",
                              "POSDISP"});
     },
     0, 0, kOut, 0, "image type says localizer, reformat, projection or subtraction"},
    {"image type map",
     [](const E& e) {
       return e.HasImageType({"T1 MAP", "T2 MAP", "T1_MAP", "T2_MAP", "T2_STAR MAP", "T2STAR MAP", "R2_MAP", "R2 MAP",
                              "FIELDMAPHZ", "FIELD_MAP", "B0 MAP", "B1 MAP", "VELOCITY", "FAT", "FAT_FRACTION",
                              "OUT_PHASE", "OPP_PHASE"});
     },
     0, 0, kOut, 0, "image type says a computed map or a fat image"},
    {"image type phase",
     [](const E& e) {
       return e.HasImageType({"P", "PHASE", "PHASE MAP", "PHASE IMAGE", "I", "IMAGINARY"}) || e.component == "PHASE" ||
              e.component == "IMAGINARY";
     },
     0, 0, kOut, 0, "image type says phase"},
    {"image type t1", [](const E& e) { return e.image_type.size() > 2 && e.image_type[2] == "T1"; }, 3, 0, 0, 0,
     "image type says T1"},
    {"image type t2", [](const E& e) { return e.image_type.size() > 2 && e.image_type[2] == "T2"; }, 0, 3, 0, 0,
     "image type says T2"},
    {"acquisition contrast t1", [](const E& e) { return e.acquisition_contrast == "T1"; }, 4, 0, 0, 0,
     "the scanner calls its contrast T1"},
    {"acquisition contrast t2", [](const E& e) { return e.acquisition_contrast == "T2"; }, 0, 4, 0, 0,
     "the scanner calls its contrast T2"},
    {"acquisition contrast other",
     [](const E& e) {
       const auto& c = e.acquisition_contrast;
       return !c.empty() && c != "T1" && c != "T2" && c != "UNKNOWN" && c != "MIXED" && c != "INVERSION_RECOVERY" &&
              c != "MAGNETIZATION_TRANSFER" && c != "NONE";
     },
     0, 0, 8, 0, "the scanner calls its contrast something else than T1 or T2"},
    {"b value", [](const E& e) { return e.b_value && *e.b_value > 0; }, 0, 0, kOut, 0, "has a diffusion b-value"},
    {"body part",
     [](const E& e) {
       static constexpr std::string_view kOthers[] = {
           "SPINE", "ABDOMEN", "PELVIS", "KNEE",  "SHOULDER", "CHEST", "HEART", "LIVER", "BREAST", "HIP",      "ANKLE",
           "FOOT",  "WRIST",   "HAND",   "ELBOW", "PROSTATE", "NECK",  "LEG",   "ARM",   "UTERUS", "EXTREMITY"};
       return std::any_of(std::begin(kOthers), std::end(kOthers), [&](std::string_view part) {
         return e.body_part.find(part) != std::string::npos && e.body_part.find("HEAD") == std::string::npos &&
                e.body_part.find("BRAIN") == std::string::npos;
       });
     },
     0, 0, kOut, 0, "the header names another body part"},
    // Acquisition parameters
    {"echo planar", [](const E& e) { return e.echo_planar || e.sequence_name.starts_with("*EP"); }, 0, 0, 12, 0,
     "echo-planar: diffusion, perfusion or functional"},
    {"t1 spin echo",
     [](const E& e) { return Plain(e) && e.spin_echo && !e.inversion && In(e.tr, 200, 1200) && In(e.te, 2, 32); }, 4, 0,
     0, 0, "TR and TE of a T1 spin echo"},
    {"t1 inversion spin echo",
     [](const E& e) {
       return Plain(e) && e.spin_echo && e.inversion && In(e.ti, 400, 1250) && In(e.tr, 1000, 4000) && In(e.te, 2, 40);
     },
     4, 0, 0, 0, "TR, TE and TI of a T1 inversion recovery"},
    {"t1 prepared gradient echo",
     [](const E& e) { return Plain(e) && !e.spin_echo && e.inversion && In(e.ti, 300, 1400) && In(e.te, 0.5, 9); }, 4,
     0, 0, 0, "TI and TE of a T1 prepared gradient echo"},
    {"t1 gradient echo",
     [](const E& e) {
       return Plain(e) && e.gradient_echo && !e.spin_echo && !e.inversion && In(e.te, 0.5, 9) &&
              ((In(e.tr, 3, 60) && In(e.flip_angle, 7, 45)) || (In(e.tr, 60, 500) && In(e.flip_angle, 45, 95)));
     },
     3, 0, 0, 0, "TR, TE and flip angle of a T1 gradient echo"},
    {"t2 spin echo",
     [](const E& e) { return Plain(e) && e.spin_echo && !e.inversion && In(e.tr, 1800, 20000) && In(e.te, 65, 500); },
     0, 4, 0, 0, "TR and TE of a T2 spin echo"},
    {"flair times", [](const E& e) { return Plain(e) && e.inversion && In(e.ti, 1500, 3200) && In(e.te, 50, 700); }, 0,
     0, 10, 0, "TI and TE of a FLAIR"},
    {"stir times", [](const E& e) { return Plain(e) && e.spin_echo && e.inversion && In(e.ti, 80, 300); }, 0, 0, 6, 0,
     "TI of a STIR"},
    {"proton density times",
     [](const E& e) {
       return Plain(e) && e.spin_echo && !e.inversion && In(e.tr, 1800, 20000) && In(e.te, 2, 45) &&
              !e.name.Has(W::kT1);
     },
     0, 0, 4, 0, "TR and TE of a proton density image"},
    {"t2 star times",
     [](const E& e) { return Plain(e) && e.gradient_echo && !e.spin_echo && !e.inversion && In(e.te, 12, 100); }, 0, 0,
     5, 0, "TE of a T2* gradient echo"},
    // Contrast agent
    {"contrast word", [](const E& e) { return e.name.Has(W::kContrast); }, 0, 0, 0, 4, "a contrast word in the name"},
    {"contrast letter", [](const E& e) { return e.name.Has(W::kBareC); }, 0, 0, 0, 3, "C for contrast in the name"},
    {"post word", [](const E& e) { return e.name.Has(W::kPost); }, 0, 0, 0, 4, "POST in the name"},
    {"pre word", [](const E& e) { return Saturated(e); }, 0, 0, 0, -12, "the name says before or without contrast"},
    {"contrast attribute", [](const E& e) { return e.agent == E::Agent::kNamed; }, 0, 0, 0, 3,
     "the header names a contrast agent"},
    {"contrast denied", [](const E& e) { return e.agent == E::Agent::kDenied; }, 0, 0, 0, -3,
     "the header says no contrast agent"},
    {"protocol contrast",
     [](const E& e) {
       return !e.name.HasAny(W::kContrast, W::kBareC, W::kPost, W::kPre, W::kUnenhanced, W::kPostSurgery,
                             W::kMaybeAgent) &&
              e.protocol.HasAny(W::kContrast, W::kBareC, W::kPost) && !e.protocol.HasAny(W::kPre, W::kUnenhanced);
     },
     0, 0, 0, 2.5, "a contrast word in the protocol name"},
    {"surgery word",
     [](const E& e) {
       return e.name.Has(W::kPostSurgery) && !e.name.HasAny(W::kContrast, W::kBareC, W::kPost, W::kPre, W::kUnenhanced);
     },
     0, 0, 0, 1, "POST in the name means after surgery and leaves contrast open"},
    {"unclear contrast",
     [](const E& e) {
       return e.name.Has(W::kMaybeAgent) && !e.name.HasAny(W::kContrast, W::kBareC, W::kPost, W::kPre, W::kUnenhanced);
     },
     0, 0, 0, 1, "a word in the name that may mean contrast"},
    {"pre and post", [](const E& e) { return Saturated(e) && e.name.Has(W::kPost); }, 0, 0, 0, 9,
     "both PRE and POST in the name"},
};

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

/// "NONE", "No contrast", "none given", "ohne": the first word decides. Upper case.
bool SaysNo(const std::string& agent) {
  static constexpr std::string_view kNo[] = {"NONE", "NO",   "N",    "0",     "NOT",   "WITHOUT",   "NIL",  "NON",
                                             "OHNE", "SANS", "SIN",  "SEM",   "SENZA", "ZONDER",    "UTAN", "UTEN",
                                             "BEZ",  "KEIN", "UDEN", "KEINE", "NATIV", "UNENHANCED"};
  const std::string_view first = std::string_view(agent).substr(0, agent.find_first_of(" -_,;.("));
  return std::find(std::begin(kNo), std::end(kNo), first) != std::end(kNo);
}

/// What fills a field and says nothing.
bool SaysNothing(const std::string& agent) {
  return agent == "N/A" || agent == "NA" || agent == "UNKNOWN" || agent == "?" || agent == "-" || agent == ".";
}

std::vector<std::string> Values(const std::string& text) {
  std::vector<std::string> values;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\\', begin), text.size());
    values.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return values;
}

}  // namespace

bool RoleEvidence::HasImageType(std::initializer_list<std::string_view> values) const {
  return std::any_of(image_type.begin(), image_type.end(), [&](const std::string& have) {
    return std::find(values.begin(), values.end(), have) != values.end();
  });
}

RoleEvidence CollectEvidence(const std::map<std::string, std::string>& attributes) {
  const auto get = [&](const char* keyword) {
    const auto it = attributes.find(keyword);
    return it == attributes.end() ? std::string() : it->second;
  };
  RoleEvidence e;
  e.name = FindWords(get("SeriesDescription"));
  e.protocol = FindWords(get("ProtocolName"));
  const bool says_weighting =
      e.name.HasAny(W::kT1, W::kT2, W::kT2Star, W::kFlair, W::kT1Sequence, W::kMp2rage, W::kProtonDensity, W::kStir,
                    W::kDiffusion, W::kPerfusion, W::kLocalizer, W::kSusceptibility, W::kAngiography, W::kFunctional);
  if (!says_weighting) e.name.Merge(e.protocol);
  e.image_type = Values(Upper(get("ImageType")));
  for (std::string& value : Values(Upper(get("FrameType")))) e.image_type.push_back(value);
  e.tr = FirstNumber(get("RepetitionTime"));
  e.te = FirstNumber(get("EchoTime"));
  e.ti = FirstNumber(get("InversionTime"));
  if (e.ti && *e.ti <= 0) e.ti.reset();  // Philips writes 0 for "no inversion"
  e.flip_angle = FirstNumber(get("FlipAngle"));
  e.b_value = FirstNumber(get("DiffusionBValue"));
  for (const std::string& value : Values(Upper(get("ScanningSequence")))) {
    e.spin_echo = e.spin_echo || value == "SE";
    e.gradient_echo = e.gradient_echo || value == "GR";
    e.echo_planar = e.echo_planar || value == "EP";
    e.inversion = e.inversion || value == "IR";
  }
  e.is_3d = get("MRAcquisitionType") == "3D";
  e.acquisition_contrast = Upper(get("AcquisitionContrast"));
  e.component = Upper(get("ComplexImageComponent"));
  e.sequence_name = Upper(get("SequenceName"));
  e.body_part = Upper(get("BodyPartExamined"));
  for (const char* keyword :
       {"ContrastBolusAgent", "ContrastBolusIngredient", "ContrastBolusStartTime", "ContrastBolusVolume"}) {
    const std::string value = Upper(get(keyword));
    if (value.empty() || SaysNothing(value)) continue;
    const bool zero = FirstNumber(value) && *FirstNumber(value) == 0;
    if (SaysNo(value) || zero) {
      if (e.agent == E::Agent::kUnknown) e.agent = E::Agent::kDenied;
    } else if (std::string_view(keyword) != "ContrastBolusStartTime" || e.agent != E::Agent::kDenied) {
      e.agent = E::Agent::kNamed;
    }
  }
  if (Upper(get("ContrastBolusAgentAdministered")) == "NO") e.agent = E::Agent::kDenied;
  return e;
}

std::optional<double> FirstNumber(const std::string& text) {
  double value = 0;
  const std::string first = text.substr(0, text.find('\\'));
  const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), value);
  if (error != std::errc() || end != first.data() + first.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::span<const EvidenceRule> EvidenceRules() { return kRules; }

}  // namespace glionode::dicom
