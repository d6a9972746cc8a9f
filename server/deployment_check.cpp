#include "server/deployment_check.h"

#include "config/error.h"
#include "server/admin_http.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace glionode::server {
namespace {

constexpr int kSoonDays = 30;

/// Whole days until the first certificate in a PEM file expires; empty text in `problem` when that is known.
int DaysLeft(const std::filesystem::path& file, std::string& problem) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), std::fclose);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      in ? PEM_read_X509(in.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
  int days = 0, seconds = 0;
  if (!certificate || ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate.get())) != 1)
    problem = file.string() + ": holds no certificate in PEM";
  return seconds < 0 && days == 0 ? -1 : days;
}

}  // namespace

std::vector<std::string> DeploymentWarnings(const Settings& settings) {
  std::vector<std::string> warnings;
  if (!settings.admin.certificate.empty()) {
    std::string problem;
    const int days = DaysLeft(settings.admin.certificate, problem);
    if (!problem.empty())
      warnings.push_back("admin.certificate: " + problem);
    else if (days < 0)
      warnings.push_back("admin.certificate: " + settings.admin.certificate.string() + " has expired");
    else if (days < kSoonDays)
      warnings.push_back("admin.certificate: " + settings.admin.certificate.string() + " expires in " +
                         std::to_string(days) + " days");
  }
  // The folder may not be there yet: then the disk that it will be on.
  std::error_code ignored;
  std::filesystem::path folder = settings.node.data_dir;
  while (!folder.empty() && folder != folder.root_path() && !std::filesystem::exists(folder, ignored))
    folder = folder.parent_path();
  const auto space = std::filesystem::space(folder, ignored);
  const auto reserve = static_cast<std::uintmax_t>(settings.storage.MinFreeBytes());
  if (!ignored && space.available < reserve)
    warnings.push_back("storage.min_free_gib: less is free in " + folder.string() + ": every image will be refused");
  else if (!ignored && space.available < 2 * reserve)
    warnings.push_back("storage.min_free_gib: the disk of " + folder.string() + " is nearly full");
  return warnings;
}

std::vector<std::string> DeploymentErrors(const Settings& settings) {
  try {
    AdminHttp::Check(settings.admin);
  } catch (const Error& e) {
    return {e.what()};
  }
  return {};
}

}  // namespace glionode::server
