#pragma once
#include "dicom/role_words.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glionode::dicom {

/// What the headers of one series say, in the terms of the rules.
struct RoleEvidence {
  WordSet name;      ///< words of SeriesDescription, and of ProtocolName where the description says nothing
  WordSet protocol;  ///< words of ProtocolName
  std::vector<std::string> image_type;
  std::optional<double> tr, te, ti, flip_angle, b_value;  ///< ms, ms, ms, degrees, s/mm2
  bool spin_echo = false, gradient_echo = false, echo_planar = false, inversion = false, is_3d = false;
  std::string acquisition_contrast, sequence_name, body_part, component;
  enum class Agent { kUnknown, kNamed, kDenied } agent = Agent::kUnknown;  ///< the ContrastBolus attributes

  bool HasImageType(std::initializer_list<std::string_view> values) const;
};

RoleEvidence CollectEvidence(const std::map<std::string, std::string>& attributes);

/// One row of the table: when it applies it adds its points. `t1`, `t2` and `none` are compared with each other;
/// `contrast` (positive: agent given, negative: not given) then tells T1ce from T1.
struct EvidenceRule {
  std::string_view name;  ///< in RoleVerdict::rule
  bool (*applies)(const RoleEvidence&);
  double t1, t2, none, contrast;
  std::string_view words;  ///< the evidence as an administrator reads it
};

std::span<const EvidenceRule> EvidenceRules();

/// The first of the values of a decimal or integer string (backslash between values); empty if it is no finite number.
std::optional<double> FirstNumber(const std::string& text);

}  // namespace glionode::dicom
