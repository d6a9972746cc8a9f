#pragma once
#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace glionode::server {

/// Upper bounds of the histograms' buckets, in seconds.
inline constexpr std::array<double, 13> kStageBuckets = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

struct StageTimes {
  std::array<std::uint64_t, kStageBuckets.size() + 1> counts{};  ///< not cumulated; the last is beyond all bounds
  double sum_seconds = 0;
};

/// What became of results since the start.
struct ResultCounts {
  std::uint64_t results = 0;
  std::map<std::string, std::uint64_t> decisions, reasons;
  std::map<std::string, StageTimes> stages;  ///< headers, decode, registration, preprocess, network, objects, total
};

/// Counts results for the metrics. Threads: any.
class ResultStatistics {
 public:
  /// `result` is a result.json. Members that are missing or of another type count as nothing.
  void Add(const nlohmann::json& result);
  ResultCounts Counts() const;

 private:
  mutable std::mutex mutex_;
  ResultCounts counts_;
};

}  // namespace glionode::server
