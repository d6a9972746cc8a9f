#pragma once
#include <chrono>
#include <cstdint>

namespace glionode {

/// Milliseconds since 1970-01-01 UTC: what columns hold.
using WallMs = std::int64_t;
using SteadyTime = std::chrono::steady_clock::time_point;

/// Source of time. Threads: any. Tests pass their own. Waiting is measured with Steady(): a wall clock that jumps
/// starts nothing.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallMs Wall() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  virtual SteadyTime Steady() const { return std::chrono::steady_clock::now(); }
};

}  // namespace glionode
