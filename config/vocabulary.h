#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace glionode {

/// The words that every folder, command and report uses (design section 1). Header-only on purpose: inference/networks
/// builds without config's library.

/// What a series is for the network.
enum class Role { kT1, kT2, kT1ce, kNone, kUnsure };

/// What the node says about a study.
enum class Decision { kRecurrence, kNecrosis, kIndeterminate, kNotEvaluable };

/// Why a study is not evaluable (or parked: the two identity codes).
enum class ReasonCode {
  kMissingRole,
  kUnsureRole,
  kIncompleteSeries,
  kStillArriving,
  kGeometry,
  kLossy,
  kNotAHead,
  kNoLesion,
  kRegistration,
  kContrastCheck,
  kOutOfDomain,
  kPhantomModel,
  kMixedIdentity,
  kNoPatientId,
  kTimeLimit,
};

/// A reason with a sentence that a radiologist understands (ASCII English, no patient identity in it).
struct Reason {
  ReasonCode code;
  std::string text;
};

std::string_view ToText(Role role);
std::string_view ToText(Decision decision);
std::string_view ToText(ReasonCode code);
/// Empty for an unknown word.
std::optional<Role> RoleFromText(std::string_view text);
std::optional<Decision> DecisionFromText(std::string_view text);
std::optional<ReasonCode> ReasonCodeFromText(std::string_view text);

namespace vocabulary_detail {
template <typename E>
struct Word {
  E value;
  std::string_view text;
};
inline constexpr Word<Role> kRoles[] = {
    {Role::kT1, "t1"}, {Role::kT2, "t2"}, {Role::kT1ce, "t1ce"}, {Role::kNone, "none"}, {Role::kUnsure, "unsure"}};
inline constexpr Word<Decision> kDecisions[] = {{Decision::kRecurrence, "recurrence"},
                                                {Decision::kNecrosis, "necrosis"},
                                                {Decision::kIndeterminate, "indeterminate"},
                                                {Decision::kNotEvaluable, "not evaluable"}};
inline constexpr Word<ReasonCode> kReasons[] = {{ReasonCode::kMissingRole, "missing_role"},
                                                {ReasonCode::kUnsureRole, "unsure_role"},
                                                {ReasonCode::kIncompleteSeries, "incomplete_series"},
                                                {ReasonCode::kStillArriving, "still_arriving"},
                                                {ReasonCode::kGeometry, "geometry"},
                                                {ReasonCode::kLossy, "lossy"},
                                                {ReasonCode::kNotAHead, "not_a_head"},
                                                {ReasonCode::kNoLesion, "no_lesion"},
                                                {ReasonCode::kRegistration, "registration"},
                                                {ReasonCode::kContrastCheck, "contrast_check"},
                                                {ReasonCode::kOutOfDomain, "out_of_domain"},
                                                {ReasonCode::kPhantomModel, "phantom_model"},
                                                {ReasonCode::kMixedIdentity, "mixed_identity"},
                                                {ReasonCode::kNoPatientId, "no_patient_id"},
                                                {ReasonCode::kTimeLimit, "time_limit"}};

template <typename E, std::size_t N>
std::string_view Find(const Word<E> (&table)[N], E value) {
  for (const auto& word : table)
    if (word.value == value) return word.text;
  return "?";
}
template <typename E, std::size_t N>
std::optional<E> Find(const Word<E> (&table)[N], std::string_view text) {
  for (const auto& word : table)
    if (word.text == text) return word.value;
  return std::nullopt;
}
}  // namespace vocabulary_detail

inline std::string_view ToText(Role role) { return vocabulary_detail::Find(vocabulary_detail::kRoles, role); }
inline std::string_view ToText(Decision decision) {
  return vocabulary_detail::Find(vocabulary_detail::kDecisions, decision);
}
inline std::string_view ToText(ReasonCode code) { return vocabulary_detail::Find(vocabulary_detail::kReasons, code); }
inline std::optional<Role> RoleFromText(std::string_view text) {
  return vocabulary_detail::Find(vocabulary_detail::kRoles, text);
}
inline std::optional<Decision> DecisionFromText(std::string_view text) {
  return vocabulary_detail::Find(vocabulary_detail::kDecisions, text);
}
inline std::optional<ReasonCode> ReasonCodeFromText(std::string_view text) {
  return vocabulary_detail::Find(vocabulary_detail::kReasons, text);
}

/// The decision for a probability and the bundle's abstain band [low, high] (design section 1).
inline Decision Decide(double probability_of_necrosis, const std::array<double, 2>& abstain) {
  if (probability_of_necrosis < abstain[0]) return Decision::kRecurrence;
  if (probability_of_necrosis > abstain[1]) return Decision::kNecrosis;
  return Decision::kIndeterminate;
}

}  // namespace glionode
