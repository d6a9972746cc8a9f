#include "dicom/frame_geometry.h"

#include <cmath>

namespace glionode::dicom {
namespace {

/// The functional groups of one frame. A macro is looked for in the frame's own item, then in the shared one; a classic
/// object is its own single group.
class FrameGroups {
 public:
  FrameGroups(DcmItem* frame, DcmItem* shared) : frame_(frame), shared_(shared) {}
  DcmItem* Macro(const DcmTagKey& sequence) const {
    for (DcmItem* groups : {frame_, shared_})
      if (groups != nullptr)
        if (DcmItem* item = SequenceItem(*groups, sequence)) return item;
    return nullptr;
  }

 private:
  DcmItem* frame_;
  DcmItem* shared_;
};

/// Scales to length 1; false if the vector is not nearly a unit vector (10 %: headers carry rounded text).
bool Normalize(double* v) {
  const double length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  if (!(length > 0.9 && length < 1.1)) return false;
  for (int i = 0; i < 3; ++i) v[i] /= length;
  return true;
}

void SetPlane(FrameGeometry& frame, DcmItem* position, DcmItem* orientation, DcmItem* measures) {
  if (position == nullptr || orientation == nullptr || measures == nullptr) return;
  const auto p = Numbers(*position, DCM_ImagePositionPatient, 3);
  const auto o = Numbers(*orientation, DCM_ImageOrientationPatient, 6);
  const auto s = Numbers(*measures, DCM_PixelSpacing, 2);
  if (p.empty() || o.empty() || s.empty()) return;
  // Bounds that no scanner reaches: what lies outside is damage, and would overflow later arithmetic.
  for (const double x : p)
    if (std::abs(x) > 1e5) return;
  for (const double x : s)
    if (!(x > 1e-3 && x < 1e3)) return;
  std::array<double, 6> axes{};
  for (std::size_t i = 0; i < 6; ++i) axes[i] = o[i];
  if (!Normalize(&axes[0]) || !Normalize(&axes[3])) return;
  if (std::abs(axes[0] * axes[3] + axes[1] * axes[4] + axes[2] * axes[5]) > 0.01) return;
  frame.position = {p[0], p[1], p[2]};
  frame.orientation = axes;
  frame.spacing = {s[0], s[1]};
  frame.valid = true;
}

void SetRescale(FrameGeometry& frame, DcmItem* item) {
  if (item == nullptr) return;
  const auto slope = Number(*item, DCM_RescaleSlope);
  const auto intercept = Number(*item, DCM_RescaleIntercept);
  if (slope && *slope != 0) frame.rescale_slope = *slope;  // a slope of 0 would blank the image: taken as absent
  if (intercept) frame.rescale_intercept = *intercept;
}

void AddToKey(std::string& key, const char* name, const std::string& value) {
  if (value.empty()) return;
  if (!key.empty()) key += ';';
  key += name;
  key += '=';
  key += value;
}

std::string NumberText(DcmItem* item, const DcmTagKey& tag) {
  if (item == nullptr) return {};
  const auto value = Number(*item, tag);
  return value ? ShortNumber(*value, 5) : std::string();
}

std::string ValueText(DcmItem* item, const DcmTagKey& tag, unsigned long index = 0) {
  OFString value;
  if (item == nullptr || item->findAndGetOFString(tag, value, index).bad()) return {};
  return std::string(value.data(), value.size());
}

/// Image type value 3 says magnitude, phase, real ... in classic objects of Siemens and Philips; in enhanced ones it is
/// the contrast and value 4 says what was derived (PS3.3 C.8.13.3.1).
std::string ClassicKey(DcmItem& dataset) {
  std::string key;
  std::string echo = ValueText(&dataset, DCM_EchoNumbers);
  AddToKey(key, "echo", echo.empty() ? NumberText(&dataset, DCM_EchoTime) : echo);
  AddToKey(key, "time", ValueText(&dataset, DCM_TemporalPositionIdentifier));
  AddToKey(key, "b", NumberText(&dataset, DCM_DiffusionBValue));
  AddToKey(key, "type", ValueText(&dataset, DCM_ImageType, 2));
  return key;
}

std::string EnhancedKey(const FrameGroups& groups) {
  std::string key;
  AddToKey(key, "echo", NumberText(groups.Macro(DCM_MREchoSequence), DCM_EffectiveEchoTime));
  AddToKey(key, "time", NumberText(groups.Macro(DCM_FrameContentSequence), DCM_TemporalPositionIndex));
  AddToKey(key, "b", NumberText(groups.Macro(DCM_MRDiffusionSequence), DCM_DiffusionBValue));
  DcmItem* type = groups.Macro(DCM_MRImageFrameTypeSequence);
  std::string what = ValueText(type, DCM_FrameType, 2);
  const std::string derived = ValueText(type, DCM_FrameType, 3);
  if (!derived.empty() && derived != "NONE") what += "/" + derived;
  const std::string component = ValueText(type, DCM_ComplexImageComponent);
  if (!component.empty() && component != "MAGNITUDE") what += "/" + component;
  AddToKey(key, "type", what);
  return key;
}

}  // namespace

std::vector<FrameGeometry> ReadGeometry(DcmItem& dataset, int frames) {
  std::vector<FrameGeometry> result;
  DcmSequenceOfItems* per_frame = nullptr;
  dataset.findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, per_frame);
  DcmItem* shared = SequenceItem(dataset, DCM_SharedFunctionalGroupsSequence);
  if (per_frame == nullptr && shared == nullptr) {
    if (!dataset.tagExists(DCM_ImagePositionPatient) && !dataset.tagExists(DCM_ImageOrientationPatient)) return result;
    FrameGeometry frame;
    // Several frames without functional groups have one position at most: not a volume. They stay invalid, because
    // giving all frames that position would be a silent lie.
    if (frames == 1) SetPlane(frame, &dataset, &dataset, &dataset);
    SetRescale(frame, &dataset);
    frame.volume_key = ClassicKey(dataset);
    result.assign(static_cast<std::size_t>(frames), frame);
    return result;
  }
  bool any_plane = false;
  result.resize(static_cast<std::size_t>(frames));
  // getItem(n) walks DCMTK's list: nextObject keeps this linear in the number of frames.
  DcmObject* next = nullptr;
  for (FrameGeometry& frame : result) {
    next = per_frame == nullptr ? nullptr : per_frame->nextInContainer(next);
    auto* item = dynamic_cast<DcmItem*>(next);
    if (per_frame != nullptr && next == nullptr) per_frame = nullptr;  // fewer items than frames: the rest is shared
    const FrameGroups groups(item, shared);
    DcmItem* position = groups.Macro(DCM_PlanePositionSequence);
    any_plane = any_plane || position != nullptr;
    SetPlane(frame, position, groups.Macro(DCM_PlaneOrientationSequence), groups.Macro(DCM_PixelMeasuresSequence));
    SetRescale(frame, groups.Macro(DCM_PixelValueTransformationSequence));
    frame.volume_key = EnhancedKey(groups);
  }
  if (!any_plane) result.clear();
  return result;
}

void LiftFunctionalGroups(DcmItem& dataset, TextReader& text, std::map<std::string, std::string>& attributes) {
  DcmItem* shared = SequenceItem(dataset, DCM_SharedFunctionalGroupsSequence);
  DcmItem* first = SequenceItem(dataset, DCM_PerFrameFunctionalGroupsSequence);
  if (shared == nullptr && first == nullptr) return;
  const FrameGroups groups(first, shared);
  struct Lift {
    DcmTagKey macro, tag;
    const char* keyword;
    bool first_value_only;
  };
  const Lift lifts[] = {
      {DCM_MRTimingAndRelatedParametersSequence, DCM_RepetitionTime, "RepetitionTime", true},
      {DCM_MRTimingAndRelatedParametersSequence, DCM_FlipAngle, "FlipAngle", true},
      {DCM_MRTimingAndRelatedParametersSequence, DCM_EchoTrainLength, "EchoTrainLength", true},
      {DCM_MREchoSequence, DCM_EffectiveEchoTime, "EchoTime", true},
      {DCM_MRModifierSequence, DCM_InversionTimes, "InversionTime", true},
      {DCM_MRModifierSequence, DCM_InversionRecovery, "InversionRecovery", true},
      {DCM_MRImageFrameTypeSequence, DCM_AcquisitionContrast, "AcquisitionContrast", true},
      {DCM_MRImageFrameTypeSequence, DCM_ComplexImageComponent, "ComplexImageComponent", true},
      {DCM_MRImageFrameTypeSequence, DCM_FrameType, "FrameType", false},
      {DCM_MRDiffusionSequence, DCM_DiffusionBValue, "DiffusionBValue", true},
      {DCM_MRAveragesSequence, DCM_NumberOfAverages, "NumberOfAverages", true},
      {DCM_PixelMeasuresSequence, DCM_SliceThickness, "SliceThickness", true},
      {DCM_PixelMeasuresSequence, DCM_SpacingBetweenSlices, "SpacingBetweenSlices", true},
      {DCM_PixelMeasuresSequence, DCM_PixelSpacing, "PixelSpacing", false},
      {DCM_PlaneOrientationSequence, DCM_ImageOrientationPatient, "ImageOrientationPatient", false},
      {DCM_FrameContentSequence, DCM_TemporalPositionIndex, "TemporalPositionIdentifier", true},
      {DCM_FrameContentSequence, DCM_FrameAcquisitionDateTime, "FrameAcquisitionDateTime", true},
      {DCM_ContrastBolusUsageSequence, DCM_ContrastBolusAgentAdministered, "ContrastBolusAgentAdministered", true},
  };
  for (const Lift& lift : lifts) {
    if (!attributes[lift.keyword].empty()) continue;
    DcmItem* macro = groups.Macro(lift.macro);
    if (macro == nullptr) continue;
    std::string value = text.Text(*macro, lift.tag);
    if (lift.first_value_only) value = value.substr(0, value.find('\\'));
    attributes[lift.keyword] = value;
  }
  // Classic Scanning Sequence (0018,0020) from the enhanced attributes of PS3.3 C.8.13.4.
  if (attributes["ScanningSequence"].empty()) {
    std::string sequence;
    const auto add = [&sequence](const char* word) { sequence += (sequence.empty() ? "" : "\\") + std::string(word); };
    const std::string pulse = attributes["EchoPulseSequence"];
    if (attributes["EchoPlanarPulseSequence"] == "YES") add("EP");
    if (pulse == "SPIN" || pulse == "BOTH") add("SE");
    if (pulse == "GRADIENT" || pulse == "BOTH") add("GR");
    if (attributes["InversionRecovery"] == "YES") add("IR");
    attributes["ScanningSequence"] = sequence;
  }
  if (attributes["BodyPartExamined"].empty())
    if (DcmItem* anatomy = groups.Macro(DCM_FrameAnatomySequence))
      if (DcmItem* region = SequenceItem(*anatomy, DCM_AnatomicRegionSequence))
        attributes["BodyPartExamined"] = text.Text(*region, DCM_CodeMeaning);
  std::erase_if(attributes, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace glionode::dicom
