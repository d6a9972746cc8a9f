#include "server/cohort_evaluation.h"

#include "config/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glionode::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

CohortRow Row(const std::string& label, const std::string& split = "") {
  CohortRow row;
  row.study = "a";
  row.patient = "P1";
  row.label = label;
  row.split = split;
  return row;
}

/// What is wrong with the rows is said before the bundle is opened: here there is none.
std::string Complaint(const std::vector<CohortRow>& rows, bool apparent) {
  EvaluationOptions options;
  options.cohort = "cohort.csv";
  options.apparent = apparent;
  try {
    EvaluateOnCohort("no-bundle", rows, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kUsage);
    return error.what();
  }
  return "";
}

TEST(EvaluateOnCohort, SaysWhyThereIsNothingToEvaluate) {
  for (const bool apparent : {false, true}) {
    EXPECT_THAT(Complaint({Row("mixed"), Row("unknown")}, apparent),
                AllOf(HasSubstr("none of the 2 rows to be evaluated is labelled recurrence or necrosis"),
                      Not(HasSubstr("train"))));
    EXPECT_THAT(Complaint(OfSplit({Row("necrosis", "train"), Row("recurrence", "train")}, "test"), apparent),
                HasSubstr("cohort.csv: no row has split = test"));
  }
}

}  // namespace
}  // namespace glionode::server
