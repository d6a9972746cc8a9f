#include "inference/networks/evaluation_tables.h"

#include "inference/networks/html_text.h"

#include <algorithm>
#include <cmath>

namespace glionode::networks {

namespace {
constexpr std::size_t kMostListed = 300;

std::string Table(const std::string& caption, const std::string& rows) {
  return "<div class=\"wide\"><table><caption>" + caption + "</caption>\n" + rows + "</table></div>\n";
}

std::string Note(const std::string& text) { return "<p class=\"note\">" + text + "</p>\n"; }

std::string Percent(double share) { return std::isfinite(share) ? Fixed(100 * share, 0) + " %" : "&ndash;"; }

std::string PValue(double p) { return p < 0.001 ? "&lt; 0.001" : Fixed(p, 3); }

std::string AttributesOf(const EvaluatedCase& one) {
  std::string text;
  for (const auto& [name, value] : one.attributes)
    if (!value.empty()) text += (text.empty() ? "" : ", ") + name + " " + value;
  return text;
}

bool OnTheWrongSide(const EvaluatedCase& one) {
  return one.probability_of_necrosis >= 0 && (one.probability_of_necrosis > 0.5) != (one.label == "necrosis");
}

/// Not the same: the abstain band of a bundle need not hold 0.5.
bool DecidedWrongly(const EvaluatedCase& one) {
  return (one.decision == Decision::kNecrosis && one.label != "necrosis") ||
         (one.decision == Decision::kRecurrence && one.label != "recurrence");
}

std::string WithStamp(const std::string& name, bool apparent) { return Escape(name) + (apparent ? " (APPARENT)" : ""); }
}  // namespace

std::string FigureTable(const EvaluationRun& run, const Figures& figures) {
  const Metrics& m = figures.metrics;
  const int judged = m.necrosis + m.recurrence;
  const double majority = judged ? static_cast<double>(std::max(m.necrosis, m.recurrence)) / judged : std::nan("");
  const double share = judged ? static_cast<double>(m.necrosis) / judged : std::nan("");
  const bool recurrence = m.recurrence >= m.necrosis;
  std::string rows = Row({"", "share of necrosis found (sensitivity)", "share of recurrence recognised (specificity)",
                          "accuracy", "AUC", "Brier"},
                         true);
  rows += Row({"this bundle", WithLimits(m.sensitivity), WithLimits(m.specificity), WithLimits(m.accuracy),
               WithLimits(m.auc), WithLimits(m.brier_interval)});
  rows += Row({std::string("always &ldquo;") + (recurrence ? "recurrence" : "necrosis") + "&rdquo; (majority)",
               recurrence ? "0.00" : "1.00", recurrence ? "1.00" : "0.00", Fixed(majority, 2), "0.50",
               Fixed(share * (1 - share), 2)});
  if (run.kind == "test")
    rows += Row({"Ying et al. 2025, ResNet10: other patients, for orientation only", "0.78", "0.94", "0.91", "0.83",
                 "not given"});
  return Table("Figures at threshold 0.5 (95 % interval)", rows) +
         Note(
             "Intervals: exact (Clopper-Pearson) for shares; Hanley-McNeil inverted (Newcombe's method 5) for AUC; "
             "1.96 standard errors for Brier. The majority's Brier score is that of always stating the share of "
             "necrosis." +
             std::string(run.kind == "test"
                             ? " The paper's row is no comparison: other patients (Beijing Tiantan, 234 patients, 192 "
                               "recurrence and 42 necrosis; 58 tested, as inferred), another network, no intervals in "
                               "its abstract. That its sensitivity is for necrosis, and how many were tested, "
                               "is inferred from the abstract's arithmetic, not stated there."
                             : ""));
}

std::string CountTables(const Figures& figures) {
  const Metrics& m = figures.metrics;
  const auto& d = m.decisions;
  std::string rows = Row({"truth", "recurrence", "necrosis", "indeterminate", "not evaluable", "all"}, true);
  for (int truth = 0; truth < 2; ++truth) {
    std::vector<std::string> cells{truth ? "necrosis" : "recurrence"};
    int all = 0;
    for (const int count : d[truth]) cells.push_back(std::to_string(count)), all += count;
    cells.push_back(std::to_string(all));
    rows += Row(cells);
  }
  std::string html = Table("Truth against the node's decision, all cases", rows);
  const auto row = [&](int truth) { return d[truth][0] + d[truth][1] + d[truth][2] + d[truth][3]; };
  const int all = row(0) + row(1), open = d[0][2] + d[1][2], unfit = d[0][3] + d[1][3];
  rows = Row({"", "decided only", "all eligible"}, true);
  rows += Row({"necrosis", WithLimits(ClopperPearson(d[1][1], d[1][0] + d[1][1])),
               WithLimits(ClopperPearson(d[1][1], row(1)))});
  rows += Row({"recurrence", WithLimits(ClopperPearson(d[0][0], d[0][0] + d[0][1])),
               WithLimits(ClopperPearson(d[0][0], row(0)))});
  rows += Row({"both", WithLimits(ClopperPearson(d[0][0] + d[1][1], d[0][0] + d[0][1] + d[1][0] + d[1][1])),
               WithLimits(ClopperPearson(d[0][0] + d[1][1], all))});
  html += Table("Decisions that were right", rows);
  if (all > 0)
    html += Note("Left open: indeterminate " + WithLimits(ClopperPearson(open, all)) + ", not evaluable " +
                 WithLimits(ClopperPearson(unfit, all)) + " of all eligible cases.");
  rows = Row({"truth", "called recurrence", "called necrosis"}, true) +
         Row({"recurrence", std::to_string(m.tn), std::to_string(m.fp)}) +
         Row({"necrosis", std::to_string(m.fn), std::to_string(m.tp)});
  return html + Table("Called by the network at threshold 0.5 (the abstain band left aside)", rows);
}

std::string DerivedTables(const Figures& figures) {
  const Metrics& m = figures.metrics;
  if (m.necrosis + m.recurrence == 0) return "";
  const double share = static_cast<double>(m.necrosis) / (m.necrosis + m.recurrence);
  std::string rows = Row({"figure", "value (95 % interval)"}, true);
  rows += Row({"balanced accuracy", WithLimits(figures.balanced_accuracy)});
  rows += Row({"of those called necrosis, necrosis", WithLimits(figures.ppv)});
  rows += Row({"of those called recurrence, recurrence", WithLimits(figures.npv)});
  rows += Row({"likelihood ratio of being called necrosis", WithLimits(figures.lr_necrosis)});
  rows += Row({"likelihood ratio of being called recurrence", WithLimits(figures.lr_recurrence)});
  rows += Row({"average precision (guessing: " + Fixed(share, 2) + ")", WithLimits(figures.average_precision)});
  std::string html = Table("Further figures at threshold 0.5", rows);
  html += Note(
      "Balanced accuracy: Newcombe's square-and-add of the exact limits; likelihood ratios: standard error of "
      "the logarithm (a ratio of 0 has none); average precision: percentile bootstrap of patients, " +
      std::to_string(kBootstrapResamples) + " draws.");
  rows = Row({"necrosis is called above", "fits where", "share of necrosis found", "share of recurrence recognised",
              "accuracy"},
             true);
  for (const auto& point : figures.operating_points)
    rows += Row({Fixed(point.threshold, 2), Escape(point.meaning), WithLimits(point.sensitivity),
                 WithLimits(point.specificity), WithLimits(point.accuracy)});
  html += Table("Other thresholds", rows) +
          Note("Set by what a mistake costs, not by these cases. The node's decisions follow the abstain band alone.");
  if (figures.prevalences.empty()) return html;
  rows = Row({"share of necrosis", "right when necrosis is called", "right when recurrence is called"}, true);
  for (const auto& at : figures.prevalences) rows += Row({Percent(at.prevalence), Fixed(at.ppv, 2), Fixed(at.npv, 2)});
  return html + Table("The same network where necrosis is rarer or more frequent (by Bayes, no intervals)", rows);
}

std::string PhantomTable(const EvaluationRun& run, const Figures& figures) {
  const PhantomRows& p = figures.phantom;
  if (!p.bounded) return "";
  std::string rows = Row({"reader", "AUC (95 % interval)", "share of the separation used"}, true);
  rows += Row({"likelihood ratio of what was drawn: no reader of images can do better", WithLimits(p.bound, 3),
               Fixed(p.bound_efficiency, 2)});
  if (p.measured)
    rows += Row({"linear discriminant on features measured in the images where the lesion truly is, cross-fitted",
                 WithLimits(p.discriminant, 3), Fixed(p.discriminant_efficiency, 2)});
  rows += Row({"this bundle", WithLimits(p.network, 3), Fixed(p.network_efficiency, 2)});
  std::string html = "<h3>Against the known ceiling of the phantoms</h3>\n" + Table("AUC on the same phantoms", rows);
  html += Note("Network minus bound, paired patient bootstrap: " + WithLimits(p.network_against_bound.bootstrap, 3) +
               (run.separation > 0 ? ". Separation drawn: " + Fixed(run.separation, 3) : std::string()) + ".");
  if (p.leak)
    html +=
        "<p class=\"warn stamp\">LEAK: the network is better than the bound. It has seen something that phantoms of "
        "one class share beside their lesion, or cases that it was trained on.</p>\n";
  else if (figures.metrics.necrosis < 500 || figures.metrics.recurrence < 500)
    html += Note("No leak was found; with fewer than 500 phantoms a class a small one would not be seen.");
  return html;
}

std::string SubgroupTable(const Figures& figures) {
  if (figures.subgroups.empty()) return "";
  std::string rows = Row(
      {"subgroup", "necrosis", "recurrence", "share of necrosis found", "share of recurrence recognised", "AUC"}, true);
  for (const auto& group : figures.subgroups) {
    const Metrics& m = group.metrics;
    rows += Row({Escape(group.attribute + ": " + group.value), std::to_string(m.necrosis), std::to_string(m.recurrence),
                 WithLimits(m.sensitivity), WithLimits(m.specificity), WithLimits(m.auc)});
  }
  return "<h3>Subgroups</h3>\n" + Table("By columns of the cohort", rows) +
         Note(
             "Many intervals side by side: one that lies apart by chance is to be expected. A difference is a "
             "question, "
             "not a finding.");
}

std::string OtherLabelsTable(const EvaluationRun& run) {
  if (run.others.empty()) return "";
  std::string rows = Row({"label", "recurrence", "necrosis", "indeterminate", "not evaluable", "all"}, true);
  for (const char* label : {"mixed", "neither", "unknown"}) {
    int counts[4] = {}, all = 0;
    for (const auto& one : run.others)
      if (one.label == label) ++counts[static_cast<int>(one.decision)], ++all;
    if (all == 0) continue;
    std::vector<std::string> cells{label};
    for (const int count : counts) cells.push_back(std::to_string(count));
    cells.push_back(std::to_string(all));
    rows += Row(cells);
  }
  return "<h3>Neither one nor the other</h3>\n" +
         Table("What the node said about studies that are in no two-class figure", rows) +
         Note("The model assumes one or the other; a specimen can be a mixture. These studies count nowhere else.");
}

std::string FailureTable(const EvaluationRun& run) {
  std::vector<EvaluatedCase> wrong;
  for (const auto& one : run.cases)
    if (OnTheWrongSide(one) || DecidedWrongly(one)) wrong.push_back(one);
  if (wrong.empty()) return "";
  // The surest mistakes first: they are the ones that harm.
  const auto sureness = [](const EvaluatedCase& one) {
    return one.probability_of_necrosis >= 0 ? std::abs(one.probability_of_necrosis - 0.5) : 0;
  };
  std::stable_sort(wrong.begin(), wrong.end(), [&](const auto& a, const auto& b) { return sureness(a) > sureness(b); });
  std::string rows = Row({"study", "truth", "probability of necrosis", "decision", "what is known of it"}, true);
  for (std::size_t i = 0; i < std::min(wrong.size(), kMostListed); ++i)
    rows += Row({Escape(wrong[i].study), Escape(wrong[i].label),
                 wrong[i].probability_of_necrosis >= 0 ? Fixed(wrong[i].probability_of_necrosis, 2) : "&ndash;",
                 std::string(ToText(wrong[i].decision)), Escape(AttributesOf(wrong[i]))});
  std::string html = "<h3>Failures, one by one</h3>\n" +
                     Table(std::to_string(wrong.size()) + " studies: " +
                               std::to_string(std::count_if(wrong.begin(), wrong.end(), OnTheWrongSide)) +
                               " on the wrong side of 0.5, " +
                               std::to_string(std::count_if(wrong.begin(), wrong.end(), DecidedWrongly)) +
                               " decided wrongly; the surest first",
                           rows);
  if (wrong.size() > kMostListed) html += Note("The rest is in cases.csv.");
  return html;
}

std::string NotEvaluableTable(const EvaluationRun& run) {
  std::string rows;
  std::size_t listed = 0;
  for (const auto& one : run.cases)
    if (one.decision == Decision::kNotEvaluable && listed++ < kMostListed)
      rows += Row({Escape(one.study), Escape(one.label), Escape(one.reasons)});
  if (rows.empty()) return "";
  std::string html = "<h3>Not evaluable, one by one</h3>\n" +
                     Table(std::to_string(listed) + " studies", Row({"study", "truth", "reasons"}, true) + rows);
  if (listed > kMostListed) html += Note("The rest is in cases.csv.");
  return html;
}

std::string MapCheckTable(const EvaluationRun& run) {
  const MapCheck& check = run.map_check;
  if (check.cases == 0) return "";
  std::string rows = Row({"weights drawn anew", "rank correlation with the map of the bundle", "its size"}, true);
  double highest = std::nan("");
  for (const auto& level : check.levels) {
    rows += Row({Escape(level.randomised), Fixed(level.correlation, 2), Fixed(level.size, 2)});
    highest = std::fmax(highest, level.size);  // what is not defined is passed over
  }
  std::string html = "<h3>Does the activation map show what was learned?</h3>\n" +
                     Table("Map with parts of the weights randomised, mean over " +
                               std::to_string(check.cases - check.constant) + " cases",
                           rows);
  if (check.constant > 0)
    html += Note(check.constant == check.cases
                     ? std::string("The map is constant: nothing to check.")
                     : std::to_string(check.constant) +
                           " more cases have a map that is constant: in them there is nothing to check.");
  if (check.lesions > 0)
    html += Note("Of the map's sum, " + Fixed(100 * check.share_in_lesion, 0) +
                 " % lie in the lesion (1.5 times its radius); a map " + "without preference would have " +
                 Fixed(100 * check.share_by_chance, 0) + " % there. Mean over " + std::to_string(check.lesions) +
                 " phantoms, whose lesions are known.");
  if (check.empty_maps > 0) html += Note(std::to_string(check.empty_maps) + " maps were empty: they show nothing.");
  if (!std::isfinite(highest)) return html + Note("No map could be compared. Do not read the map as an explanation.");
  return html + Note(highest > 0.5 ? "WARNING: the map stays alike when weights are random (or alike with its sign "
                                     "turned). It shows structure of the image more than evidence; do not read it as "
                                     "an explanation."
                                   : "The map changes when weights are random, as it should. That is necessary, not "
                                     "sufficient: it does not say that the map is right.");
}

std::string ComparisonTable(const std::vector<Comparison>& comparisons) {
  if (comparisons.empty()) return "";
  std::string rows = Row({"first against second", "cases", "difference of AUC, bootstrap", "DeLong", "only first right",
                          "only second right", "McNemar p", "p, Holm"},
                         true);
  for (const auto& one : comparisons)
    rows += Row({WithStamp(one.first, one.first_apparent) + " against " + WithStamp(one.second, one.second_apparent),
                 std::to_string(one.cases), WithLimits(one.auc.bootstrap, 3), WithLimits(one.auc.delong, 3),
                 std::to_string(one.only_first_right), std::to_string(one.only_second_right), PValue(one.mcnemar_p),
                 PValue(one.mcnemar_p_holm)});
  const bool apparent = std::any_of(comparisons.begin(), comparisons.end(),
                                    [](const auto& one) { return one.first_apparent || one.second_apparent; });
  return "<h2>Side by side</h2>\n" + Table("On the studies that both gave a probability for", rows) +
         (apparent ? Note("APPARENT: measured on patients that the bundle was trained on. It is no comparison.") : "") +
         Note("Paired: patients are drawn together for both (" + std::to_string(kBootstrapResamples) +
              " draws); McNemar's test is exact, at threshold 0.5, and corrected for the comparisons on this page. "
              "Whoever picks the best of several bundles on these cases needs other cases to say how good it is.");
}

}  // namespace glionode::networks
