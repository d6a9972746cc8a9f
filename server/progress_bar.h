#pragma once
#include <chrono>
#include <cstdint>
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
  void Show(std::int64_t done, std::int64_t total, const std::string& note = {}) {
    const auto now = std::chrono::steady_clock::now();
    if (!drawn_) first_ = done, began_ = now;  // work that is taken up again begins in the middle
    const bool last = done >= total;
    if (!last && drawn_ &&
        now - last_ < (on_terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000)))
      return;
    last_ = now;
    drawn_ = true;
    const int filled = total > 0 ? static_cast<int>(30 * done / total) : 30;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    // What is left at the speed since the first.
    char left[32] = "";
    if (done > first_ && total > done)
      std::snprintf(left, sizeof left, ", %.0f s left",
                    std::chrono::duration<double>(now - began_).count() / static_cast<double>(done - first_) *
                        static_cast<double>(total - done));
    std::fprintf(stderr, "%s%s [%s%s] %s/%s  %.0f s%s  %s%s", on_terminal_ ? "\r" : "", title_.c_str(),
                 std::string(filled, '#').c_str(), std::string(30 - filled, '.').c_str(), std::to_string(done).c_str(),
                 std::to_string(total).c_str(), seconds, left, note.c_str(), on_terminal_ ? "\033[K" : "\n");
    std::fflush(stderr);
  }

 private:
  std::string title_;
  bool on_terminal_, drawn_ = false;
  std::int64_t first_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), began_, last_;
};

}  // namespace glionode::server
