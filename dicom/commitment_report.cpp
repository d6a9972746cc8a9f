#include "dicom/commitment_report.h"

#include "dicom/uid.h"

#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcuid.h>

#include <memory>

namespace glionode::dicom {
namespace {

// PS3.4 J.3.3.1
constexpr unsigned kAllKept = 1, kFailuresExist = 2;

std::string TextOf(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  item.findAndGetOFString(tag, value);
  const std::string text = value.c_str();
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

CommitmentReport Understand(DcmItem& event) {
  CommitmentReport report;
  report.transaction_uid = TextOf(event, DCM_TransactionUID);
  DcmItem* item = nullptr;
  for (long i = 0; event.findAndGetSequenceItem(DCM_ReferencedSOPSequence, item, i).good(); ++i)
    report.kept.push_back(TextOf(*item, DCM_ReferencedSOPInstanceUID));
  for (long i = 0; event.findAndGetSequenceItem(DCM_FailedSOPSequence, item, i).good(); ++i) {
    Uint16 reason = 0;
    item->findAndGetUint16(DCM_FailureReason, reason);
    report.failed.push_back({TextOf(*item, DCM_ReferencedSOPInstanceUID), reason});
  }
  return report;
}

}  // namespace

void AcceptCommitmentContexts(T_ASC_Parameters* params) {
  for (int i = 0; i < ASC_countPresentationContexts(params); ++i) {
    T_ASC_PresentationContext context{};
    if (ASC_getPresentationContext(params, i, &context).bad() ||
        std::string(context.abstractSyntax) != UID_StorageCommitmentPushModelSOPClass)
      continue;
    // We are no archive: who wants us to be the SCP is not served.
    if (context.proposedRole == ASC_SC_ROLE_SCU) continue;
    const T_ASC_SC_ROLE role = context.proposedRole == ASC_SC_ROLE_DEFAULT ? ASC_SC_ROLE_DEFAULT : ASC_SC_ROLE_SCP;
    for (const char* wanted : {UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax}) {
      bool offered = false;
      for (int s = 0; s < context.transferSyntaxCount; ++s)
        offered = offered || std::string(context.proposedTransferSyntaxes[s]) == wanted;
      if (!offered) continue;
      ASC_acceptPresentationContext(params, context.presentationContextID, wanted, role);
      break;
    }
  }
}

OFCondition ReceiveReport(T_ASC_Association* association, T_ASC_PresentationContextID context_id,
                          const T_DIMSE_N_EventReportRQ& request, std::optional<CommitmentReport>& report,
                          std::uint16_t& status) {
  std::unique_ptr<DcmDataset> event;
  if (request.DataSetType != DIMSE_DATASET_NULL) {
    DcmDataset* raw = nullptr;
    T_ASC_PresentationContextID data_context = context_id;
    const OFCondition result =
        DIMSE_receiveDataSetInMemory(association, DIMSE_BLOCKING, 0, &data_context, &raw, nullptr, nullptr);
    event.reset(raw);
    if (result.bad()) return result;
  }
  if (std::string(request.AffectedSOPClassUID) != UID_StorageCommitmentPushModelSOPClass) {
    status = STATUS_N_NoSuchSOPClass;
  } else if (std::string(request.AffectedSOPInstanceUID) != UID_StorageCommitmentPushModelSOPInstance) {
    status = STATUS_N_NoSuchSOPInstance;
  } else if (request.EventTypeID != kAllKept && request.EventTypeID != kFailuresExist) {
    status = STATUS_N_NoSuchEventType;
  } else if (!event) {
    status = STATUS_N_MissingAttribute;
  } else {
    report = Understand(*event);
    status = STATUS_Success;
    // "All kept" with failures in it contradicts itself: nothing is believed.
    if (!IsValidUid(report->transaction_uid) || (request.EventTypeID == kAllKept && !report->failed.empty())) {
      report.reset();
      status = STATUS_N_InvalidArgumentValue;
    }
  }
  return EC_Normal;
}

OFCondition AnswerReport(T_ASC_Association* association, T_ASC_PresentationContextID context_id,
                         const T_DIMSE_N_EventReportRQ& request, std::uint16_t status) {
  T_DIMSE_Message answer{};
  answer.CommandField = DIMSE_N_EVENT_REPORT_RSP;
  T_DIMSE_N_EventReportRSP& response = answer.msg.NEventReportRSP;
  response.MessageIDBeingRespondedTo = request.MessageID;
  response.DimseStatus = status;
  response.DataSetType = DIMSE_DATASET_NULL;
  response.EventTypeID = request.EventTypeID;
  OFStandard::strlcpy(response.AffectedSOPClassUID, request.AffectedSOPClassUID, sizeof response.AffectedSOPClassUID);
  OFStandard::strlcpy(response.AffectedSOPInstanceUID, request.AffectedSOPInstanceUID,
                      sizeof response.AffectedSOPInstanceUID);
  response.opts =
      O_NEVENTREPORT_AFFECTEDSOPCLASSUID | O_NEVENTREPORT_AFFECTEDSOPINSTANCEUID | O_NEVENTREPORT_EVENTTYPEID;
  return DIMSE_sendMessageUsingMemoryData(association, context_id, &answer, nullptr, nullptr, nullptr, nullptr);
}

}  // namespace glionode::dicom
