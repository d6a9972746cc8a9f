#include "config/error.h"
#include "dicom/header_reader.h"

#include <nlohmann/json.hpp>

// The index keeps a header as one JSON text. Geometry is an array of arrays, because an enhanced object has hundreds of
// frames: [valid, position 3, orientation 6, spacing 2, slope, intercept, volume_key].
namespace glionode::dicom {
namespace {

using nlohmann::json;

json FrameToJson(const FrameGeometry& frame) {
  json row = json::array({frame.valid});
  for (const double x : frame.position) row.push_back(x);
  for (const double x : frame.orientation) row.push_back(x);
  for (const double x : frame.spacing) row.push_back(x);
  row.push_back(frame.rescale_slope);
  row.push_back(frame.rescale_intercept);
  row.push_back(frame.volume_key);
  return row;
}

FrameGeometry FrameFromJson(const json& row) {
  if (row.size() != 15)
    throw Error(ErrorCode::kBadDataset, "a stored header has a frame with the wrong number of values");
  FrameGeometry frame;
  frame.valid = row.at(0).get<bool>();
  std::size_t at = 1;
  for (double& x : frame.position) x = row.at(at++).get<double>();
  for (double& x : frame.orientation) x = row.at(at++).get<double>();
  for (double& x : frame.spacing) x = row.at(at++).get<double>();
  frame.rescale_slope = row.at(at++).get<double>();
  frame.rescale_intercept = row.at(at++).get<double>();
  frame.volume_key = row.at(at).get<std::string>();
  return frame;
}

}  // namespace

std::string HeaderToJson(const InstanceHeader& header) {
  json frames = json::array();
  for (const FrameGeometry& frame : header.geometry) frames.push_back(FrameToJson(frame));
  const json all = {{"sop_class_uid", header.sop_class_uid},
                    {"sop_instance_uid", header.sop_instance_uid},
                    {"series_uid", header.series_uid},
                    {"study_uid", header.study_uid},
                    {"transfer_syntax_uid", header.transfer_syntax_uid},
                    {"calling_ae", header.calling_ae},
                    {"rows", header.rows},
                    {"columns", header.columns},
                    {"frames", header.frames},
                    {"bits_allocated", header.bits_allocated},
                    {"samples_per_pixel", header.samples_per_pixel},
                    {"has_pixels", header.has_pixels},
                    {"attributes", header.attributes},
                    {"geometry", frames},
                    {"contributing_device_uids", header.contributing_device_uids},
                    {"rejected_instances", header.rejected_instances}};
  // Text is UTF-8 already; `replace` only keeps a header that somebody built by hand from throwing.
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

InstanceHeader HeaderFromJson(const std::string& text) {
  try {
    const json all = json::parse(text);
    InstanceHeader header;
    all.at("sop_class_uid").get_to(header.sop_class_uid);
    all.at("sop_instance_uid").get_to(header.sop_instance_uid);
    all.at("series_uid").get_to(header.series_uid);
    all.at("study_uid").get_to(header.study_uid);
    all.at("transfer_syntax_uid").get_to(header.transfer_syntax_uid);
    all.at("calling_ae").get_to(header.calling_ae);
    all.at("rows").get_to(header.rows);
    all.at("columns").get_to(header.columns);
    all.at("frames").get_to(header.frames);
    all.at("bits_allocated").get_to(header.bits_allocated);
    all.at("samples_per_pixel").get_to(header.samples_per_pixel);
    all.at("has_pixels").get_to(header.has_pixels);
    all.at("attributes").get_to(header.attributes);
    for (const json& row : all.at("geometry")) header.geometry.push_back(FrameFromJson(row));
    all.at("contributing_device_uids").get_to(header.contributing_device_uids);
    all.at("rejected_instances").get_to(header.rejected_instances);
    return header;
  } catch (const json::exception& error) {
    throw Error(ErrorCode::kBadDataset, std::string("a stored header cannot be read: ") + error.what());
  }
}

}  // namespace glionode::dicom
