#include "server/index_view.h"

#include "dicom/header_reader.h"

#include <algorithm>
#include <map>
#include <vector>

namespace glionode::server {
namespace {

using nlohmann::json;

json DescribeStudy(const storage::StudyRecord& study, const storage::ResultRecord* result,
                   const storage::Outbox& outbox) {
  json out = {{"study_uid", study.study_uid},
              {"state", storage::ToText(study.state)},
              {"why", study.why},
              {"from", study.from_ae},
              {"revision", study.revision},
              {"first_arrival", study.first_arrival},
              {"last_arrival", study.last_arrival},
              {"withdrawn", nullptr},
              {"decision", nullptr},
              {"reasons", json::array()},
              {"roles", json::object()},
              {"timings_ms", json::object()}};
  for (const auto& taken : outbox.Withdrawals(study.study_uid))
    if (taken.revision >= study.revision)
      out["withdrawn"] = {{"at", taken.at}, {"reason", taken.reason}, {"text", taken.text}};
  if (!result) return out;
  json stored = json::parse(result->result_json);
  out["decision"] = stored.at("decision");
  for (const auto& reason : stored.at("reasons")) out["reasons"].push_back(reason.at("code"));
  out["roles"] = stored.at("roles");
  out["timings_ms"] = stored.at("timings_ms");
  out["reported_at"] = result->created_at;
  out["result"] = std::move(stored);
  return out;
}

json DescribeRow(const storage::OutboxRecord& row) {
  return {{"id", row.id},
          {"study_uid", row.study_uid},
          {"peer", row.peer_ae},
          {"state", storage::ToText(row.state)},
          {"attempts", row.attempts},
          {"next_try", row.next_try},
          {"created_at", row.created_at},
          {"last_status", row.last_status},
          {"kind", row.object.kind},
          {"sop_class_uid", row.object.sop_class_uid},
          {"sop_instance_uid", row.object.sop_instance_uid}};
}

/// Instances of a study about which two peers disagree: UID, who sent which bytes, in the order of their coming.
json Conflicts(const std::vector<storage::InstanceRecord>& versions) {
  std::map<std::string, std::vector<const storage::InstanceRecord*>> by_uid;
  for (const auto& version : versions) by_uid[version.sop_instance_uid].push_back(&version);
  json list = json::array();
  for (const auto& [uid, all] : by_uid) {
    json from = json::array();
    bool differ = false;
    for (const auto* version : all) {
      differ |= version->from_ae != all.front()->from_ae;
      from.push_back({{"peer", version->from_ae},
                      {"received_at", version->received_at},
                      {"sha256", version->sha256},
                      {"file", version->file},
                      {"current", version->current}});
    }
    if (differ) list.push_back({{"sop_instance_uid", uid}, {"versions", from}});
  }
  return list;
}

}  // namespace

json IndexView::Studies(const StudyQuery& query) const {
  const storage::StudyFilter filter{query.state, query.decision, query.from, query.search};
  const auto studies = listing_.Studies(filter, query.limit, query.offset);
  const auto results = listing_.NewestResults(studies);
  json list = json::array();
  for (const auto& study : studies) {
    const auto result = std::find_if(results.begin(), results.end(),
                                     [&](const auto& entry) { return entry.study_uid == study.study_uid; });
    list.push_back(DescribeStudy(study, result == results.end() ? nullptr : &*result, outbox_));
  }
  return {
      {"studies", list}, {"limit", query.limit}, {"offset", query.offset}, {"total", listing_.CountStudies(filter)}};
}

std::optional<json> IndexView::Study(const std::string& study_uid) const {
  const auto study = index_.Find(study_uid);
  if (!study) return std::nullopt;
  const auto result = jobs_.NewestResult(study_uid);
  json out = DescribeStudy(*study, result ? &*result : nullptr, outbox_);
  json series = json::array(), outbox = json::array(), captures = json::array();
  for (const auto& role : index_.Roles(study_uid))
    series.push_back({{"series_uid", role.series_uid},
                      {"description", role.description},
                      {"role", role.role},
                      {"score", role.score},
                      {"why", role.why},
                      {"rule", role.rule},
                      {"chosen", role.chosen}});
  for (const auto& row : outbox_.OfStudy(study_uid)) outbox.push_back(DescribeRow(row));
  if (result)
    for (const auto& object : jobs_.Objects(result->id))
      if (object.kind == "sc") captures.push_back(captures.size() + 1);
  const auto instances = index_.Instances(study_uid);
  out["series"] = series;
  out["outbox"] = outbox;
  out["captures"] = captures;
  out["instances"] = instances.size();
  out["conflicts"] = Conflicts(index_.Versions(study_uid));
  if (show_identity_) {
    json patients = json::array();
    for (const auto& instance : instances) {
      if (instance.kind != storage::InstanceKind::kCandidate) continue;
      const auto header = dicom::HeaderFromJson(instance.header_json);
      json patient = {{"name", header.Attribute("PatientName")},
                      {"id", header.Attribute("PatientID")},
                      {"birth_date", header.Attribute("PatientBirthDate")}};
      if (std::find(patients.begin(), patients.end(), patient) == patients.end()) patients.push_back(patient);
    }
    out["patients"] = patients;
  }
  return out;
}

json IndexView::Outbox(const OutboxQuery& query) const {
  const storage::OutboxFilter filter{query.state, query.peer, query.study_uid};
  json list = json::array();
  for (const auto& row : listing_.Outbox(filter, query.limit, query.offset)) list.push_back(DescribeRow(row));
  return {{"outbox", list}, {"limit", query.limit}, {"offset", query.offset}, {"total", listing_.CountOutbox(filter)}};
}

}  // namespace glionode::server
