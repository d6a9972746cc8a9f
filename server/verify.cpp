#include "server/verify.h"

#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "dicom/dataset_hash.h"

#include <fstream>
#include <sstream>

namespace glionode::server {
namespace {

constexpr int kPage = 500;
constexpr std::size_t kMaxProblems = 1000;

std::string FileSha256(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw Error(ErrorCode::kInternal, "cannot be read");
  return Sha256Hex(text.str());
}

}  // namespace

Verifier::Verifier(std::filesystem::path root, storage::Database& database)
    : root_(std::move(root)), inventory_(database) {}

Verifier::~Verifier() { Stop(); }

bool Verifier::Start() {
  const std::lock_guard lock(mutex_);
  if (progress_.running) return false;
  if (thread_.joinable()) thread_.join();
  progress_ = {};
  progress_.running = true;
  thread_ = std::thread([this] { Run(); });
  return true;
}

void Verifier::Stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

VerifyProgress Verifier::Progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

void Verifier::Run() {
  try {
    {
      const std::int64_t total = inventory_.Count();
      const std::lock_guard lock(mutex_);
      progress_.total = total;
    }
    for (const bool is_instance : {true, false})
      for (std::int64_t after = 0;;) {
        const auto page = is_instance ? inventory_.Instances(after, kPage) : inventory_.Objects(after, kPage);
        for (const storage::StoredFile& file : page) {
          if (stopping_) break;
          Check(file, is_instance);
          after = file.id;
        }
        if (page.empty() || stopping_) break;
      }
  } catch (const std::exception& e) {
    const std::lock_guard lock(mutex_);
    ++progress_.bad;
    progress_.problems.push_back(e.what());
  }
  const std::lock_guard lock(mutex_);
  progress_.running = false;
  progress_.ended = !stopping_;
}

void Verifier::Check(const storage::StoredFile& file, bool is_instance) {
  std::string problem;
  std::error_code ignored;
  const auto path = root_ / file.file;
  if (!std::filesystem::exists(path, ignored)) {
    problem = "is not there";
  } else {
    try {
      if ((is_instance ? dicom::DatasetSha256(path) : FileSha256(path)) != file.sha256)
        problem = "holds other bytes than were stored";
    } catch (const std::exception& e) {
      problem = std::string("cannot be read: ") + e.what();
    }
  }
  // Housekeeping or `delete` may have taken it away since the page was read.
  if (!problem.empty()) {
    const auto again = is_instance ? inventory_.Instances(file.id - 1, 1) : inventory_.Objects(file.id - 1, 1);
    if (again.empty() || again.front().id != file.id || again.front().file != file.file) problem.clear();
  }
  if (!problem.empty()) LogError("verify", file.file + " " + problem);
  const std::lock_guard lock(mutex_);
  ++progress_.checked;
  if (problem.empty()) return;
  ++progress_.bad;
  if (progress_.problems.size() < kMaxProblems) progress_.problems.push_back(file.file + " " + problem);
}

}  // namespace glionode::server
