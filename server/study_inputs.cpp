#include "server/study_inputs.h"

#include "config/error.h"
#include "config/sha256.h"

#include <algorithm>
#include <set>

namespace glionode::server {

using nlohmann::json;

IdentityVerdict CheckIdentity(const std::vector<StoredHeader>& instances) {
  std::set<std::string> identities;
  for (const StoredHeader& instance : instances) identities.insert(dicom::IdentityKey(instance.header));
  if (identities.size() > 1) return IdentityVerdict::kMixed;
  if (identities.empty() || identities.begin()->empty()) return IdentityVerdict::kNone;
  return IdentityVerdict::kOne;
}

StudyInputs CollectInputs(const std::vector<StoredHeader>& instances, const dicom::StudySelection& selection) {
  StudyInputs collected;
  if (instances.empty()) throw Error(ErrorCode::kInternal, "a study without images cannot be evaluated");
  std::map<std::string, const StoredHeader*> by_uid;
  for (const StoredHeader& instance : instances) by_uid[instance.header.sop_instance_uid] = &instance;
  // Identity comes from the newest instance (design section 2); of the selected ones, if there are any.
  const StoredHeader* source = &instances.back();
  collected.study_uid = source->header.study_uid;
  collected.study_date = source->header.Attribute("StudyDate");
  collected.identity = dicom::IdentityKey(source->header);
  std::set<std::string> selected;
  for (const auto& [role, chosen] : selection.chosen) {
    StudyInput input{chosen.series_uid, chosen.description, chosen.why, {}, {}};
    for (const std::string& uid : chosen.sop_instance_uids) {
      const StoredHeader& instance = *by_uid.at(uid);
      input.files.push_back(instance.file);
      input.instances.push_back({instance.header.sop_class_uid, uid});
      selected.insert(uid);
    }
    collected.inputs[role] = std::move(input);
  }
  for (const StoredHeader& instance : instances)
    if (selected.count(instance.header.sop_instance_uid)) source = &instance;
  collected.source_file = source->file;
  collected.reasons = selection.reasons;
  return collected;
}

std::string SelectionKey(const StudyInputs& inputs, const std::map<std::string, InstanceDigest>& digests) {
  Sha256 hash;
  const auto add = [&hash](std::string_view text) {
    hash.Update(std::to_string(text.size()));
    hash.Update(":");
    hash.Update(text);
  };
  add(inputs.study_uid);
  add(inputs.identity);
  for (const auto& [role, input] : inputs.inputs) {
    add(ToText(role));
    add(input.series_uid);
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < input.instances.size(); ++i) {
      const std::string& uid = input.instances[i].sop_instance_uid;
      const auto digest = digests.find(uid);
      lines.push_back(uid + " " +
                      (digest == digests.end() ? "file " + input.files.at(i) : digest->second.pixel_digest));
    }
    std::sort(lines.begin(), lines.end());
    for (const std::string& line : lines) add(line);
  }
  for (const Reason& reason : inputs.reasons) add(ToText(reason.code));
  return hash.HexDigest();
}

std::string InputKey(const std::string& selection_key, const std::string& bundle_sha256, const std::string& software,
                     int revision) {
  // The revision is part of it: a study that returns to an earlier state (an image corrected, then corrected back) is a
  // new statement with objects of its own.
  return Sha256Hex("glionode input key 1|" + selection_key + "|" + bundle_sha256 + "|" + software + "|" +
                   std::to_string(revision));
}

WorkerRequest MakeRequest(WorkerStep step, const StudyInputs& inputs, const std::filesystem::path& root) {
  WorkerRequest request;
  request.step = step;
  request.reasons = inputs.reasons;
  for (const auto& [role, input] : inputs.inputs) {
    WorkerInput& to = request.inputs[role];
    to.series_uid = input.series_uid;
    for (const std::string& file : input.files) to.files.push_back((root / file).string());
  }
  return request;
}

std::string DescribeChange(const StudyInputs& before, const StudyInputs& now) {
  std::vector<std::string> changes;
  if (now.rejected > before.rejected) changes.push_back("images were rejected in the PACS");
  if (before.identity != now.identity) changes.push_back("the patient identity was corrected");
  for (const Role role : {Role::kT1, Role::kT2, Role::kT1ce}) {
    const auto old_input = before.inputs.find(role), new_input = now.inputs.find(role);
    const bool had = old_input != before.inputs.end(), has = new_input != now.inputs.end();
    std::string name(ToText(role));
    for (char& letter : name)
      if (letter == 't') letter = 'T';
    if (!had && has) changes.push_back("the " + name + " series arrived");
    if (had && !has) changes.push_back("the " + name + " series is no longer used");
    if (!had || !has) continue;
    if (old_input->second.series_uid != new_input->second.series_uid)
      changes.push_back("another " + name + " series was chosen");
    else if (old_input->second.files.size() != new_input->second.files.size())
      changes.push_back("the number of images of the " + name + " series changed");
    else if (old_input->second.files != new_input->second.files)
      changes.push_back("images of the " + name + " series were replaced");
  }
  if (changes.empty()) return "the selected images changed";
  std::string text = changes.front();
  for (std::size_t i = 1; i < changes.size(); ++i) text += "; " + changes[i];
  return text;
}

json ToJson(const StudyInputs& inputs) {
  json roles = json::object();
  for (const auto& [role, input] : inputs.inputs) {
    json instances = json::array();
    for (std::size_t i = 0; i < input.files.size(); ++i)
      instances.push_back({input.instances[i].sop_class_uid, input.instances[i].sop_instance_uid, input.files[i]});
    roles[std::string(ToText(role))] = {{"series_uid", input.series_uid},
                                        {"description", input.description},
                                        {"why", input.why},
                                        {"instances", instances}};
  }
  return {{"study_uid", inputs.study_uid},
          {"study_date", inputs.study_date},
          {"identity", inputs.identity},
          {"inputs", roles},
          {"reasons", ToJson(inputs.reasons)},
          {"source_file", inputs.source_file},
          {"selection_key", inputs.selection_key},
          {"headers_ms", inputs.headers_ms},
          {"rejected", inputs.rejected}};
}

StudyInputs InputsFromJson(const json& from) {
  StudyInputs inputs;
  inputs.study_uid = from.at("study_uid");
  inputs.study_date = from.at("study_date");
  inputs.identity = from.at("identity");
  inputs.reasons = ReasonsFromJson(from.at("reasons"));
  inputs.source_file = from.at("source_file");
  inputs.selection_key = from.at("selection_key");
  inputs.headers_ms = from.at("headers_ms");
  if (from.contains("rejected")) inputs.rejected = from.at("rejected");
  for (const auto& [name, item] : from.at("inputs").items()) {
    StudyInput input{item.at("series_uid"), item.at("description"), item.at("why"), {}, {}};
    for (const auto& instance : item.at("instances")) {
      input.instances.push_back({instance.at(0), instance.at(1)});
      input.files.push_back(instance.at(2));
    }
    inputs.inputs[RoleFromText(name).value_or(Role::kNone)] = std::move(input);
  }
  return inputs;
}

json RolesJson(const dicom::StudySelection& selection) {
  json list = json::array();
  for (const dicom::JudgedSeries& series : selection.series) {
    const auto description = series.facts.attributes.find("SeriesDescription");
    list.push_back({{"series_uid", series.facts.series_uid},
                    {"description", description == series.facts.attributes.end() ? "" : description->second},
                    {"role", ToText(series.verdict.role)},
                    {"score", series.verdict.score},
                    {"why", series.verdict.why},
                    {"rule", series.verdict.rule},
                    {"instances", series.facts.instances}});
  }
  return list;
}

json ChosenJson(const dicom::StudySelection& selection, const std::vector<Role>& wanted) {
  json roles = json::object();
  for (const Role role : wanted) {
    const auto chosen = selection.chosen.find(role);
    const std::string name(ToText(role));
    if (chosen == selection.chosen.end())
      roles[name] = nullptr;
    else
      roles[name] = {{"series_uid", chosen->second.series_uid},
                     {"description", chosen->second.description},
                     {"why", chosen->second.why}};
  }
  return roles;
}

}  // namespace glionode::server
