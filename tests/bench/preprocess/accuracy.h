#pragma once
#include "tests/bench/bench_report.h"

#include <filesystem>
#include <vector>

namespace glionode::bench {

/// Known moves of 3D phantoms: the error is the mean distance, over the head, from where each point truly is.
void MeasurePhantoms(int draws, const std::filesystem::path& work, std::vector<Row>& rows);

/// Moves of the real study, written into position and orientation of its slices. Its truth is not known: the error is
/// the distance from the mean of all draws (each taken back to the unmoved series), so a bias that all draws share
/// does not show there; it shows in the mutual information of the aligned series, given beside.
void MeasureRealStudy(const std::filesystem::path& study, int draws, const std::filesystem::path& work,
                      std::vector<Row>& rows);

/// How often a T2 of another patient is noticed (reason `registration`): another phantom's in a phantom, and a
/// phantom's in the real study; beside it, how often a phantom's own T2 is refused by mistake. No peer answers that
/// question.
void MeasureForeign(const std::filesystem::path& study, int draws, std::vector<Row>& rows);

}  // namespace glionode::bench
