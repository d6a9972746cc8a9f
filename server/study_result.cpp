#include "server/study_result.h"

#include "config/error.h"
#include "dicom/uid.h"
#include "server/version.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>

namespace glionode::server {
namespace {

using nlohmann::json;

json RolesOf(const StudyInputs& inputs, const std::vector<Role>& wanted) {
  json roles = json::object();
  for (const Role role : wanted) {
    const auto input = inputs.inputs.find(role);
    const std::string name(ToText(role));
    if (input == inputs.inputs.end())
      roles[name] = nullptr;
    else
      roles[name] = {{"series_uid", input->second.series_uid},
                     {"description", input->second.description},
                     {"why", input->second.why}};
  }
  return roles;
}

dicom::ReportContent ContentFor(const StudyInputs& inputs, const WorkerAnswer& answer, const BundleSummary& bundle,
                                const ResultContext& context) {
  dicom::ReportContent content;
  content.reasons = answer.reasons;
  for (const auto& [role, input] : inputs.inputs)
    content.series.push_back({role, input.series_uid, input.description, input.why, input.instances});
  content.study_uid = inputs.study_uid;
  content.study_date = inputs.study_date;
  content.bundle_name = bundle.name;
  content.bundle_version = bundle.version;
  content.bundle_sha256 = bundle.sha256;
  content.intended_use = bundle.intended_use;
  content.evaluation = bundle.evaluation;
  content.abstain_low = bundle.abstain[0];
  content.abstain_high = bundle.abstain[1];
  content.calibration_slope = bundle.calibration_slope;
  content.calibration_intercept = bundle.calibration_intercept;
  content.software = VersionWithCommit();
  content.device = answer.device;
  content.device_uid = dicom::DeviceUid(context.node_id);
  content.ae_title = context.ae_title;
  content.content_date = LocalTimeText(context.now, "%Y%m%d");
  content.content_time = LocalTimeText(context.now, "%H%M%S");
  content.timezone = LocalTimeText(context.now, "%z");
  content.revision = context.revision;
  content.predecessor = context.predecessor;
  content.revision_reason = context.revision_reason;
  content.codes = context.codes;
  content.input_key = context.input_key;
  return content;
}

dicom::Plane PlaneFromText(const std::string& text) {
  if (text == "coronal") return dicom::Plane::kCoronal;
  if (text == "sagittal") return dicom::Plane::kSagittal;
  return dicom::Plane::kAxial;
}

std::vector<float> Slice(const std::vector<float>& values, long offset, std::size_t count) {
  if (offset < 0 || static_cast<std::size_t>(offset) + count > values.size())
    throw Error(ErrorCode::kInternal, "the worker's views.bin is shorter than its answer says");
  return {values.begin() + offset, values.begin() + offset + static_cast<long>(count)};
}

json ObjectJson(const dicom::EncodedObject& object) {
  return {{"file", object.file.filename().string()},
          {"sop_class_uid", object.sop_class_uid},
          {"sop_instance_uid", object.sop_instance_uid},
          {"series_uid", object.series_uid}};
}

std::vector<dicom::EncodedObject> ObjectsFromJson(const json& from, const std::filesystem::path& folder) {
  std::vector<dicom::EncodedObject> objects;
  for (const auto& item : from)
    objects.push_back({folder / item.at("file").get<std::string>(), item.at("sop_class_uid"),
                       item.at("sop_instance_uid"), item.at("series_uid")});
  return objects;
}

void WriteText(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  if (!out.flush()) throw Error(ErrorCode::kOutOfSpace, file.string() + ": cannot be written");
}

}  // namespace

std::string LocalTimeText(WallMs at, const char* format) {
  const std::time_t seconds = at / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, format, &local));
}

StudyResult MakeResult(const StudyInputs& inputs, const WorkerAnswer& answer, const BundleSummary& bundle,
                       const ResultContext& context) {
  StudyResult result;
  result.content = ContentFor(inputs, answer, bundle, context);
  const bool evaluable = answer.reasons.empty() && answer.probability_of_necrosis.has_value();
  if (evaluable) {
    result.decision = Decide(*answer.probability_of_necrosis, bundle.abstain);
    result.content.probability_of_necrosis = answer.probability_of_necrosis;
  }
  result.content.decision = result.decision;
  const auto shown = [](std::optional<double> value) { return value ? json(*value) : json(nullptr); };
  const std::optional<double> necrosis = evaluable ? answer.probability_of_necrosis : std::nullopt;
  result.json = {{"study_uid", inputs.study_uid},
                 {"decision", ToText(result.decision)},
                 {"probability_of_necrosis", shown(necrosis)},
                 {"probability_of_recurrence", necrosis ? json(1 - *necrosis) : json(nullptr)},
                 {"withheld_probability", evaluable ? json(nullptr) : shown(answer.probability_of_necrosis)},
                 {"reasons", ToJson(answer.reasons)},
                 {"roles", RolesOf(inputs, bundle.sequences)},
                 {"bundle", {{"name", bundle.name}, {"version", bundle.version}, {"sha256", bundle.sha256}}},
                 {"software", VersionWithCommit()},
                 {"device", answer.device},
                 {"revision", context.revision},
                 {"timings_ms", answer.timings_ms}};
  result.json["timings_ms"]["headers"] = inputs.headers_ms;
  return result;
}

dicom::CaptureViews LoadViews(const WorkerAnswer& answer, const std::filesystem::path& views_file) {
  dicom::CaptureViews views;
  views.peak_outside_brain = answer.peak_outside_brain;
  views.peak_mm = answer.peak_mm;
  views.through_lesion = answer.slice_of == SliceOf::kLesion;
  views.map_class = answer.map_class;
  if (answer.views.empty()) return views;
  std::vector<float> values(std::filesystem::file_size(views_file) / sizeof(float));
  std::ifstream in(views_file, std::ios::binary);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!in) throw Error(ErrorCode::kInternal, views_file.string() + ": cannot be read");
  for (const ViewInfo& info : answer.views) {
    const std::size_t count = static_cast<std::size_t>(info.width) * static_cast<std::size_t>(info.height);
    dicom::SliceView view;
    view.role = info.role;
    view.plane = PlaneFromText(info.plane);
    view.position_mm = info.position_mm;
    view.image = {info.width, info.height, info.pixel_mm, Slice(values, info.offset, count)};
    if (info.map_offset >= 0) view.map = Slice(values, info.map_offset, count);
    (info.mosaic ? views.mosaic : views.main).push_back(std::move(view));
  }
  return views;
}

WrittenObjects WriteResult(StudyResult& result, const dicom::CaptureViews& views,
                           const std::filesystem::path& source_file, const std::filesystem::path& folder) {
  const auto start = std::chrono::steady_clock::now();
  WrittenObjects written;
  const std::pair<dicom::SrClass, const char*> classes[] = {{dicom::SrClass::kComprehensive3D, "sr.dcm"},
                                                            {dicom::SrClass::kComprehensive, "sr-comprehensive.dcm"},
                                                            {dicom::SrClass::kEnhanced, "sr-enhanced.dcm"}};
  for (const auto& [sr_class, name] : classes)
    written.reports.push_back(dicom::WriteSr(result.content, sr_class, source_file, folder / name));
  written.captures = dicom::WriteCaptures(result.content, views, source_file, folder);
  WriteText(folder / "report.txt", dicom::RenderSrText(folder / "sr.dcm"));
  const double milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  auto& timings = result.json["timings_ms"];
  timings["objects"] = milliseconds;
  double total = 0;
  for (const char* step : {"headers", "decode", "registration", "preprocess", "network", "objects"})
    total += timings.value(step, 0.0);
  timings["total"] = total;
  json reports = json::array(), captures = json::array();
  for (const auto& object : written.reports) reports.push_back(ObjectJson(object));
  for (const auto& object : written.captures) captures.push_back(ObjectJson(object));
  WriteText(folder / "objects.json", json({{"reports", reports}, {"captures", captures}}).dump(2) + "\n");
  WriteText(folder / "result.json", result.json.dump(2) + "\n");
  return written;
}

WrittenObjects ReadObjects(const std::filesystem::path& folder) {
  std::ifstream in(folder / "objects.json");
  const json from = json::parse(in, nullptr, false);
  if (!from.is_object()) throw Error(ErrorCode::kInternal, (folder / "objects.json").string() + ": cannot be read");
  return {ObjectsFromJson(from.at("reports"), folder), ObjectsFromJson(from.at("captures"), folder)};
}

}  // namespace glionode::server
