#include "dicom/commitment.h"

#include "dicom/commitment_report.h"
#include "dicom/dimse_status.h"
#include "dicom/peer_link.h"
#include "dicom/uid.h"

#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcuid.h>

#include <cstdio>
#include <memory>

namespace glionode::dicom {
namespace {

constexpr unsigned kRequestCommitment = 1;  // Action Type ID, PS3.4 J.3.2.1

T_ASC_PresentationContextID AnyContext(T_ASC_Association* association, const char* sop_class) {
  const auto id = FindContext(association, sop_class, UID_LittleEndianExplicitTransferSyntax);
  return id != 0 ? id : FindContext(association, sop_class, UID_LittleEndianImplicitTransferSyntax);
}

OFCondition SendRequest(T_ASC_Association* association, T_ASC_PresentationContextID id, Uint16 message_id,
                        const std::string& transaction_uid, const std::vector<KeptObject>& objects) {
  DcmDataset information;
  information.putAndInsertString(DCM_TransactionUID, transaction_uid.c_str());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    DcmItem* item = nullptr;
    information.findOrCreateSequenceItem(DCM_ReferencedSOPSequence, item, static_cast<long>(i));
    if (!item) return EC_MemoryExhausted;
    item->putAndInsertString(DCM_ReferencedSOPClassUID, objects[i].sop_class_uid.c_str());
    item->putAndInsertString(DCM_ReferencedSOPInstanceUID, objects[i].sop_instance_uid.c_str());
  }
  T_DIMSE_Message message{};
  message.CommandField = DIMSE_N_ACTION_RQ;
  T_DIMSE_N_ActionRQ& request = message.msg.NActionRQ;
  request.MessageID = message_id;
  request.ActionTypeID = kRequestCommitment;
  request.DataSetType = DIMSE_DATASET_PRESENT;
  OFStandard::strlcpy(request.RequestedSOPClassUID, UID_StorageCommitmentPushModelSOPClass,
                      sizeof request.RequestedSOPClassUID);
  OFStandard::strlcpy(request.RequestedSOPInstanceUID, UID_StorageCommitmentPushModelSOPInstance,
                      sizeof request.RequestedSOPInstanceUID);
  return DIMSE_sendMessageUsingMemoryData(association, id, &message, nullptr, &information, nullptr, nullptr);
}

struct Conversation {
  bool answered = false;  ///< the N-ACTION-RSP has come
  std::uint16_t status = 0;
  std::optional<CommitmentReport> report;
};

/// The next message: the answer to our request, or, before or after it, the report. Reports are answered here.
OFCondition ReceiveOne(T_ASC_Association* association, Uint16 message_id, const std::string& transaction_uid,
                       Conversation& so_far) {
  T_ASC_PresentationContextID id = 0;
  T_DIMSE_Message message{};
  DcmDataset* raw = nullptr;
  OFCondition result = DIMSE_receiveCommand(association, DIMSE_BLOCKING, 0, &id, &message, &raw);
  std::unique_ptr<DcmDataset> detail(raw);
  if (result.bad()) return result;
  if (message.CommandField == DIMSE_N_EVENT_REPORT_RQ) {
    std::optional<CommitmentReport> report;
    std::uint16_t status = STATUS_N_InvalidArgumentValue;
    result = ReceiveReport(association, id, message.msg.NEventReportRQ, report, status);
    if (result.bad()) return result;
    if (report && report->transaction_uid == transaction_uid)
      so_far.report.emplace(std::move(*report));
    else if (report)
      status = STATUS_N_InvalidArgumentValue;
    return AnswerReport(association, id, message.msg.NEventReportRQ, status);
  }
  if (message.CommandField != DIMSE_N_ACTION_RSP || message.msg.NActionRSP.MessageIDBeingRespondedTo != message_id)
    return makeDcmnetCondition(DIMSEC_UNEXPECTEDRESPONSE, OF_error, "another message than was waited for");
  so_far.answered = true;
  so_far.status = message.msg.NActionRSP.DimseStatus;
  if (message.msg.NActionRSP.DataSetType == DIMSE_DATASET_NULL) return EC_Normal;
  DcmDataset* reply = nullptr;  // nothing in it is of use
  result = DIMSE_receiveDataSetInMemory(association, DIMSE_BLOCKING, 0, &id, &reply, nullptr, nullptr);
  delete reply;
  return result;
}

struct Listing {
  std::vector<std::string> found;
};

void Collect(void* data, T_DIMSE_C_FindRQ*, int, T_DIMSE_C_FindRSP*, DcmDataset* identifiers) {
  OFString uid;
  if (identifiers && identifiers->findAndGetOFString(DCM_SOPInstanceUID, uid).good() && !uid.empty())
    static_cast<Listing*>(data)->found.emplace_back(uid.c_str());
}

}  // namespace

std::string DescribeCommitmentFailure(std::uint16_t reason) {
  switch (reason) {  // PS3.3 C.14.1.1
    case 0:
      return "no reason given";
    case 0x0112:
      return "0112 no such object instance";
    case 0x0119:
      return "0119 class-instance conflict";
    case 0x0122:
      return "0122 SOP class not supported";
    case 0x0131:
      return "0131 duplicate transaction UID";
    default:
      return DescribeStatus(reason);
  }
}

CommitmentAnswer AskCommitment(const PeerSettings& peer, const SenderOptions& options,
                               const std::string& transaction_uid, const std::vector<KeptObject>& objects,
                               int wait_seconds) {
  CommitmentAnswer answer;
  try {
    PeerLink link(peer, options);
    if (answer.text = link.Open({UID_StorageCommitmentPushModelSOPClass}); !answer.text.empty()) return answer;
    T_ASC_Association* association = link.Get();
    const auto id = AnyContext(association, UID_StorageCommitmentPushModelSOPClass);
    if (id == 0) {
      answer.text = NameOf(peer) + " does not accept the Storage Commitment SOP class";
      return answer;
    }
    link.Arm();
    const Uint16 message_id = association->nextMsgID++;
    OFCondition result = SendRequest(association, id, message_id, transaction_uid, objects);
    Conversation so_far;
    while (result.good() && !so_far.answered) result = ReceiveOne(association, message_id, transaction_uid, so_far);
    if (result.bad() && !so_far.answered) {
      answer.text = NameOf(peer) + ": " + link.Lost(result) + ", storage commitment is not asked for";
      return answer;
    }
    answer.taken = so_far.status == STATUS_Success || (so_far.status & 0xF000) == 0xB000;
    answer.text = NameOf(peer) + " answered " + DescribeStatus(so_far.status) + " to the storage commitment request";
    if (answer.taken && !so_far.report && wait_seconds > 0) {
      link.Arm(wait_seconds);
      result = ReceiveOne(association, message_id, transaction_uid, so_far);
      // No report in that time, or it released: the report comes on an association of its own.
      if (result.bad()) link.Break();
    }
    answer.report = std::move(so_far.report);
  } catch (const std::exception& error) {
    answer.text = NameOf(peer) + ": " + error.what();
  }
  return answer;
}

FindAnswer FindImages(const PeerSettings& peer, const SenderOptions& options, const std::string& study_uid,
                      const std::string& series_uid) {
  FindAnswer answer;
  try {
    PeerLink link(peer, options);
    if (answer.text = link.Open({UID_FINDStudyRootQueryRetrieveInformationModel}); !answer.text.empty()) return answer;
    T_ASC_Association* association = link.Get();
    const auto id = AnyContext(association, UID_FINDStudyRootQueryRetrieveInformationModel);
    if (id == 0) {
      answer.text = NameOf(peer) + " does not accept C-FIND (Study Root)";
      return answer;
    }
    DcmDataset query;
    query.putAndInsertString(DCM_QueryRetrieveLevel, "IMAGE");
    query.putAndInsertString(DCM_StudyInstanceUID, study_uid.c_str());
    query.putAndInsertString(DCM_SeriesInstanceUID, series_uid.c_str());
    query.insertEmptyElement(DCM_SOPInstanceUID);
    T_DIMSE_C_FindRQ request{};
    request.MessageID = association->nextMsgID++;
    request.DataSetType = DIMSE_DATASET_PRESENT;
    request.Priority = DIMSE_PRIORITY_MEDIUM;
    OFStandard::strlcpy(request.AffectedSOPClassUID, UID_FINDStudyRootQueryRetrieveInformationModel,
                        sizeof request.AffectedSOPClassUID);
    T_DIMSE_C_FindRSP response{};
    DcmDataset* raw = nullptr;
    int responses = 0;
    Listing listing;
    link.Arm();
    const OFCondition result = DIMSE_findUser(association, id, &request, &query, responses, Collect, &listing,
                                              DIMSE_BLOCKING, 0, &response, &raw);
    delete raw;
    if (result.bad()) {
      answer.text = NameOf(peer) + ": " + link.Lost(result) + " during C-FIND";
    } else if (response.DimseStatus != STATUS_Success) {
      answer.text = NameOf(peer) + " answered " + DescribeStatus(response.DimseStatus) + " to C-FIND";
    } else {
      answer.answered = true;
      answer.found = std::move(listing.found);
      answer.text = NameOf(peer) + " lists " + std::to_string(answer.found.size()) + " objects of series " + series_uid;
    }
  } catch (const std::exception& error) {
    answer.text = NameOf(peer) + ": " + error.what();
  }
  return answer;
}

}  // namespace glionode::dicom
