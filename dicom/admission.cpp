#include "dicom/admission.h"

#include "dicom/commitment_report.h"

#include <dcmtk/dcmdata/dcuid.h>

#include <iterator>
#include <utility>

namespace glionode::dicom {
namespace {

// In this order: what needs no codec first, then what loses nothing, then the lossy ones. `compression` takes a
// beginning.
const char* kTransferSyntaxes[] = {UID_LittleEndianExplicitTransferSyntax,
                                   UID_LittleEndianImplicitTransferSyntax,
                                   UID_BigEndianExplicitTransferSyntax,
                                   UID_DeflatedExplicitVRLittleEndianTransferSyntax,
                                   UID_JPEGProcess14SV1TransferSyntax,
                                   UID_JPEGProcess14TransferSyntax,
                                   UID_JPEGLSLosslessTransferSyntax,
                                   UID_RLELosslessTransferSyntax,
                                   UID_JPEG2000LosslessOnlyTransferSyntax,
                                   UID_JPEGLSLossyTransferSyntax,
                                   UID_JPEG2000TransferSyntax,
                                   UID_JPEGProcess1TransferSyntax,
                                   UID_JPEGProcess2_4TransferSyntax};
constexpr int kUncompressed = 3;  // for Verification, too
constexpr int kLossless = 9;

int Accepted(const std::string& compression) {
  if (compression == "none") return kUncompressed;
  return compression == "lossless" ? kLossless : static_cast<int>(std::size(kTransferSyntaxes));
}

}  // namespace

Rejection TransientRejection(const char* word, T_ASC_RejectParametersReason reason, std::string text) {
  return {word, ASC_RESULT_REJECTEDTRANSIENT, ASC_SOURCE_SERVICEPROVIDER_PRESENTATION_RELATED, reason, std::move(text)};
}

std::optional<Rejection> JudgeRequest(const ReceiverContext& context, T_ASC_Parameters& request,
                                      const CallerCertificate& certificate, PeerFacts& peer) {
  char calling[DUL_LEN_TITLE + 1] = "", called[DUL_LEN_TITLE + 1] = "";
  ASC_getAPTitles(&request, calling, sizeof calling, called, sizeof called, nullptr, 0);
  peer.calling_ae = TrimAeTitle(calling);
  peer.called_ae = TrimAeTitle(called);

  const auto permanent = [](const char* word, T_ASC_RejectParametersReason reason, std::string text) {
    return Rejection{word, ASC_RESULT_REJECTEDPERMANENT, ASC_SOURCE_SERVICEUSER, reason, std::move(text)};
  };
  char application_context[DUL_LEN_NAME + 1] = "";
  ASC_getApplicationContextName(&request, application_context, sizeof application_context);
  if (std::string(application_context) != UID_StandardApplicationContext)
    return permanent("bad_context", ASC_REASON_SU_APPCONTEXTNAMENOTSUPPORTED,
                     "its application context is not DICOM's: " + Printable(application_context));
  if (peer.called_ae != TrimAeTitle(context.options.ae_title))
    return permanent("wrong_called_ae", ASC_REASON_SU_CALLEDAETITLENOTRECOGNIZED,
                     "it called the AE title " + Printable(peer.called_ae) + ", ours is " + context.options.ae_title);
  switch (context.access()->Check(peer.calling_ae, peer.address, certificate)) {
    case AccessVerdict::kUnknownAe:
      return permanent("unknown_ae", ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED, "no [[peer]] has this AE title");
    case AccessVerdict::kWrongAddress:
      return permanent("wrong_address", ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED,
                       "the [[peer]] of this AE title may not call from this address (its `from`)");
    case AccessVerdict::kNoCertificate:
      return permanent("no_certificate", ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED,
                       "the [[peer]] of this AE title is bound to a certificate and must call the TLS port");
    case AccessVerdict::kWrongCertificate:
      return permanent("wrong_certificate", ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED,
                       "it did not show the certificate that the [[peer]] of this AE title is bound to, but one with "
                       "the fingerprint " +
                           certificate.sha256);
    case AccessVerdict::kAllowed:
      break;
  }
  if (FreeBytes(context.options.staging_dir) < context.options.min_free_bytes)
    return TransientRejection("disk", ASC_REASON_SP_PRES_TEMPORARYCONGESTION,
                              "less than [storage] min_free_gib is free in " + context.options.staging_dir.string());
  return std::nullopt;
}

void AcceptContexts(T_ASC_Parameters* request, const std::string& compression) {
  const char* verification[] = {UID_VerificationSOPClass};
  ASC_acceptContextsWithPreferredTransferSyntaxes(request, verification, 1, kTransferSyntaxes, kUncompressed);
  AcceptCommitmentContexts(request);
  ASC_acceptContextsWithPreferredTransferSyntaxes(request, dcmAllStorageSOPClassUIDs, numberOfDcmAllStorageSOPClassUIDs,
                                                  kTransferSyntaxes, Accepted(compression));
}

}  // namespace glionode::dicom
