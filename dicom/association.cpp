#include "dicom/association.h"

#include "config/log.h"
#include "dicom/admission.h"
#include "dicom/commitment_report.h"
#include "dicom/dimse_status.h"
#include "dicom/tls_stream.h"
#include "dicom/uid.h"

#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmnet/dimse.h>
#include <dcmtk/dcmnet/diutil.h>

#include <algorithm>
#include <optional>

namespace glionode::dicom {
namespace {

constexpr std::string_view kArea = "receiver";

// A command set has a few hundred bytes; DCMTK collects it in memory without a limit of its own, and parses nested sequences
// by recursion, 750 bytes of stack for 16 of these: the stack of a thread is made for it (receiver.cpp). One PDU may be
// read along.
constexpr std::int64_t kCommandBytes = 192 << 10;
static_assert(kCommandBytes > kMaxPdu + 4096);
// A report names some hundred bytes for each of our objects, and a transaction has at most a few dozen of them.
constexpr std::int64_t kReportBytes = kCommandBytes;
constexpr int kAlertSeconds = 2;
constexpr int kLingerSeconds = 5;

std::chrono::milliseconds Seconds(int seconds) { return std::chrono::seconds(seconds); }

std::string TrimUid(const char* uid) {
  const std::string text = uid;
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

class Association {
 public:
  Association(const ReceiverContext& context, std::shared_ptr<WatchedSocket> socket, const std::string& address,
              std::shared_ptr<const TlsContext> tls)
      : context_(context), socket_(std::move(socket)), tls_(std::move(tls)) {
    peer_.address = address;
  }
  void Serve();

 private:
  bool ShakeHands();
  bool Receive();
  void Reject(const Rejection& rejection);
  bool Negotiate();
  /// How an association ends.
  enum class End { kReleased, kLost, kToAbort };
  End Talk();
  End Messages();
  bool Handle(T_ASC_PresentationContextID context_id, const T_DIMSE_Message& message);
  bool HandleReport(T_ASC_PresentationContextID context_id, const T_DIMSE_N_EventReportRQ& request);
  bool HandleStore(T_ASC_PresentationContextID context_id, const T_DIMSE_C_StoreRQ& request);
  std::optional<StoreRefusal> CheckStore(T_ASC_PresentationContextID context_id, const T_DIMSE_C_StoreRQ& request,
                                         StagedMeta& meta) const;
  std::optional<StoreRefusal> Deliver(StagedFile& file, const StagedMeta& meta);
  bool Answer(T_ASC_PresentationContextID context_id, const T_DIMSE_C_StoreRQ& request,
              const std::optional<StoreRefusal>& refusal);
  void Refused(const std::string& word, const std::string& text);
  std::string Name() const;

  const ReceiverContext& context_;
  std::shared_ptr<WatchedSocket> socket_;
  const std::shared_ptr<const TlsContext> tls_;
  AssociationPtr association_;
  PeerFacts peer_;
};

std::string Association::Name() const {
  return peer_.calling_ae.empty() ? peer_.address : Printable(peer_.calling_ae) + " (" + peer_.address + ")";
}

void Association::Refused(const std::string& word, const std::string& text) {
  context_.statistics.Refuse(word);
  LogWarning(kArea, "refused " + Name() + ": " + text);
  context_.sink.CallerRefused(peer_, word, text);
}

void Association::Serve() {
  if (tls_ && !ShakeHands()) return;
  if (!Receive()) return;
  const CallerCertificate certificate = socket_->Tls() ? socket_->Tls()->Peer() : CallerCertificate{};
  if (const auto rejection = JudgeRequest(context_, *association_->params, certificate, peer_))
    return Reject(*rejection);
  const int limit = context_.options.network.max_associations;
  if (!context_.statistics.Enter(static_cast<std::uint64_t>(limit)))
    return Reject(TransientRejection("busy", ASC_REASON_SP_PRES_LOCALLIMITEXCEEDED,
                                     std::to_string(limit) + " associations are open ([dicom] max_associations)"));
  struct Place {
    const ReceiverContext& context;
    ~Place() {
      context.statistics.Leave();
      context.association_left();
    }
  };
  std::optional<End> end;
  bool too_late = false;
  {
    const Place place{context_};
    // Asked after the place is taken: who drains sees either the place or finds us here.
    if (context_.stopping)
      too_late = true;
    else if (Negotiate())
      end = Talk();
  }
  if (too_late)
    return Reject(TransientRejection("stopping", ASC_REASON_SP_PRES_TEMPORARYCONGESTION, "the node is stopping"));
  // The caller closes first (PS3.8 9.2, ARTIM), in its own time: it holds no place any more.
  socket_->Arm(Seconds(kLingerSeconds), false);
  if (end == End::kReleased) ASC_dropSCPAssociation(association_.get(), kLingerSeconds);
  if (end == End::kToAbort) ASC_abortAssociation(association_.get());
}

bool Association::ShakeHands() {
  if (socket_->StartTls(*tls_, true)) return true;
  const TlsStream& failed = *socket_->Tls();
  if (socket_->TimedOut())
    Refused("timeout", "no complete TLS handshake within " + std::to_string(context_.options.network.connect_seconds) +
                           " s ([dicom] connect_seconds)");
  else if (!failed.FailureWord().empty())
    Refused(failed.FailureWord(), failed.FailureText());
  else if (socket_->SawBytes())
    Refused("tls_failed", "it left before the TLS handshake was complete");
  else
    LogDebug(kArea, Name() + " connected to the TLS port and left without a word");
  if (!socket_->TimedOut()) socket_->Linger(Seconds(kAlertSeconds));
  return false;
}

bool Association::Receive() {
  const OFCondition result = context_.network.Receive(socket_, association_);
  // DCMTK finds nothing wrong in a caller that leaves before its request is complete.
  if (result.good() && association_->params->DULparams.applicationContextName[0] != '\0') return true;
  const std::string limit = std::to_string(context_.options.network.connect_seconds) + " s";
  if (socket_->TimedOut() || result == DUL_READTIMEOUT)
    Refused("timeout", "no complete association request within " + limit + " ([dicom] connect_seconds)");
  else if (socket_->SawBytes())
    Refused("not_dicom", result.good() ? "it left before its association request was complete"
                                       : "what it sent is no association request (" + Printable(result.text()) + ")");
  else
    LogDebug(kArea, Name() + " connected and left without a word");
  return false;
}

void Association::Reject(const Rejection& rejection) {
  Refused(rejection.word, rejection.text);
  const T_ASC_RejectParameters parameters{rejection.result, rejection.source, rejection.reason};
  socket_->Arm(Seconds(kLingerSeconds), false);
  if (ASC_rejectAssociation(association_.get(), &parameters).good())
    // The caller closes first (PS3.8 9.2, ARTIM); closed here at once, our answer could be lost.
    ASC_dropSCPAssociation(association_.get(), kLingerSeconds);
}

bool Association::Negotiate() {
  T_ASC_Parameters* params = association_->params;
  AcceptContexts(params, context_.options.network.compression);
  if (ASC_countAcceptedPresentationContexts(params) == 0)
    Refused("no_context", "none of the SOP classes and transfer syntaxes that it proposes is accepted");
  socket_->Arm(Seconds(context_.options.network.connect_seconds), true);
  peer_.association = ++context_.statistics.associations;
  return ASC_acknowledgeAssociation(association_.get()).good();
}

// Whatever happens, the sink hears of the end.
Association::End Association::Talk() {
  const LogScope scope("association", std::to_string(peer_.association));
  LogDebug(kArea, "association " + std::to_string(peer_.association) + " from " + Name() +
                      (socket_->Tls() ? " under " + socket_->Tls()->Describe() : ""));
  End end = End::kToAbort;
  try {
    end = Messages();
  } catch (const std::exception& error) {
    LogError(kArea, "association with " + Name() + " ended by an error: " + error.what());
  }
  if (end != End::kReleased && socket_->TimedOut()) {
    Refused("timeout", "it took longer than [dicom] idle_seconds or message_seconds allow");
    end = End::kLost;
  } else if (socket_->OverBudget()) {
    Refused("too_long", "its command set does not end");
    end = End::kLost;
  }
  context_.sink.AssociationEnded({peer_, end == End::kReleased});
  return end;
}

Association::End Association::Messages() {
  const DicomSettings& limits = context_.options.network;
  while (true) {
    socket_->LimitBytes(kCommandBytes);
    socket_->ArmAtFirstByte(Seconds(limits.message_seconds));
    socket_->Arm(Seconds(limits.idle_seconds), true);
    T_ASC_PresentationContextID context_id = 0;
    T_DIMSE_Message message{};
    DcmDataset* detail = nullptr;
    const OFCondition result =
        DIMSE_receiveCommand(association_.get(), DIMSE_BLOCKING, 0, &context_id, &message, &detail);
    delete detail;
    socket_->LimitBytes(-1);
    if (result == DUL_PEERREQUESTEDRELEASE)
      return ASC_acknowledgeRelease(association_.get()).good() ? End::kReleased : End::kLost;
    if (result == DUL_PEERABORTEDASSOCIATION) {
      LogWarning(kArea, Name() + " aborted its association");
      return End::kLost;
    }
    if (result.good() && Handle(context_id, message)) continue;
    if (result.bad() && !socket_->TimedOut() && !socket_->OverBudget())
      LogWarning(kArea, "association with " + Name() + " is lost: " + Printable(result.text()));
    return End::kToAbort;
  }
}

bool Association::Handle(T_ASC_PresentationContextID context_id, const T_DIMSE_Message& message) {
  switch (message.CommandField) {
    case DIMSE_C_ECHO_RQ:
      ++context_.statistics.echoes;
      return DIMSE_sendEchoResponse(association_.get(), context_id, &message.msg.CEchoRQ, STATUS_Success, nullptr)
          .good();
    case DIMSE_C_STORE_RQ:
      return HandleStore(context_id, message.msg.CStoreRQ);
    case DIMSE_N_EVENT_REPORT_RQ:
      return HandleReport(context_id, message.msg.NEventReportRQ);
    case DIMSE_C_CANCEL_RQ:
      return true;
    default:
      break;
  }
  Refused("unexpected_message",
          "it sent a command that this node does not serve: " + std::to_string(static_cast<int>(message.CommandField)));
  return false;
}

bool Association::HandleReport(T_ASC_PresentationContextID context_id, const T_DIMSE_N_EventReportRQ& request) {
  std::optional<CommitmentReport> report;
  std::uint16_t status = 0;
  socket_->LimitBytes(kReportBytes);
  const OFCondition result = ReceiveReport(association_.get(), context_id, request, report, status);
  socket_->LimitBytes(-1);
  if (result.bad()) return false;
  const CommitmentSink& sink = context_.options.commitment;
  try {
    if (report && !(sink && sink(*report, peer_.calling_ae))) {
      status = STATUS_N_InvalidArgumentValue;
      LogWarning(kArea, "storage commitment report of " + Name() +
                            " about a transaction that is not ours: " + report->transaction_uid);
    }
  } catch (const std::exception& error) {
    status = STATUS_N_ProcessingFailure;  // it comes again
    LogError(kArea, "storage commitment report of " + Name() + ": " + error.what());
  }
  if (!report)
    LogWarning(kArea, "event report of " + Name() + " is none of storage commitment, or cannot be understood");
  socket_->Arm(Seconds(context_.options.network.idle_seconds), true);
  return AnswerReport(association_.get(), context_id, request, status).good();
}

std::optional<StoreRefusal> Association::CheckStore(T_ASC_PresentationContextID context_id,
                                                    const T_DIMSE_C_StoreRQ& request, StagedMeta& meta) const {
  meta.sop_class_uid = TrimUid(request.AffectedSOPClassUID);
  meta.sop_instance_uid = TrimUid(request.AffectedSOPInstanceUID);
  meta.source_ae = peer_.calling_ae;
  if (!IsValidUid(meta.sop_class_uid) || !IsValidUid(meta.sop_instance_uid))
    return StoreRefusal{STATUS_STORE_InvalidSOPClass, "invalid SOP class or instance UID",
                        "its UID is none: " + Printable(meta.sop_class_uid) + ", " + Printable(meta.sop_instance_uid)};
  T_ASC_PresentationContext context{};
  if (ASC_findAcceptedPresentationContext(association_->params, context_id, &context).bad() ||
      meta.sop_class_uid != context.abstractSyntax)
    return RefusalFor(ErrorCode::kWrongSopClass, "its SOP class is not the one of its presentation context");
  meta.transfer_syntax_uid = context.acceptedTransferSyntax;
  if (FreeBytes(context_.options.staging_dir) < context_.options.min_free_bytes)
    return RefusalFor(ErrorCode::kOutOfSpace,
                      "less than [storage] min_free_gib is free in " + context_.options.staging_dir.string());
  return std::nullopt;
}

bool Association::HandleStore(T_ASC_PresentationContextID context_id, const T_DIMSE_C_StoreRQ& request) {
  StagedMeta meta;
  std::optional<StoreRefusal> refusal = CheckStore(context_id, request, meta);
  std::unique_ptr<StagedFile> file;
  if (request.DataSetType == DIMSE_DATASET_NULL) {
    if (!refusal) refusal = RefusalFor(ErrorCode::kBadDataset, "it came without a data set");
    return Answer(context_id, request, refusal);
  }
  if (!refusal) {
    try {
      file = std::make_unique<StagedFile>(context_.options.new_file(), meta);
    } catch (const Error& error) {
      refusal = RefusalFor(error.Code(), error.what());
    } catch (const std::exception& error) {
      refusal = RefusalFor(ErrorCode::kInternal, error.what());
    }
  }
  DataSetStream stream(
      file.get(),
      {context_.options.network.max_instance_bytes, context_.options.min_free_bytes, context_.options.staging_dir},
      std::move(refusal));
  T_ASC_PresentationContextID data_context = 0;
  const OFCondition result =
      DIMSE_receiveDataSetInFile(association_.get(), DIMSE_BLOCKING, 0, &data_context, &stream, nullptr, nullptr);
  if (result.bad() || data_context != context_id) {
    ++context_.statistics.failures;  // no answer is possible in the middle of a message
    LogWarning(kArea, "object " + Printable(meta.sop_instance_uid) + " of " + Name() +
                          " is incomplete: " + (result.bad() ? Printable(result.text()) : "two presentation contexts"));
    return false;
  }
  refusal = stream.Refusal();
  if (!refusal && file->Bytes() == 0) refusal = RefusalFor(ErrorCode::kBadDataset, "its data set is empty");
  if (!refusal) refusal = Deliver(*file, meta);
  file.reset();  // before the answer: a peer that has it finds no rest of the object
  return Answer(context_id, request, refusal);
}

std::optional<StoreRefusal> Association::Deliver(StagedFile& file, const StagedMeta& meta) {
  // How long the sink takes is ours, not the peer's.
  socket_->Disarm();
  try {
    ReceivedInstance instance;
    instance.sha256 = file.Finish();
    instance.staged_file = file.Path();
    instance.sop_class_uid = meta.sop_class_uid;
    instance.sop_instance_uid = meta.sop_instance_uid;
    instance.transfer_syntax_uid = meta.transfer_syntax_uid;
    instance.bytes = file.Bytes();
    instance.peer = peer_;
    context_.sink.Store(instance);
    file.Keep();
    ++context_.statistics.instances;
    context_.statistics.bytes += static_cast<std::uint64_t>(instance.bytes);
    return std::nullopt;
  } catch (const Error& error) {
    return RefusalFor(error.Code(), error.what());
  } catch (const std::exception& error) {
    return RefusalFor(ErrorCode::kInternal, error.what());
  } catch (...) {
    return RefusalFor(ErrorCode::kInternal, "unknown exception");
  }
}

bool Association::Answer(T_ASC_PresentationContextID context_id, const T_DIMSE_C_StoreRQ& request,
                         const std::optional<StoreRefusal>& refusal) {
  T_DIMSE_C_StoreRSP response{};
  response.MessageIDBeingRespondedTo = request.MessageID;
  response.DataSetType = DIMSE_DATASET_NULL;
  response.DimseStatus = refusal ? refusal->status : STATUS_Success;
  OFStandard::strlcpy(response.AffectedSOPClassUID, request.AffectedSOPClassUID, sizeof response.AffectedSOPClassUID);
  OFStandard::strlcpy(response.AffectedSOPInstanceUID, request.AffectedSOPInstanceUID,
                      sizeof response.AffectedSOPInstanceUID);
  response.opts = O_STORE_AFFECTEDSOPCLASSUID | O_STORE_AFFECTEDSOPINSTANCEUID;
  DcmDataset detail;
  if (refusal) {
    ++context_.statistics.failures;
    LogError(kArea, "object " + Printable(request.AffectedSOPInstanceUID) + " of " + Name() + " answered with " +
                        DescribeStatus(refusal->status) + ": " + refusal->text);
    detail.putAndInsertString(DCM_ErrorComment, refusal->comment.substr(0, 64).c_str());
  }
  socket_->Arm(Seconds(context_.options.network.idle_seconds), true);
  return DIMSE_sendStoreResponse(association_.get(), context_id, &request, &response, refusal ? &detail : nullptr)
      .good();
}

}  // namespace

void ServeConnection(const ReceiverContext& context, std::shared_ptr<WatchedSocket> socket, const std::string& address,
                     std::shared_ptr<const TlsContext> tls) {
  try {
    Association(context, std::move(socket), address, std::move(tls)).Serve();
  } catch (const std::exception& error) {
    LogError(kArea, "connection from " + address + " ended by an error: " + error.what());
  } catch (...) {
    LogError(kArea, "connection from " + address + " ended by an unknown error");
  }
}

}  // namespace glionode::dicom
