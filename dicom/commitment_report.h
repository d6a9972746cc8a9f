#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include "dicom/commitment.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmnet/assoc.h>
#include <dcmtk/dcmnet/dimse.h>

#include <cstdint>
#include <optional>

namespace glionode::dicom {

/// Accepts the Storage Commitment contexts of an archive that brings a report: it is SCP there, and says so by role
/// selection (PS3.7 D.3.3.4). Some leave role selection out; they are accepted as well.
void AcceptCommitmentContexts(T_ASC_Parameters* params);

/// An N-EVENT-REPORT-RQ, whose command set has been read: reads the rest. `report` stays empty when it is none of
/// Storage Commitment or cannot be understood; then `status` is what to answer (PS3.7 10.1.1.1.8).
OFCondition ReceiveReport(T_ASC_Association* association, T_ASC_PresentationContextID context_id,
                          const T_DIMSE_N_EventReportRQ& request, std::optional<CommitmentReport>& report,
                          std::uint16_t& status);

OFCondition AnswerReport(T_ASC_Association* association, T_ASC_PresentationContextID context_id,
                         const T_DIMSE_N_EventReportRQ& request, std::uint16_t status);

}  // namespace glionode::dicom
