#pragma once
#include <chrono>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace glionode::server {

/// One line on standard error that says how far a long command is; on a terminal it is drawn over, in a log a line is
/// written every ten seconds. Threads: one.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title) : title_(std::move(title)), on_terminal_(isatty(2)) {}
  ~ProgressBar() {
    if (on_terminal_ && drawn_) std::fputc('\n', stderr);
  }
  void Show(int done, int total, const std::string& note = {}) {
    const auto now = std::chrono::steady_clock::now();
    const bool last = done >= total;
    if (!last && drawn_ &&
        now - last_ < (on_terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000)))
      return;
    last_ = now;
    drawn_ = true;
    const int filled = total > 0 ? 30 * done / total : 30;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    // What is left at the speed so far.
    char left[32] = "";
    if (done > 0 && total > done) std::snprintf(left, sizeof left, ", %.0f s left", seconds / done * (total - done));
    std::fprintf(stderr, "%s%s [%s%s] %d/%d  %.0f s%s  %s%s", on_terminal_ ? "\r" : "", title_.c_str(),
                 std::string(filled, '#').c_str(), std::string(30 - filled, '.').c_str(), done, total, seconds, left,
                 note.c_str(), on_terminal_ ? "\033[K" : "\n");
    std::fflush(stderr);
  }

 private:
  std::string title_;
  bool on_terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_;
};

}  // namespace glionode::server
