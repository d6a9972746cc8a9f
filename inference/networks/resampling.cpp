#include "inference/networks/resampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace glionode::networks {

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
}

RankedCases::RankedCases(const std::vector<ScoredCase>& cases) {
  entries_.reserve(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) entries_.push_back({cases[i].score, cases[i].necrosis, i});
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.score < b.score; });
}

double RankedCases::Auc(const std::vector<int>& times) const {
  double wins = 0, below = 0, necrosis = 0;
  for (std::size_t i = 0; i < entries_.size();) {
    double with = 0, without = 0;
    const double score = entries_[i].score;
    for (; i < entries_.size() && entries_[i].score == score; ++i)
      (entries_[i].necrosis ? with : without) += times.empty() ? 1 : times[entries_[i].index];
    wins += with * (below + 0.5 * without);
    below += without;
    necrosis += with;
  }
  return necrosis > 0 && below > 0 ? wins / (necrosis * below) : kNan;
}

double RankedCases::AveragePrecision(const std::vector<int>& times) const {
  double all = 0;
  for (const Entry& entry : entries_)
    if (entry.necrosis) all += times.empty() ? 1 : times[entry.index];
  if (!(all > 0)) return kNan;
  double found = 0, called = 0, sum = 0;
  for (std::size_t i = entries_.size(); i > 0;) {
    double with = 0, without = 0;
    const double score = entries_[i - 1].score;
    for (; i > 0 && entries_[i - 1].score == score; --i)
      (entries_[i - 1].necrosis ? with : without) += times.empty() ? 1 : times[entries_[i - 1].index];
    found += with;
    called += with + without;
    if (with > 0) sum += with / all * (found / called);
  }
  return sum;
}

PatientBootstrap::PatientBootstrap(const std::vector<ScoredCase>& cases, std::uint64_t seed)
    : times_(cases.size(), 0), random_(seed) {
  std::map<std::string, std::vector<std::size_t>> of_patient;
  for (std::size_t i = 0; i < cases.size(); ++i) of_patient[cases[i].patient].push_back(i);
  for (auto& [patient, members] : of_patient) {
    const bool necrosis = std::any_of(members.begin(), members.end(), [&](std::size_t i) { return cases[i].necrosis; });
    strata_[necrosis ? 1 : 0].push_back(std::move(members));
  }
}

const std::vector<int>& PatientBootstrap::Draw() {
  std::fill(times_.begin(), times_.end(), 0);
  for (const auto& patients : strata_)
    for (std::size_t i = 0; i < patients.size(); ++i)
      for (const std::size_t member : patients[random_.Below(patients.size())]) ++times_[member];
  return times_;
}

std::pair<double, double> PercentileLimits(std::vector<double> values) {
  if (values.empty()) return {0, 1};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(place);
    const std::size_t high = std::min(low + 1, values.size() - 1);
    return values[low] + (place - static_cast<double>(low)) * (values[high] - values[low]);
  };
  return {at(0.025), at(0.975)};
}

}  // namespace glionode::networks
