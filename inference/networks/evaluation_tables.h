#pragma once
#include "inference/networks/evaluation_figures.h"

#include <string>
#include <vector>

namespace glionode::networks {

/// Internal to evaluation: the tables of report.html. Empty where there is nothing to say.
std::string FigureTable(const EvaluationRun& run, const Figures& figures);
std::string CountTables(const Figures& figures);
std::string DerivedTables(const Figures& figures);
std::string PhantomTable(const EvaluationRun& run, const Figures& figures);
std::string OutOfFoldTable(const EvaluationRun& run);
std::string SubgroupTable(const Figures& figures);
std::string OtherLabelsTable(const EvaluationRun& run);
std::string FailureTable(const EvaluationRun& run);
std::string NotEvaluableTable(const EvaluationRun& run);
std::string MapCheckTable(const EvaluationRun& run);
std::string ComparisonTable(const std::vector<Comparison>& comparisons);

}  // namespace glionode::networks
