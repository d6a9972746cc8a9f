#include "server/outcome_routes.h"

#include "server/site_validation.h"

#include <ctime>

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

}  // namespace

void AddOutcomeRoutes(AdminRouter& router, storage::Outcomes& outcomes, const Clock& clock) {
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
  router.Add(
      {.method = "GET",
       .path = "/api/v1/site-validation",
       .summary = "Figures at this site, bundle by bundle, from the outcomes that were entered.",
       .answer = object,
       .handle = [&outcomes](const ApiCall&) { return JsonAnswer(200, ToJson(SiteValidation(outcomes.Reported()))); }});
}

}  // namespace glionode::server
