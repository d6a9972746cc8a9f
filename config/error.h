#pragma once
#include <stdexcept>
#include <string>

namespace glionode {

/// What went wrong, without naming a protocol. dicom/dimse_status and the HTTP routes map it, in one table each.
enum class ErrorCode {
  kOutOfSpace,     ///< the disk is full or below the configured reserve
  kBusy,           ///< try again later
  kBadDataset,     ///< the input cannot be read as what it claims to be
  kWrongSopClass,  ///< data set and command disagree, or the class is not accepted
  kNotAllowed,     ///< the caller may not do this
  kNotFound,       ///< what was named does not exist
  kUsage,          ///< wrong command line or configuration (exit code 2)
  kMissingPart,    ///< a file, model or program that is needed is not there (exit code 3)
  kInternal,       ///< everything else
};

/// Thrown for the unexpected. Expected outcomes (a duplicate, an ineligible study) are return values.
/// what() is a sentence for an administrator: it names the file, the key or the peer.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ErrorCode Code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace glionode
