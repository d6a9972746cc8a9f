#pragma once
#include "tests/bench/bench_report.h"

#include <filesystem>
#include <string>
#include <vector>

namespace glionode::bench {

/// The whole stage in this process, as the worker does it: headers, roles, pixels, stacks, registration, network input.
/// Prints one line of JSON: {headers_ms, decode_ms, registration_ms, preprocess_ms, total_ms, peak_mib, reasons}.
int RunStage(const std::filesystem::path& folder);

/// Writes t1.mhd, t2.mhd and t1ce.mhd of a study into `to`.
int ExportStudy(const std::filesystem::path& folder, const std::filesystem::path& to);

/// Writes a phantom study of three 256 x 256 x 192 series into `to`.
int WriteLargeStudy(const std::filesystem::path& to);

/// Runs the stage in fresh processes (`self` is this program) and elastix on the same pairs; adds the rows. `name`
/// stands in the rows.
void MeasureStage(const std::string& self, const std::string& name, const std::filesystem::path& study,
                  const std::filesystem::path& work, double goal_ms, std::vector<Row>& rows);

}  // namespace glionode::bench
