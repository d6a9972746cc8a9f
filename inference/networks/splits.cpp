#include "inference/networks/splits.h"

#include "config/error.h"
#include "inference/networks/random.h"

#include <map>
#include <string>

namespace glionode::networks {

std::vector<int> GroupedFolds(const std::vector<TensorCase>& cases, int folds, std::uint64_t seed) {
  std::map<std::string, bool> has_necrosis;
  for (const auto& one : cases) has_necrosis[one.patient] |= one.label == "necrosis";
  std::vector<std::string> strata[2];
  for (const auto& [patient, necrosis] : has_necrosis) strata[necrosis ? 1 : 0].push_back(patient);
  for (int stratum = 0; stratum < 2; ++stratum)
    if (static_cast<int>(strata[stratum].size()) < folds)
      throw Error(ErrorCode::kUsage, "the cohort has " + std::to_string(strata[stratum].size()) + " patients with " +
                                         (stratum ? "necrosis" : "recurrence alone") + "; at least " +
                                         std::to_string(folds) + " are needed");
  SplitMix64 random(DeriveSeed(seed, 101));
  std::map<std::string, int> fold_of;
  std::size_t dealt = 0;
  for (auto& stratum : strata) {
    random.Shuffle(stratum);
    for (const auto& patient : stratum) fold_of[patient] = static_cast<int>(dealt++ % static_cast<std::size_t>(folds));
  }
  std::vector<int> result;
  for (const auto& one : cases) result.push_back(fold_of[one.patient]);
  return result;
}

}  // namespace glionode::networks
