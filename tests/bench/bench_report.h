#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace glionode::bench {

/// One figure and the same figure of a peer, measured in the same run.
struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  std::string peer;       ///< "" where nobody else does this
  double peer_value = 0;  ///< in `unit`; unused without a peer
  std::string goal;       ///< in words; "" where the figure is only told
  bool met = true;
};

/// Prints the table and writes {machine, rows} as JSON (ratio = value / peer_value, null without a peer). Returns
/// whether every goal is met. Throws Error{kInternal} when the file cannot be written.
bool Report(const std::vector<Row>& rows, const std::filesystem::path& file);

struct Child {
  int status = 0;  ///< exit status; 128 + signal
  double seconds = 0;
  double peak_mib = 0;  ///< largest resident memory
};

/// Runs a program with its output in `log`, and waits for it. Threads: any. Throws Error{kMissingPart} if it cannot be
/// started.
Child RunProgram(const std::vector<std::string>& words, const std::filesystem::path& log);

}  // namespace glionode::bench
