// Reads runs of cases as JSON from standard input and writes what metrics.json would say: for statistics_check.py.
#include "inference/networks/evaluation.h"

#include <nlohmann/json.hpp>

#include <iostream>
#include <stdexcept>

int main() {
  using namespace glionode;
  using namespace glionode::networks;
  const auto input = nlohmann::json::parse(std::cin);
  std::vector<EvaluationRun> runs;
  for (const auto& run : input.at("runs")) {
    EvaluationRun made{run.at("name"), "1", "", "phantom", "random", false, 0, {}};
    made.separation = run.value("separation", 0.0);
    made.calibrated_share = run.value("calibrated_share", 0.0);
    for (const auto& one : run.at("cases")) {
      const auto decision = DecisionFromText(one.value("decision", "indeterminate"));
      if (!decision) throw std::runtime_error("no such decision: " + one.at("decision").get<std::string>());
      EvaluatedCase judged{one.at("study"), one.at("patient"), one.at("label"), *decision, one.at("p"), ""};
      if (one.contains("llr")) judged.log_likelihood_ratio = one.at("llr");
      if (one.contains("features")) judged.measured = one.at("features").get<std::vector<double>>();
      made.cases.push_back(std::move(judged));
    }
    runs.push_back(std::move(made));
  }
  std::cout << MetricsJson(runs);
}
