#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace glionode::dicom {

/// Why a study must wait for a person; nothing is reported for it.
struct IdentityProblem {
  std::string code;  ///< no_patient_id or illegal_identity
  std::string text;  ///< a sentence; names the attribute, never its value
};

/// Can objects of ours be made under the identity of this source image? Patient ID, issuer and name are taken over byte
/// for byte or not at all: with an ID that is missing, a value that breaks its VR (PS3.5 6.2), or text in a character
/// set that the standard does not know, no valid object is possible, and the study is parked. Empty: nothing speaks
/// against it. Throws Error{kBadDataset} when the file cannot be read.
std::optional<IdentityProblem> FindIdentityProblem(const std::filesystem::path& source_file);

}  // namespace glionode::dicom
