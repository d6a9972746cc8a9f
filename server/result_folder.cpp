#include "server/result_folder.h"

#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "server/study_result.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// What was not delivered waits so long after the index was made anew: until the images are judged again, so that
/// nothing goes out for a study that turns out to be of two patients.
constexpr WallMs kRestoredWaitMs = 15 * 60 * 1000;

std::string ReadText(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw Error(ErrorCode::kInternal, file.string() + ": cannot be read");
  return text.str();
}

storage::RememberedResult Remember(const fs::path& root, const std::string& folder) {
  const json job = json::parse(ReadText(root / folder / "job.json"));
  const json delivery = json::parse(ReadText(root / folder / "delivery.json"));
  storage::RememberedResult remembered;
  remembered.job.study_uid = job.at("study_uid");
  remembered.job.input_key = job.at("input_key");
  remembered.job.revision = job.at("revision");
  remembered.job.created_at = job.at("created_at");
  remembered.job.inputs_json = job.at("inputs").dump();
  remembered.result.result_json = ReadText(root / folder / "result.json");
  remembered.result.decision = json::parse(remembered.result.result_json).at("decision");
  remembered.result.created_at = job.at("reported_at");
  remembered.objects = ObjectsOf(root, folder, delivery.at("receivers"), delivery.at("report"));
  std::ifstream delivered(root / folder / "delivered.txt");
  for (std::string line; std::getline(delivered, line);) {
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos) remembered.delivered.insert({line.substr(0, tab), line.substr(tab + 1)});
  }
  // A report that went out in another class than the first choice: that class is what the peer has.
  for (const dicom::EncodedObject& report : ReadObjects(root / folder).reports)
    for (const auto& [peer, uid] : remembered.delivered)
      if (uid == report.sop_instance_uid)
        for (storage::NewObject& object : remembered.objects)
          if (object.object.kind == "sr") remembered.delivered.insert({peer, object.object.sop_instance_uid});
  return remembered;
}

}  // namespace

void WriteDelivery(const fs::path& folder, const std::vector<std::string>& receivers, std::size_t report) {
  const json delivery = {{"receivers", receivers}, {"report", report}};
  std::ofstream out(folder / "delivery.json");
  out << delivery.dump(1) << "\n";
  if (!out.flush()) throw Error(ErrorCode::kOutOfSpace, (folder / "delivery.json").string() + " cannot be written");
}

std::vector<storage::NewObject> ObjectsOf(const fs::path& root, const std::string& folder,
                                          const std::vector<std::string>& receivers, std::size_t report) {
  const WrittenObjects written = ReadObjects(root / folder);
  std::vector<storage::NewObject> objects;
  const auto add = [&](const dicom::EncodedObject& object, const char* kind) {
    storage::ObjectRecord record;
    record.sop_class_uid = object.sop_class_uid;
    record.sop_instance_uid = object.sop_instance_uid;
    record.series_uid = object.series_uid;
    record.file = folder + "/" + object.file.filename().string();
    record.sha256 = Sha256Hex(ReadText(object.file));
    record.kind = kind;
    objects.push_back({record, receivers});
  };
  add(written.reports.at(report), "sr");
  for (const auto& capture : written.captures) add(capture, "sc");
  return objects;
}

void NoteDelivered(const fs::path& object_file, const std::string& peer_ae, const std::string& sop_uid) {
  std::ofstream out(object_file.parent_path() / "delivered.txt", std::ios::app);
  out << peer_ae << '\t' << sop_uid << '\n';
}

int RestoreResults(const storage::FileStore& files, storage::Database& database, WallMs now) {
  std::vector<storage::RememberedResult> all;
  for (const auto& study : fs::directory_iterator(files.Root() / "results")) {
    if (!study.is_directory()) continue;
    for (const auto& result : fs::directory_iterator(study.path())) {
      const std::string folder = fs::relative(result.path(), files.Root()).string();
      try {
        all.push_back(Remember(files.Root(), folder));
      } catch (const std::exception& e) {
        LogError("restore", folder + " cannot be read back into the index: " + e.what());
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.job.revision < b.job.revision; });
  int restored = 0;
  for (const storage::RememberedResult& remembered : all)
    restored += storage::RestoreResult(database, remembered, now + kRestoredWaitMs);
  return restored;
}

}  // namespace glionode::server
