#include "server/outcome_routes.h"

#include "config/error.h"
#include "server/site_validation.h"

#include <ctime>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

namespace glionode::server {
namespace {

using nlohmann::json;

/// YYYY-MM-DD of the machine's own day.
std::string Today(WallMs now) {
  const std::time_t seconds = now / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[16];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d", &local)};
}

json Describe(const storage::OutcomeRecord& outcome) {
  return {{"study_uid", outcome.study_uid},     {"label", outcome.label},
          {"standard", outcome.standard},       {"date", outcome.date},
          {"recorded_by", outcome.recorded_by}, {"recorded_at", outcome.recorded_at}};
}

ApiField Word(const char* name, std::vector<std::string> choices, const char* description) {
  ApiField field{name, FieldType::kText, description, true};
  field.choices = std::move(choices);
  return field;
}

/// What is at hand of the configured bundle, read again when its files change: the hash of its weights takes a while.
/// Threads: any.
class ConfiguredBundle {
 public:
  explicit ConfiguredBundle(std::function<std::filesystem::path()> where) : where_(std::move(where)) {}
  /// Nothing for a bundle that cannot be read: the node says so elsewhere (it is not ready).
  std::optional<BundleAtHand> Get() {
    const std::filesystem::path folder = where_();
    const std::lock_guard lock(mutex_);
    std::error_code json_problem, weights_problem;
    const State now{folder, std::filesystem::last_write_time(folder / "bundle.json", json_problem),
                    std::filesystem::last_write_time(folder / "weights.safetensors", weights_problem)};
    if (json_problem || weights_problem) return std::nullopt;
    if (state_ != now) {
      bundle_.reset();
      try {
        bundle_ = ReadBundleAtHand(folder);
        state_ = now;
      } catch (const Error&) {
        state_.reset();  // asked again: it may have been read in the middle of a change
      }
    }
    return bundle_;
  }

 private:
  using Time = std::filesystem::file_time_type;
  using State = std::tuple<std::filesystem::path, Time, Time>;
  std::function<std::filesystem::path()> where_;
  std::mutex mutex_;
  std::optional<State> state_;
  std::optional<BundleAtHand> bundle_;
};

}  // namespace

void AddOutcomeRoutes(AdminRouter& router, storage::Outcomes& outcomes, const Clock& clock,
                      std::function<std::filesystem::path()> bundle) {
  const auto configured = std::make_shared<ConfiguredBundle>(std::move(bundle));
  const json object = {{"type", "object"}};
  router.Add({.method = "POST",
              .path = "/api/v1/studies/{study_uid}/outcome",
              .summary = "What became known of a study later; the newest outcome counts.",
              .access = Access::kOperate,
              .body = {Word("label", {"recurrence", "necrosis", "mixed", "neither", "unknown"}, "what it was"),
                       Word("standard", {"pathology", "follow-up"}, "how it is known"),
                       {"date", FieldType::kText, "of the specimen or the follow-up, YYYY-MM-DD", true}},
              .answer = object,
              .handle = [&outcomes, &clock](const ApiCall& call) {
                storage::OutcomeRecord outcome;
                outcome.study_uid = call.path.at("study_uid");
                outcome.label = call.body["label"];
                outcome.standard = call.body["standard"];
                outcome.date = call.body["date"];
                outcome.recorded_by = call.caller;
                outcome.recorded_at = clock.Wall();
                CheckOutcome(outcome, Today(outcome.recorded_at));
                return JsonAnswer(200, Describe(outcomes.Add(outcome)));
              }});
  router.Add({.method = "GET",
              .path = "/api/v1/studies/{study_uid}/outcomes",
              .summary = "What was entered of a study, the newest first.",
              .answer = object,
              .handle = [&outcomes](const ApiCall& call) {
                json list = json::array();
                for (const auto& outcome : outcomes.OfStudy(call.path.at("study_uid")))
                  list.push_back(Describe(outcome));
                return JsonAnswer(200, {{"outcomes", list}});
              }});
  router.Add({.method = "GET",
              .path = "/api/v1/site-validation",
              .summary = "Figures at this site, bundle by bundle, from the outcomes that were entered.",
              .answer = object,
              .handle = [&outcomes, configured](const ApiCall&) {
                return JsonAnswer(200, ToJson(SiteValidation(outcomes.Reported(), configured->Get())));
              }});
}

}  // namespace glionode::server
