#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include "dicom/association.h"

#include <dcmtk/dcmnet/assoc.h>

#include <optional>
#include <string>

namespace glionode::dicom {

/// Why an A-ASSOCIATE-RQ is answered with A-ASSOCIATE-RJ (PS3.8 9.3.4).
struct Rejection {
  const char* word;  ///< key in ReceiverCounters::refusals
  T_ASC_RejectParametersResult result;
  T_ASC_RejectParametersSource source;
  T_ASC_RejectParametersReason reason;
  std::string text;
};

/// A rejection that the caller may try again after.
Rejection TransientRejection(const char* word, T_ASC_RejectParametersReason reason, std::string text);

/// Whether who sent `request` may have an association: application context, called AE title, [[peer]] with its address
/// and certificate, free disk. Fills the AE titles of `peer`, whose address is known. Threads: any.
std::optional<Rejection> JudgeRequest(const ReceiverContext& context, T_ASC_Parameters& request,
                                      const CallerCertificate& certificate, PeerFacts& peer);

/// Accepts of the proposed presentation contexts what the node serves: Verification, reports of storage commitment, and
/// every Storage SOP class in the transfer syntaxes of docs/conformance.md that `compression` ([dicom]) lets in,
/// uncompressed preferred.
void AcceptContexts(T_ASC_Parameters* request, const std::string& compression);

}  // namespace glionode::dicom
