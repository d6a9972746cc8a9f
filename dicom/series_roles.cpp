#include "dicom/series_roles.h"

#include "dicom/role_judgement.h"
#include "dicom/role_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

namespace glionode::dicom {
namespace {

// T1 and T2 points are capped below an exclusion's 20, so that no pile of agreeing evidence outvotes "FLAIR".
constexpr double kCap = 14;
constexpr double kLeast = 3;     ///< fewer points for T1 or T2 are no claim
constexpr double kMargin = 3;    ///< a smaller lead is `unsure`
constexpr double kMaybe = 0.5;   ///< contrast points between here and kContrast: not to be told
constexpr double kContrast = 2;  ///< contrast points from here on: given

/// Points to 0..1: a lead of kMargin is 0.73, of 6 0.88.
double Score(double lead) { return 1 / (1 + std::exp(-lead / 3)); }

struct Tally {
  double t1 = 0, t2 = 0, none = 0, contrast = 0;
  bool pre_and_post = false, stated = false;
  std::string t1_words, t2_words, none_words, contrast_words;
  std::string_view t1_rule, t2_rule, none_rule, contrast_rule;
  double t1_best = 0, t2_best = 0, none_best = 0, contrast_best = 0;
};

void Note(double points, const EvidenceRule& rule, double& sum, double& best, std::string_view& best_rule,
          std::string& words) {
  if (points == 0) return;
  sum += points;
  if (std::abs(points) > best) {
    best = std::abs(points);
    best_rule = rule.name;
  }
  words += (words.empty() ? "" : ", ") + std::string(rule.words);
}

Tally Count(const RoleEvidence& evidence) {
  Tally tally;
  for (const EvidenceRule& rule : EvidenceRules()) {
    if (!rule.applies(evidence)) continue;
    Note(rule.t1, rule, tally.t1, tally.t1_best, tally.t1_rule, tally.t1_words);
    Note(rule.t2, rule, tally.t2, tally.t2_best, tally.t2_rule, tally.t2_words);
    Note(rule.none, rule, tally.none, tally.none_best, tally.none_rule, tally.none_words);
    Note(rule.contrast, rule, tally.contrast, tally.contrast_best, tally.contrast_rule, tally.contrast_words);
    tally.pre_and_post = tally.pre_and_post || rule.name == "pre and post";
    tally.stated = tally.stated || rule.contrast != 0;
  }
  tally.t1 = std::min(tally.t1, kCap);
  tally.t2 = std::min(tally.t2, kCap);
  return tally;
}

/// Evidence that lost but came near is said too, so that an administrator sees why a score is low.
std::string RunnerUp(const char* role, double points, double lead, const std::string& words) {
  if (points <= 0 || lead > 2 * kMargin) return {};
  return "; against it, for " + std::string(role) + ": " + words;
}

RoleJudgement Unsure(std::vector<Role> possible, double score, std::string why, std::string rule) {
  RoleJudgement judgement;
  judgement.verdict = {Role::kUnsure, score, std::move(why), std::move(rule)};
  judgement.possible = std::move(possible);
  return judgement;
}

RoleJudgement JudgeT1(const Tally& tally, double lead) {
  const std::string against = tally.t2 >= tally.none ? RunnerUp("T2", tally.t2, lead, tally.t2_words)
                                                     : RunnerUp("none", tally.none, lead, tally.none_words);
  const double weighting = Score(lead);
  if (tally.pre_and_post || (tally.contrast >= kMaybe && tally.contrast < kContrast))
    return Unsure({Role::kT1, Role::kT1ce}, 0.5,
                  "T1 (" + tally.t1_words + "), but with or without contrast cannot be told: " + tally.contrast_words,
                  std::string(tally.contrast_rule));
  RoleJudgement judgement;
  judgement.contrast_stated = tally.stated;
  if (tally.contrast >= kContrast) {
    judgement.after_injection = true;
    judgement.verdict = {Role::kT1ce, weighting * Score(tally.contrast + 2),
                         "T1 with contrast: " + tally.t1_words + "; " + tally.contrast_words + against,
                         std::string(tally.contrast_rule)};
  } else {
    // No word on contrast is weaker than a word against it: contrast attributes are often left out.
    const double plain = tally.contrast < 0 ? Score(-tally.contrast) : 0.9;
    judgement.verdict = {Role::kT1, weighting * plain,
                         "T1: " + tally.t1_words + "; " +
                             (tally.contrast < 0 ? tally.contrast_words : "nothing says that contrast was given") +
                             against,
                         std::string(tally.t1_rule)};
  }
  return judgement;
}

/// By the table of general rules.
RoleJudgement JudgeByTable(const SeriesFacts& series) {
  RoleJudgement judgement;
  const RoleEvidence evidence = CollectEvidence(series.attributes);
  const Tally tally = Count(evidence);
  const double best = std::max({tally.t1, tally.t2, tally.none});
  const bool bolus = tally.none_rule == "perfusion" && !evidence.name.Has(Word::kLabelling);
  if (std::max(tally.t1, tally.t2) < kLeast && tally.none < kLeast) {
    if (tally.contrast >= kContrast) {
      judgement =
          Unsure({Role::kT1ce}, 0.5, "contrast was given (" + tally.contrast_words + "), but nothing says T1 or T2",
                 "contrast without weighting");
      judgement.after_injection = true;
      return judgement;
    }
    judgement.verdict = {Role::kNone, 0.6, "none: nothing in the headers says T1 or T2", "no evidence"};
    return judgement;
  }
  if (tally.none == best && tally.none - std::max(tally.t1, tally.t2) >= kMargin) {
    judgement.verdict = {Role::kNone, Score(tally.none - std::max(tally.t1, tally.t2)), "none: " + tally.none_words,
                         std::string(tally.none_rule)};
    judgement.after_injection = bolus;
    return judgement;
  }
  const double lead_t1 = tally.t1 - std::max(tally.t2, tally.none), lead_t2 = tally.t2 - std::max(tally.t1, tally.none);
  if (std::max(lead_t1, lead_t2) < kMargin) {
    std::vector<Role> possible;
    if (tally.t1 >= kLeast) possible.push_back(tally.contrast >= kContrast ? Role::kT1ce : Role::kT1);
    if (tally.t2 >= kLeast) possible.push_back(Role::kT2);
    std::string why = "evidence disagrees";
    if (tally.t1 > 0) why += "; for T1: " + tally.t1_words;
    if (tally.t2 > 0) why += "; for T2: " + tally.t2_words;
    if (tally.none > 0) why += "; for none: " + tally.none_words;
    return Unsure(std::move(possible), 0.5, std::move(why), "margin");
  }
  if (lead_t1 > 0) {
    judgement = JudgeT1(tally, lead_t1);
  } else {
    judgement.verdict = {Role::kT2, Score(lead_t2),
                         "T2: " + tally.t2_words +
                             (tally.t1 >= tally.none ? RunnerUp("T1", tally.t1, lead_t2, tally.t1_words)
                                                     : RunnerUp("none", tally.none, lead_t2, tally.none_words)),
                         std::string(tally.t2_rule)};
  }
  judgement.second_choice = tally.none > 0;
  return judgement;
}

/// What the site says replaces what the general rules found; that stays readable, because a rule that is too wide shows
/// itself by contradicting them.
void ApplySiteRule(const SiteRules::Match& match, RoleJudgement& judgement) {
  const RoleVerdict general = judgement.verdict;
  std::string why = RoleInWords(match.role) + " by " + match.name + " on " + match.keywords;
  if (general.role == match.role)
    why += "; the general rules agree";
  else
    why += "; without it " + std::string(general.role == Role::kUnsure ? "unsure: " : "") + general.why;
  judgement.verdict = {match.role, 1, std::move(why), match.name};
  judgement.possible.clear();
  judgement.contrast_stated = true;
  judgement.second_choice = false;
  // A bolus perfusion that the site calls none is still an injection; the order of the others is judged by it.
  if (match.role != Role::kNone) judgement.after_injection = match.role == Role::kT1ce;
}

}  // namespace

std::string RoleInWords(Role role) {
  switch (role) {
    case Role::kT1:
      return "T1";
    case Role::kT2:
      return "T2";
    case Role::kT1ce:
      return "T1 with contrast";
    default:
      return std::string(ToText(role));
  }
}

RoleJudgement JudgeInDetail(const SeriesFacts& series, const SiteRules& rules, const std::string& peer) {
  RoleJudgement judgement;
  const auto modality = series.attributes.find("Modality");
  if (modality != series.attributes.end() && !modality->second.empty() && modality->second != "MR") {
    judgement.verdict = {Role::kNone, 1, "none: not an MR series", "modality"};
    return judgement;
  }
  if (series.instances > 0 && series.frames == 0) {
    judgement.verdict = {Role::kNone, 1, "none: no MR images in it", "no images"};
    return judgement;
  }
  judgement = JudgeByTable(series);
  if (const auto match = rules.Find(series.attributes, peer)) ApplySiteRule(*match, judgement);
  return judgement;
}

RoleVerdict JudgeSeries(const SeriesFacts& series, const SiteRules& rules, const std::string& peer) {
  return JudgeInDetail(series, rules, peer).verdict;
}

std::vector<SeriesFacts> SummarizeSeries(const std::vector<InstanceHeader>& headers) {
  std::set<std::string> rejected;
  for (const InstanceHeader& header : headers)
    rejected.insert(header.rejected_instances.begin(), header.rejected_instances.end());
  // By series, then by Instance Number, then by UID: the same study gives the same facts in whatever order it arrived.
  std::map<std::string, std::vector<const InstanceHeader*>> by_series;
  for (const InstanceHeader& header : headers)
    if (!rejected.contains(header.sop_instance_uid)) by_series[header.series_uid].push_back(&header);
  std::vector<SeriesFacts> result;
  for (auto& [uid, instances] : by_series) {
    const bool has_images = std::any_of(instances.begin(), instances.end(),
                                        [](const InstanceHeader* header) { return IsCandidateImage(*header); });
    if (has_images) std::erase_if(instances, [](const InstanceHeader* header) { return !IsCandidateImage(*header); });
    const auto order = [](const InstanceHeader* a, const InstanceHeader* b) {
      const int number_a = std::atoi(a->Attribute("InstanceNumber").c_str());
      const int number_b = std::atoi(b->Attribute("InstanceNumber").c_str());
      return number_a != number_b ? number_a < number_b : a->sop_instance_uid < b->sop_instance_uid;
    };
    std::sort(instances.begin(), instances.end(), order);
    const auto same = [](const InstanceHeader* a, const InstanceHeader* b) {
      return a->sop_instance_uid == b->sop_instance_uid;
    };
    instances.erase(std::unique(instances.begin(), instances.end(), same), instances.end());
    SeriesFacts facts;
    facts.series_uid = uid;
    facts.attributes = instances.front()->attributes;
    facts.instances = static_cast<int>(instances.size());
    facts.rows = instances.front()->rows;
    facts.columns = instances.front()->columns;
    for (const InstanceHeader* header : instances) {
      facts.sop_instance_uids.push_back(header->sop_instance_uid);
      if (!has_images) continue;
      facts.frames += header->frames;
      facts.mixed_matrix = facts.mixed_matrix || header->rows != facts.rows || header->columns != facts.columns;
      std::vector<FrameGeometry> geometry = header->geometry;
      geometry.resize(static_cast<std::size_t>(header->frames));  // frames without a plane are there, but invalid
      for (FrameGeometry& frame : geometry) {
        facts.geometry.push_back(std::move(frame));
        facts.frame_instances.push_back(header->sop_instance_uid);
      }
    }
    std::sort(facts.sop_instance_uids.begin(), facts.sop_instance_uids.end());
    result.push_back(std::move(facts));
  }
  return result;
}

}  // namespace glionode::dicom
