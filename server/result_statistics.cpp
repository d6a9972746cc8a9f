#include "server/result_statistics.h"

#include <algorithm>

namespace glionode::server {

using nlohmann::json;

void ResultStatistics::Add(const json& result) {
  const std::lock_guard lock(mutex_);
  ++counts_.results;
  ++counts_.decisions[result.value("decision", "unknown")];
  for (const json& reason : result.value("reasons", json::array()))
    if (reason.is_object()) ++counts_.reasons[reason.value("code", "unknown")];
  const json timings = result.value("timings_ms", json::object());  // items() refers to it
  for (const auto& [stage, value] : timings.items()) {
    if (!value.is_number()) continue;
    const double seconds = value.get<double>() / 1000;
    StageTimes& times = counts_.stages[stage];
    const auto bucket = std::lower_bound(kStageBuckets.begin(), kStageBuckets.end(), seconds) - kStageBuckets.begin();
    ++times.counts[static_cast<std::size_t>(bucket)];
    times.sum_seconds += seconds;
  }
}

ResultCounts ResultStatistics::Counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace glionode::server
