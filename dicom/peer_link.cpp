#include "dicom/peer_link.h"

#include "dicom/peer_access.h"
#include "dicom/tls_stream.h"

#include <dcmtk/dcmdata/dcuid.h>

#include <chrono>

namespace glionode::dicom {
namespace {

constexpr int kReleaseSeconds = 5;

std::string ReasonOf(const T_ASC_RejectParameters& rejection, const std::string& our_ae, const std::string& their_ae) {
  const unsigned reason = static_cast<unsigned>(rejection.reason) & 0xFF;
  if (rejection.source == ASC_SOURCE_SERVICEUSER) {
    if (reason == 2) return "it does not know DICOM's application context";
    if (reason == 3) return "it does not know our AE title " + our_ae + ": it has to be entered there";
    if (reason == 7) return "it does not answer to the AE title " + their_ae + ": check ae_title of this peer";
  } else if (rejection.source == ASC_SOURCE_SERVICEPROVIDER_ACSE_RELATED) {
    if (reason == 2) return "it does not support this version of the protocol";
  } else {
    if (reason == 1) return "temporary congestion";
    if (reason == 2) return "its limit of associations is reached";
  }
  return "no reason given";
}

}  // namespace

std::string NameOf(const PeerSettings& peer) {
  return peer.ae_title + " at " + peer.host + " port " + std::to_string(peer.port);
}

T_ASC_PresentationContextID FindContext(T_ASC_Association* association, const std::string& sop_class,
                                        const std::string& syntax) {
  const int count = ASC_countPresentationContexts(association->params);
  for (int i = 0; i < count; ++i) {
    T_ASC_PresentationContext context{};
    if (ASC_getPresentationContext(association->params, i, &context).good() &&
        context.resultReason == ASC_P_ACCEPTANCE && sop_class == context.abstractSyntax &&
        syntax == context.acceptedTransferSyntax)
      return context.presentationContextID;
  }
  return 0;
}

PeerLink::~PeerLink() {
  if (!association_) return;
  socket_->Arm(std::chrono::seconds(kReleaseSeconds), false);
  if (healthy_)
    ASC_releaseAssociation(association_.get());
  else
    ASC_abortAssociation(association_.get());
}

std::string PeerLink::ShakeHands() {
  if (!options_.tls) return NameOf(peer_) + " wants TLS, but there is no [dicom.tls]";
  if (socket_->StartTls(*options_.tls, false)) {
    if (FitsBinding(peer_, socket_->Tls()->Peer())) return {};
    return NameOf(peer_) + " did not show the certificate that it is bound to, but one with the fingerprint " +
           socket_->Tls()->Peer().sha256 + ": nothing is sent to it";
  }
  if (socket_->TimedOut())
    return NameOf(peer_) + " took the connection but completed no TLS handshake within " +
           std::to_string(options_.connect_seconds) + " s";
  const std::string& why = socket_->Tls()->FailureText();
  return NameOf(peer_) + ": no TLS: " + (why.empty() ? "it ended the connection: is this its TLS port?" : why);
}

std::string PeerLink::Open(const std::vector<std::string>& classes) {
  const auto limit = std::chrono::seconds(options_.connect_seconds);
  std::string why;
  const int fd = Connect(peer_.host, peer_.port, limit, &why);
  if (fd < 0) return NameOf(peer_) + " cannot be reached: " + why;
  socket_ = std::make_shared<WatchedSocket>(timer_, fd);
  socket_->Arm(limit, false);
  if (peer_.tls)
    if (why = ShakeHands(); !why.empty()) return why;

  T_ASC_Parameters* params = nullptr;
  ASC_createAssociationParameters(&params, kMaxPdu);
  ASC_setAPTitles(params, options_.calling_ae.c_str(), peer_.ae_title.c_str(), nullptr);
  T_ASC_PresentationContextID id = 1;
  for (const std::string& sop_class : classes) {
    // Two contexts, not one with two syntaxes: then it is we who choose.
    for (const char* syntax : {UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax}) {
      ASC_addPresentationContext(params, id, sop_class.c_str(), &syntax, 1);
      id = static_cast<T_ASC_PresentationContextID>(id + 2);
    }
  }
  const OFCondition result = network_.Request(socket_, params, association_);
  if (result.good()) return {};
  std::string text;
  if (result == DUL_ASSOCIATIONREJECTED) {
    T_ASC_RejectParameters rejection{};
    ASC_getRejectParameters(association_->params, &rejection);
    text = NameOf(peer_) + " rejected the association " +
           (rejection.result == ASC_RESULT_REJECTEDTRANSIENT ? "for now: " : "for good: ") +
           ReasonOf(rejection, options_.calling_ae, peer_.ae_title);
  } else if (socket_->TimedOut()) {
    text = NameOf(peer_) + " took the connection but gave no answer within " +
           std::to_string(options_.connect_seconds) + " s: is this a DICOM port?";
  } else if (socket_->Tls() && !socket_->Tls()->FailureText().empty()) {
    // With TLS 1.3 it judges our certificate only after our side of the handshake is done.
    text = NameOf(peer_) + ": no TLS: " + socket_->Tls()->FailureText();
  } else {
    text = NameOf(peer_) + " took the connection but ended it without an association: is this a DICOM port?";
  }
  association_.reset();
  return text;
}

std::string PeerLink::Lost(const OFCondition& condition) {
  healthy_ = false;
  if (socket_->TimedOut()) return "no answer within " + std::to_string(armed_seconds_) + " s";
  if (condition == DUL_PEERABORTEDASSOCIATION) return "it aborted the association";
  if (condition == DUL_PEERREQUESTEDRELEASE) return "it released the association before it answered";
  return std::string("the connection was lost (") + Printable(condition.text()) + ")";
}

}  // namespace glionode::dicom
