#include "inference/networks/evaluation.h"

#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace glionode::networks {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

EvaluatedCase Case(const std::string& label, double p, Decision decision = Decision::kIndeterminate) {
  return {"study <" + label + ">", "p", label, decision, p, p < 0 ? "geometry" : ""};
}

/// 9 necroses and 49 recurrences with the paper's likely counts: 7 of 9 and 46 of 49.
EvaluationRun PaperLike() {
  EvaluationRun run{"b<1>", "1.0.0", std::string(64, '0'), "phantom", "cohort.csv", false, 2, {}};
  for (int i = 0; i < 9; ++i)
    run.cases.push_back(
        Case("necrosis", i < 7 ? 0.9 - 0.01 * i : 0.2, i < 7 ? Decision::kNecrosis : Decision::kRecurrence));
  for (int i = 0; i < 49; ++i)
    run.cases.push_back(
        Case("recurrence", i < 46 ? 0.1 + 0.001 * i : 0.85, i < 46 ? Decision::kRecurrence : Decision::kNecrosis));
  run.cases.push_back(Case("recurrence", -1, Decision::kNotEvaluable));
  return run;
}

TEST(Auc, ByHand) {
  EXPECT_DOUBLE_EQ(Auc({3, 4}, {1, 2}), 1);
  EXPECT_DOUBLE_EQ(Auc({1, 2}, {3, 4}), 0);
  EXPECT_DOUBLE_EQ(Auc({1, 1}, {1, 1}), 0.5);
  // 2 beats 1 (1), ties 2 (1/2), loses to 3; 4 beats all three: 4.5 of 6
  EXPECT_DOUBLE_EQ(Auc({2, 4}, {1, 2, 3}), 0.75);
  EXPECT_TRUE(std::isnan(Auc({}, {1})));
}

TEST(Intervals, ClopperPearsonKnownValues) {
  // From the beta quantiles; the same figures stand in tables of exact binomial limits.
  const Interval seven = ClopperPearson(7, 9);
  EXPECT_NEAR(seven.value, 0.7778, 1e-4);
  EXPECT_NEAR(seven.low, 0.3999, 5e-4);
  EXPECT_NEAR(seven.high, 0.9719, 5e-4);
  const Interval specificity = ClopperPearson(46, 49);
  EXPECT_NEAR(specificity.low, 0.831, 1e-3);
  EXPECT_NEAR(specificity.high, 0.987, 1e-3);
  const Interval none = ClopperPearson(0, 10);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 1 - std::pow(0.025, 0.1), 1e-9);
  const Interval all = ClopperPearson(10, 10);
  EXPECT_NEAR(all.low, std::pow(0.025, 0.1), 1e-9);
  EXPECT_EQ(all.high, 1);
  EXPECT_TRUE(std::isnan(ClopperPearson(0, 0).value));
}

TEST(Intervals, AucLimitsSolveTheirEquation) {
  const auto error = [](double theta, double m, double n) {
    const double star = (m + n) / 2 - 1;
    return std::sqrt(theta * (1 - theta) * (1 + star * (1 - theta) / (2 - theta) + star * theta / (1 + theta)) /
                     (m * n));
  };
  const Interval interval = AucInterval(0.83, 9, 49);
  EXPECT_NEAR(0.83 - interval.low, 1.959964 * error(interval.low, 9, 49), 1e-5);
  EXPECT_NEAR(interval.high - 0.83, 1.959964 * error(interval.high, 9, 49), 1e-5);
  EXPECT_GT(interval.low, 0.60);
  EXPECT_LT(interval.low, 0.68);
  EXPECT_GT(interval.high, 0.90);
  EXPECT_LT(interval.high, 0.96);
  const Interval perfect = AucInterval(1, 9, 49);
  EXPECT_EQ(perfect.high, 1);
  EXPECT_GT(perfect.low, 0.85);
  EXPECT_LT(perfect.low, 1);
  const Interval mirrored = AucInterval(0.17, 9, 49);
  EXPECT_NEAR(mirrored.low, 1 - interval.high, 1e-6);
}

TEST(Measure, CountsTheTables) {
  const Metrics m = Measure(PaperLike().cases);
  EXPECT_EQ(m.necrosis, 9);
  EXPECT_EQ(m.recurrence, 49);
  EXPECT_EQ(m.tp, 7);
  EXPECT_EQ(m.fn, 2);
  EXPECT_EQ(m.tn, 46);
  EXPECT_EQ(m.fp, 3);
  EXPECT_EQ(m.decisions[0][static_cast<int>(Decision::kNotEvaluable)], 1);
  EXPECT_EQ(m.decisions[1][static_cast<int>(Decision::kNecrosis)], 7);
  EXPECT_NEAR(m.accuracy.value, 53.0 / 58, 1e-12);
}

TEST(Measure, BrierByHand) {
  const Metrics m = Measure({Case("necrosis", 0.8), Case("recurrence", 0.4)});
  EXPECT_NEAR(m.brier, (0.04 + 0.16) / 2, 1e-12);
  EXPECT_LE(m.brier_interval.low, m.brier);
  EXPECT_GE(m.brier_interval.high, m.brier);
}

TEST(Measure, WithoutCasesNothingIsDefined) {
  const Metrics m = Measure({Case("recurrence", 0.2)});
  EXPECT_TRUE(std::isnan(m.sensitivity.value));
  EXPECT_TRUE(std::isnan(m.auc.value));
  EXPECT_EQ(m.specificity.value, 1);
  EXPECT_THAT(ErrorOf([] { Measure({Case("mixed", 0.2)}); }), HasSubstr("'mixed'"));
}

TEST(Report, MetricsJsonAlwaysHasTheFiveFigures) {
  const json metrics = json::parse(MetricsJson({PaperLike()}));
  for (const char* key : {"sensitivity", "specificity", "accuracy", "auc", "brier"}) {
    EXPECT_TRUE(metrics[key].is_number()) << key;
    EXPECT_EQ(metrics["intervals"][key].size(), 2u) << key;
  }
  EXPECT_NEAR(metrics["sensitivity"].get<double>(), 7.0 / 9, 1e-12);
  EXPECT_EQ(metrics["positive_class"], "necrosis (inferred from the abstract's arithmetic)");
  EXPECT_EQ(metrics["decisions"]["recurrence"]["not evaluable"], 1);
  EXPECT_EQ(metrics["by_decision"]["all_eligible"]["specificity"]["of"], 50);
  EXPECT_EQ(metrics["by_decision"]["decided_only"]["specificity"]["of"], 49);
  EXPECT_EQ(metrics["counts"]["excluded_training_patients"], 2);
  EvaluationRun one_class{"b", "1", "", "phantom", "c", false, 0, {Case("recurrence", 0.2)}};
  const json poor = json::parse(MetricsJson({PaperLike(), one_class}));
  EXPECT_EQ(poor["runs"].size(), 2u);
  EXPECT_TRUE(poor["runs"][1]["auc"].is_null());
}

TEST(Report, PageIsSelfContainedAndSaysWhatItIs) {
  EvaluationRun run = PaperLike();
  const std::string plain = ReportHtml({run});
  EXPECT_THAT(plain, HasSubstr("<svg"));
  EXPECT_THAT(plain, HasSubstr("NOT FOR CLINICAL USE"));
  EXPECT_THAT(plain, HasSubstr("synthetic phantoms"));
  EXPECT_THAT(plain, HasSubstr("Beijing Tiantan, 234 patients"));
  EXPECT_THAT(plain, HasSubstr("58 tested, as inferred"));
  EXPECT_THAT(plain, HasSubstr("majority"));
  EXPECT_THAT(plain, HasSubstr("0.78 (0.40 to 0.97)"));
  EXPECT_THAT(plain, HasSubstr("b&lt;1&gt;"));
  EXPECT_THAT(plain, Not(HasSubstr("b<1>")));
  EXPECT_THAT(plain, Not(HasSubstr("http")));
  EXPECT_THAT(plain, Not(HasSubstr("<script")));
  EXPECT_THAT(plain, Not(HasSubstr("positive")));
  EXPECT_THAT(plain, Not(HasSubstr("APPARENT")));
  // On every printed page, not at the top alone.
  EXPECT_THAT(plain, HasSubstr("<div class=\"every\">NOT FOR CLINICAL USE</div>"));
  EXPECT_THAT(plain, HasSubstr(".every{display:block;position:fixed"));
  run.apparent = true;
  run.domain = "clinical";
  const std::string apparent = ReportHtml({run});
  EXPECT_THAT(apparent, HasSubstr("APPARENT"));
  EXPECT_THAT(apparent, HasSubstr("<div class=\"every\">NOT FOR CLINICAL USE - APPARENT"));
  EXPECT_THAT(apparent, Not(HasSubstr("synthetic phantoms")));
}

EvaluationRun ManyCases(const std::string& name, int of_each) {
  EvaluationRun run{name, "1.0.0", "", "phantom", "cohort.csv", false, 0, {}};
  for (int i = 0; i < 2 * of_each; ++i) {
    EvaluatedCase one = Case(i % 2 ? "necrosis" : "recurrence",
                             0.02 + 0.96 * ((i * 37) % (2 * of_each)) / (2 * of_each), Decision::kIndeterminate);
    one.study = "s" + std::to_string(i);
    one.patient = "p" + std::to_string(i);
    one.attributes = {{"vendor", i % 3 ? "GE" : "Siemens"}, {"slice_thickness", i % 2 ? "1" : "5"}, {"empty", ""}};
    run.cases.push_back(one);
  }
  return run;
}

TEST(Report, FewCasesShowNoCurvesAndSaySo) {
  const std::string few = ReportHtml({PaperLike()});
  EXPECT_THAT(few, HasSubstr("Fewer than 20 cases in a class"));
  EXPECT_THAT(few, Not(HasSubstr("Decision curve")));
  EXPECT_THAT(few, Not(HasSubstr("aria-label=\"Calibration\"")));
  const std::string many = ReportHtml({ManyCases("b", 20)});
  EXPECT_THAT(many, Not(HasSubstr("Fewer than 20 cases")));
  EXPECT_THAT(many, HasSubstr("Decision curve"));
  EXPECT_THAT(many, HasSubstr("aria-label=\"Calibration\""));
}

TEST(Report, SubgroupsFailuresAndOtherLabelsAreListed) {
  EvaluationRun run = ManyCases("b", 20);
  EvaluatedCase mixed = Case("mixed", 0.6, Decision::kNecrosis);
  run.others.push_back(mixed);
  run.note = "<cases> of one week";
  run.map_check = {3, {{"the head", 0.1, 0.2}, {"all", 0.7, 0.7}}, 40, 0.61, 0.083, 0, 2};
  const std::string page = ReportHtml({run});
  for (const char* part :
       {"vendor: Siemens", "slice_thickness: under 3 mm", "slice_thickness: 3 mm and more", "Failures, one by one",
        "Neither one nor the other", "&lt;cases&gt; of one week", "WARNING: the map stays alike",
        "61 % lie in the lesion", "would have 8 % there", "2 maps were empty"})
    EXPECT_THAT(page, HasSubstr(part));
  const json metrics = json::parse(MetricsJson({run}));
  EXPECT_EQ(metrics["other_labels"]["mixed"]["necrosis"], 1);
  EXPECT_EQ(metrics["counts"]["cases"], 40);
  EXPECT_EQ(metrics["subgroups"].size(), 4u);
  EXPECT_EQ(metrics["map_check"]["cases"], 3);
  EXPECT_EQ(metrics["map_check"]["lesion"]["cases"], 40);
  EXPECT_EQ(metrics["map_check"]["lesion"]["empty_maps"], 2);
}

TEST(Report, AMapThatShowsNothingOrTurnsItsSignDoesNotPass) {
  EvaluationRun run = ManyCases("b", 20);
  const double none = std::nan("");
  run.map_check = {8, {{"the head", none, none}, {"all", none, none}}, 0, 0, 0, 8};
  std::string page = ReportHtml({run});
  EXPECT_THAT(page, HasSubstr("The map is constant: nothing to check."));
  EXPECT_THAT(page, Not(HasSubstr("as it should")));
  const json check = json::parse(MetricsJson({run}))["map_check"];
  EXPECT_TRUE(check["levels"][0]["rank_correlation"].is_null());
  EXPECT_EQ(check["constant_maps"], 8);
  run.map_check = {8, {{"the head", -0.9, 0.9}, {"all", 0.1, 0.1}}};
  EXPECT_THAT(ReportHtml({run}), HasSubstr("WARNING: the map stays alike"));
  run.map_check = {8, {{"the head", -0.1, 0.2}, {"all", 0.1, 0.1}}};
  EXPECT_THAT(ReportHtml({run}), HasSubstr("The map changes when weights are random, as it should"));
}

TEST(Report, DecisionsThatDifferFromTheTruthAreFailures) {
  EvaluationRun run{"b", "1", "", "patient", "c", false, 0, {}};
  // An abstain band that does not hold 0.5.
  run.cases = {Case("recurrence", 0.45, Decision::kNecrosis), Case("necrosis", 0.8, Decision::kNecrosis),
               Case("recurrence", 0.6, Decision::kIndeterminate)};
  run.cases[0].study = "decided wrongly";
  run.cases[1].study = "fine";
  run.cases[2].study = "wrong side";
  const std::string page = ReportHtml({run});
  EXPECT_THAT(page, HasSubstr("2 studies: 1 on the wrong side of 0.5, 1 decided wrongly"));
  EXPECT_THAT(page, HasSubstr("<td>decided wrongly</td>"));
  EXPECT_THAT(page, HasSubstr("<td>wrong side</td>"));
  EXPECT_THAT(page, Not(HasSubstr("<td>fine</td>")));
}

TEST(Report, SaysWhatItIsMadeFrom) {
  EvaluationRun run = ManyCases("b", 20);
  run.weights_sha256 = std::string(64, 'e');
  run.cohort_sha256 = std::string(64, 'f');
  run.made = "2026-11-21";
  run.network = "mresnet";
  run.cases[0].decision = run.cases[1].decision = run.cases[2].decision = Decision::kNotEvaluable;
  run.cases[0].reasons = "geometry missing_role";
  run.cases[1].reasons = "geometry";
  const std::string page = ReportHtml({run});
  for (const char* part :
       {"eeeeeeee", "ffffffff", "Report of 2026-11-21", "3 (geometry 2, missing_role 1, not stated 1)",
        "It is not the paper's network", "40 studies of 40 patients", "trained on the patient: 0 patients"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("as independent")));
  json metrics = json::parse(MetricsJson({run}));
  EXPECT_EQ(metrics["not_evaluable_reasons"]["geometry"], 2);
  EXPECT_EQ(metrics["bundle"]["weights_sha256"], run.weights_sha256);
  EXPECT_EQ(metrics["cohort_sha256"], run.cohort_sha256);
  EXPECT_EQ(metrics["date"], "2026-11-21");
  EXPECT_EQ(metrics["counts"]["patients"], 40);
  run.network = "resnet10";
  run.training_patients_known = false;
  for (auto& one : run.cases) one.patient = "p" + std::to_string(one.study.size());
  const std::string other = ReportHtml({run});
  EXPECT_THAT(other, Not(HasSubstr("It is not the paper's network")));
  EXPECT_THAT(other, HasSubstr("was not checked"));
  EXPECT_THAT(other, HasSubstr("40 studies of 2 patients: studies of one patient are alike"));
}

TEST(Report, ALikelihoodRatioOfZeroIsZero) {
  EvaluationRun run = ManyCases("b", 20);
  for (auto& one : run.cases) one.probability_of_necrosis = one.label == "necrosis" ? 0.9 : 0.1;
  const json ratio = json::parse(MetricsJson({run}))["likelihood_ratio_called_recurrence"];
  EXPECT_EQ(ratio["value"], 0.0);
  EXPECT_TRUE(ratio["interval"][1].is_null());
  EXPECT_THAT(ReportHtml({run}), HasSubstr("0.00 (no limits)"));
}

TEST(Report, SeveralBundlesStandSideBySide) {
  EvaluationRun second = ManyCases("other", 20), third = ManyCases("third", 20);
  for (auto& one : second.cases) one.probability_of_necrosis = one.label == "necrosis" ? 0.9 : 0.1;
  third.cases.resize(10);
  const json metrics = json::parse(MetricsJson({ManyCases("b", 20), second, third}));
  ASSERT_EQ(metrics["comparisons"].size(), 2u);
  const json& first = metrics["comparisons"][0];
  EXPECT_EQ(first["second"], "other");
  EXPECT_LT(first["auc_difference_bootstrap"]["interval"][1].get<double>(), 0);
  EXPECT_EQ(first["only_first_right"], 0);
  EXPECT_LT(first["mcnemar_p"].get<double>(), 0.01);
  EXPECT_NEAR(first["mcnemar_p_holm"].get<double>(), 2 * first["mcnemar_p"].get<double>(), 1e-12);
  EXPECT_EQ(metrics["comparisons"][1]["cases"], 10);
  EXPECT_THAT(ReportHtml({ManyCases("b", 20), second}), HasSubstr("b against other"));
  EXPECT_TRUE(json::parse(MetricsJson({second}))["comparisons"].empty());
}

TEST(Report, BundlesAreComparedOnEqualStudiesWithEqualTruthOnly) {
  const EvaluationRun first = ManyCases("b", 20);
  EvaluationRun second = ManyCases("other", 20);
  for (auto& one : second.cases) one.study = "elsewhere " + one.study;
  EXPECT_EQ(json::parse(MetricsJson({first, second}))["comparisons"][0]["cases"], 0);
  EXPECT_THAT(ReportHtml({first, second}), HasSubstr("b against other"));
  second = ManyCases("other", 20);
  second.cases[3].label = "recurrence";  // was necrosis
  EXPECT_EQ(json::parse(MetricsJson({first, second}))["comparisons"][0]["cases"], 39);
}

TEST(Report, BundlesOfOneNameAreToldApartAndApparentOnesAreNamed) {
  TempFolder folder;
  EvaluationRun first = ManyCases("b", 20), second = ManyCases("b", 20);
  first.bundle_sha256 = std::string(64, 'a'), second.bundle_sha256 = std::string(64, 'b');
  for (auto& one : second.cases) one.probability_of_necrosis = one.label == "necrosis" ? 0.9 : 0.1;
  second.apparent = true;
  WriteEvaluation({first, second}, folder.Path());
  const json comparison = json::parse(Slurp(folder.Path() / "metrics.json"))["comparisons"][0];
  EXPECT_EQ(comparison["first"], "b 1.0.0 aaaaaaaa");
  EXPECT_EQ(comparison["second"], "b 1.0.0 bbbbbbbb");
  EXPECT_EQ(comparison["first_apparent"], false);
  EXPECT_EQ(comparison["second_apparent"], true);
  const std::string page = Slurp(folder.Path() / "report.html");
  EXPECT_THAT(page, HasSubstr("b 1.0.0 aaaaaaaa against b 1.0.0 bbbbbbbb (APPARENT)"));
  EXPECT_THAT(page, HasSubstr("<td>&lt; 0.001</td>"));
  const std::string csv = Slurp(folder.Path() / "cases.csv");
  EXPECT_THAT(
      csv, HasSubstr("\nb 1.0.0 aaaaaaaa,s0,p0,recurrence,indeterminate,0.020000,," + first.bundle_sha256 + ",no\n"));
  EXPECT_THAT(csv, HasSubstr("," + second.bundle_sha256 + ",yes\n"));
}

TEST(CalibratedShareOf, IsThatOfTheCohort) {
  EXPECT_EQ(CalibratedShare(R"({"cohort_prior": 0.18, "seed": 1})"), 0.18);
  for (const char* text : {"", "{}", "[]", R"({"cohort_prior": "0.18"})", R"({"cohort_prior": 1})"})
    EXPECT_EQ(CalibratedShare(text), 0) << text;
}

TEST(Report, OutOfFoldFiguresOfTheBundleAreShown) {
  EvaluationRun run = ManyCases("b", 20);
  run.bundle_evaluation_json =
      R"({"out_of_fold": {"kind": "out-of-fold", "necrosis": 33, "recurrence": 143, "auc": {"value": 0.71, "low": 0.6, "high": 0.8}}})";
  EXPECT_THAT(ReportHtml({run}), HasSubstr("0.71 (0.60 to 0.80)"));
  run.bundle_evaluation_json = R"({"kind": "held back"})";
  EXPECT_THAT(ReportHtml({run}), Not(HasSubstr("Out of the folds")));
}

TEST(Report, APhantomNetworkBetterThanTheBoundIsALeak) {
  EvaluationRun run = ManyCases("b", 30);
  run.separation = 1.812;
  for (std::size_t i = 0; i < run.cases.size(); ++i) {
    auto& one = run.cases[i];
    const bool necrosis = one.label == "necrosis";
    one.log_likelihood_ratio = (necrosis ? 1 : -1) + 2.5 * std::sin(static_cast<double>(i) * 1.7);
    one.probability_of_necrosis = necrosis ? 0.9 : 0.1;
  }
  EXPECT_THAT(ReportHtml({run}), HasSubstr("LEAK"));
  for (auto& one : run.cases) one.probability_of_necrosis = 1 / (1 + std::exp(-one.log_likelihood_ratio));
  const std::string fine = ReportHtml({run});
  EXPECT_THAT(fine, Not(HasSubstr("LEAK")));
  EXPECT_THAT(fine, HasSubstr("known ceiling"));
}

TEST(Report, WritesThreeFiles) {
  TempFolder folder;
  EvaluationRun run = PaperLike();
  run.cases[0].study = "=a,\"b\"";
  run.cases[1].patient = "\ttab";
  WriteEvaluation({run}, folder.Path() / "out");
  const std::string csv = Slurp(folder.Path() / "out" / "cases.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 60);
  EXPECT_THAT(csv, testing::StartsWith("bundle,study,patient,label,decision,probability_of_necrosis,reasons,"));
  const std::string end = "," + run.bundle_sha256 + ",no\n";
  EXPECT_THAT(csv, HasSubstr("\"'=a,\"\"b\"\"\",p,necrosis,necrosis,0.900000," + end));
  EXPECT_THAT(csv, HasSubstr(",'\ttab,necrosis,necrosis,"));
  EXPECT_THAT(csv, HasSubstr(",recurrence,not evaluable,,geometry" + end));
  EXPECT_FALSE(Slurp(folder.Path() / "out" / "report.html").empty());
  EXPECT_FALSE(json::parse(Slurp(folder.Path() / "out" / "metrics.json")).empty());
  EXPECT_THROW(WriteEvaluation({}, folder.Path()), Error);
}

}  // namespace
}  // namespace glionode::networks
