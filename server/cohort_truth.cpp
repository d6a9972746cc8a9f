#include "server/cohort_truth.h"

#include "config/error.h"
#include "server/csv.h"

#include <charconv>
#include <cmath>

namespace glionode::server {

std::map<std::string, PhantomTruth> ReadTruth(const std::filesystem::path& cohort) {
  const std::filesystem::path file = std::filesystem::absolute(cohort).parent_path() / "truth.csv";
  if (!std::filesystem::exists(file)) return {};
  std::map<std::string, PhantomTruth> truth;
  int number = 0;
  for (const auto& row : ReadCsv(file).rows) {
    ++number;
    const auto value = [&](const char* column, bool required) {
      const auto found = row.find(column);
      if (found == row.end() && !required) return 0.0;  // a truth.csv of an earlier version
      double parsed = 0;
      const std::string text = found == row.end() ? "" : found->second;
      const auto done = std::from_chars(text.data(), text.data() + text.size(), parsed);
      if (done.ec != std::errc() || done.ptr != text.data() + text.size() || !std::isfinite(parsed))
        throw Error(ErrorCode::kUsage,
                    file.string() + ": row " + std::to_string(number) + ": " + column + " is no number");
      return parsed;
    };
    PhantomTruth& one = truth[row.count("study") ? row.at("study") : ""];
    one.log_likelihood_ratio = value("log_likelihood_ratio", true);
    one.separation = value("separation", false);
    one.lesion = {{value("lesion_x", false), value("lesion_y", false), value("lesion_z", false)},
                  value("lesion_radius", false)};
  }
  return truth;
}

}  // namespace glionode::server
