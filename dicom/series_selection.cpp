#include "dicom/role_judgement.h"
#include "dicom/series_roles.h"
#include "dicom/series_stack.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <tuple>

namespace glionode::dicom {
namespace {

// Differences below these do not decide a choice: they are noise of planning.
constexpr double kFullCoverage = 140;     ///< mm; more than a head needs is no advantage
constexpr double kCoverageStep = 15;      ///< mm
constexpr double kResolutionStep = 0.25;  ///< relative

struct Candidate {
  const SeriesFacts* facts;
  const RoleJudgement* judgement;
  SeriesStack stack;
  bool derived = false;
  std::string time;
};

std::string Attribute(const SeriesFacts& series, const char* keyword) {
  const auto it = series.attributes.find(keyword);
  return it == series.attributes.end() ? std::string() : it->second;
}

/// When the series was acquired, as text that sorts by time: YYYYMMDDhhmmss.f. Empty if the headers do not say.
std::string AcquiredAt(const SeriesFacts& series) {
  for (const char* keyword : {"AcquisitionDateTime", "FrameAcquisitionDateTime"}) {
    const std::string value = Attribute(series, keyword);
    if (value.size() >= 14) return value;
  }
  for (const auto& [day, hour] :
       {std::pair{"AcquisitionDate", "AcquisitionTime"}, std::pair{"SeriesDate", "SeriesTime"}}) {
    const std::string date = Attribute(series, day), time = Attribute(series, hour);
    if (date.size() == 8 && time.size() >= 6) return date + time;
    const std::string study_date = Attribute(series, "StudyDate");
    if (date.empty() && study_date.size() == 8 && time.size() >= 6) return study_date + time;
  }
  return {};
}

/// A T1 that says nothing of contrast, acquired after the agent was injected, shows contrast: it may not pass as T1.
void JudgeByOrder(const std::vector<SeriesFacts>& series, std::vector<RoleJudgement>& judgements) {
  std::string injected;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const std::string at = judgements[i].after_injection ? AcquiredAt(series[i]) : std::string();
    if (!at.empty() && (injected.empty() || at < injected)) injected = at;
  }
  if (injected.empty()) return;
  for (std::size_t i = 0; i < series.size(); ++i) {
    RoleJudgement& judgement = judgements[i];
    if (judgement.verdict.role != Role::kT1 || judgement.contrast_stated) continue;
    const std::string at = AcquiredAt(series[i]);
    if (at.empty() || at <= injected) continue;
    judgement.verdict = {Role::kUnsure, 0.5,
                         "T1, but acquired after contrast had been given in this study, and nothing in its header says "
                         "which it is",
                         "order in the study"};
    judgement.possible = {Role::kT1, Role::kT1ce};
  }
}

bool IsDerived(const SeriesFacts& series) {
  const std::string type = Attribute(series, "ImageType");
  return type.starts_with("DERIVED");
}

/// What the headers announce: images of the acquisition, instances of the series, or parts of one enhanced object that
/// was split (a concatenation); 0 if nothing.
int Announced(const SeriesFacts& series) {
  int most = 0;
  for (const char* keyword : {"ImagesInAcquisition", "NumberOfSeriesRelatedInstances", "InConcatenationTotalNumber"})
    most = std::max(most, std::atoi(Attribute(series, keyword).c_str()));
  return most;
}

/// One enhanced object is complete by itself: it holds all its frames, or could not be read.
bool IsOneWholeObject(const SeriesFacts& series) {
  return series.instances == 1 && series.frames > 1 &&
         std::atoi(Attribute(series, "InConcatenationTotalNumber").c_str()) <= 1;
}

/// More images than announced prove nothing: the number may count one of several acquisitions.
bool HasCountEvidence(const SeriesFacts& series) {
  return IsOneWholeObject(series) || Announced(series) == series.instances;
}

/// Fewer images than the headers announce is incomplete, even without a gap.
void CompareWithAnnounced(const SeriesFacts& series, SeriesStack& stack) {
  const int announced = Announced(series);
  if (stack.state != SeriesStack::State::kUsable || IsOneWholeObject(series) || announced <= series.instances) return;
  stack.state = SeriesStack::State::kIncomplete;
  stack.problem = std::to_string(series.instances) + " of " + std::to_string(announced) + " images are here";
}

int CoverageClass(const SeriesStack& stack) {
  return static_cast<int>(std::floor(std::min(stack.coverage, kFullCoverage) / kCoverageStep));
}

int ResolutionClass(const SeriesStack& stack) {
  return stack.voxel <= 0 ? 0 : static_cast<int>(std::floor(std::log(stack.voxel) / std::log1p(kResolutionStep)));
}

struct Criterion {
  const char* words;                                   ///< after "chosen because it "
  int (*compare)(const Candidate&, const Candidate&);  ///< negative: the first is better
};

template <typename T>
int Order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// In this order; the first difference decides and is told to the reader.
constexpr Criterion kCriteria[] = {
    {"is complete and fit",
     [](const Candidate& a, const Candidate& b) {
       return Order(static_cast<int>(a.stack.state), static_cast<int>(b.stack.state));
     }},
    {"was not taken for another purpose",
     [](const Candidate& a, const Candidate& b) {
       return Order(a.judgement->second_choice, b.judgement->second_choice);
     }},
    {"is original, not derived", [](const Candidate& a, const Candidate& b) { return Order(a.derived, b.derived); }},
    {"covers more of the head",
     [](const Candidate& a, const Candidate& b) { return Order(CoverageClass(b.stack), CoverageClass(a.stack)); }},
    {"has the finer resolution",
     [](const Candidate& a, const Candidate& b) { return Order(ResolutionClass(a.stack), ResolutionClass(b.stack)); }},
    {"has more slices", [](const Candidate& a, const Candidate& b) { return Order(b.stack.slices, a.stack.slices); }},
    {"was acquired last", [](const Candidate& a, const Candidate& b) { return Order(b.time, a.time); }},
    {"has the higher series number",
     [](const Candidate& a, const Candidate& b) {
       return Order(std::atoi(Attribute(*b.facts, "SeriesNumber").c_str()),
                    std::atoi(Attribute(*a.facts, "SeriesNumber").c_str()));
     }},
    {"comes first by its UID",
     [](const Candidate& a, const Candidate& b) { return Order(a.facts->series_uid, b.facts->series_uid); }},
};

const Criterion* Decides(const Candidate& a, const Candidate& b) {
  for (const Criterion& criterion : kCriteria)
    if (criterion.compare(a, b) != 0) return &criterion;
  return nullptr;
}

std::vector<Candidate> FindCandidates(const StudySelection& selection, const std::vector<RoleJudgement>& judgements,
                                      Role role) {
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    if (judgements[i].verdict.role != role) continue;
    Candidate candidate{&selection.series[i].facts, &judgements[i], FindStack(selection.series[i].facts, role), false,
                        ""};
    CompareWithAnnounced(*candidate.facts, candidate.stack);
    candidate.derived = IsDerived(*candidate.facts);
    candidate.time = AcquiredAt(*candidate.facts);
    candidates.push_back(std::move(candidate));
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    const Criterion* criterion = Decides(a, b);
    return criterion != nullptr && criterion->compare(a, b) < 0;
  });
  return candidates;
}

/// The name of a series in quotation marks, ASCII only: it goes into reports.
std::string Quoted(const SeriesFacts& series) {
  std::string name = Attribute(series, "SeriesDescription");
  if (name.empty()) name = Attribute(series, "ProtocolName");
  if (name.empty()) return "series " + Attribute(series, "SeriesNumber");
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return "'" + name + "'";
}

Reason WhyMissing(const StudySelection& selection, const std::vector<RoleJudgement>& judgements, Role role) {
  const std::string words = RoleInWords(role);
  std::string names;
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    const auto& possible = judgements[i].possible;
    if (judgements[i].verdict.role == Role::kUnsure &&
        std::find(possible.begin(), possible.end(), role) != possible.end())
      names += (names.empty() ? "" : ", ") + Quoted(selection.series[i].facts) + " (" + judgements[i].verdict.why + ")";
  }
  if (!names.empty())
    return {ReasonCode::kUnsureRole,
            "It is not certain which series is the " + words + " series. Unsure: " + names + "."};
  return {ReasonCode::kMissingRole, "No " + words + " series was found in this study."};
}

}  // namespace

StudySelection SelectSeries(std::vector<SeriesFacts> series, const std::vector<Role>& wanted, const SiteRules& rules,
                            const std::string& peer) {
  StudySelection selection;
  std::vector<RoleJudgement> judgements;
  for (const SeriesFacts& facts : series) judgements.push_back(JudgeInDetail(facts, rules, peer));
  JudgeByOrder(series, judgements);
  for (std::size_t i = 0; i < series.size(); ++i)
    selection.series.push_back({std::move(series[i]), judgements[i].verdict});

  bool evidence = !wanted.empty();
  for (const Role role : wanted) {
    const std::vector<Candidate> candidates = FindCandidates(selection, judgements, role);
    if (candidates.empty()) {
      selection.reasons.push_back(WhyMissing(selection, judgements, role));
      evidence = false;
      continue;
    }
    const Candidate& best = candidates.front();
    ChosenSeries chosen;
    chosen.series_uid = best.facts->series_uid;
    chosen.description = Attribute(*best.facts, "SeriesDescription");
    chosen.sop_instance_uids = best.stack.sop_instance_uids;
    chosen.why = best.judgement->verdict.why;
    const Criterion* criterion = candidates.size() > 1 ? Decides(best, candidates[1]) : nullptr;
    if (criterion != nullptr)
      chosen.why += ". Chosen among " + std::to_string(candidates.size()) + " series because it " + criterion->words;
    if (!best.stack.note.empty()) chosen.why += "; " + best.stack.note;
    evidence = evidence && HasCountEvidence(*best.facts);
    if (best.stack.state != SeriesStack::State::kUsable) {
      const bool incomplete = best.stack.state == SeriesStack::State::kIncomplete;
      selection.reasons.push_back({incomplete ? ReasonCode::kIncompleteSeries : ReasonCode::kGeometry,
                                   "The " + RoleInWords(role) + " series " + Quoted(*best.facts) +
                                       (incomplete ? " is not complete: " : " cannot be used as a volume: ") +
                                       best.stack.problem + "."});
    }
    selection.chosen.emplace(role, std::move(chosen));
  }
  selection.count_evidence = evidence;
  return selection;
}

}  // namespace glionode::dicom
