#pragma once
#include "config/settings.h"
#include "dicom/sender.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace glionode::dicom {

/// What is asked for: does the archive keep these?
struct KeptObject {
  std::string sop_class_uid, sop_instance_uid;
};

/// What an archive says about a Storage Commitment transaction of ours (PS3.4 J.3.3).
struct CommitmentReport {
  struct Failure {
    std::string sop_instance_uid;
    std::uint16_t reason = 0;  ///< Failure Reason (0008,1197); 0 when none was given
  };
  std::string transaction_uid;
  std::vector<std::string> kept;  ///< SOP Instance UIDs that the archive answers for
  std::vector<Failure> failed;
};

/// Takes a report that came in; false when the transaction is unknown. Called from association threads.
using CommitmentSink = std::function<bool(const CommitmentReport& report, const std::string& calling_ae)>;

/// "0112 no such object instance"
std::string DescribeCommitmentFailure(std::uint16_t reason);

struct CommitmentAnswer {
  bool taken = false;                      ///< the archive has taken the request and will report
  std::string text;                        ///< for an administrator: names the peer, and the reason when it has not
  std::optional<CommitmentReport> report;  ///< when it came on the same association
};

/// Asks for commitment (N-ACTION, PS3.4 J.3.2), and waits up to `wait_seconds` on the same association for the report;
/// otherwise that comes later to our own port. Never throws for what the network does. Threads: any.
CommitmentAnswer AskCommitment(const PeerSettings& peer, const SenderOptions& options,
                               const std::string& transaction_uid, const std::vector<KeptObject>& objects,
                               int wait_seconds);

struct FindAnswer {
  bool answered = false;
  std::string text;                ///< for an administrator
  std::vector<std::string> found;  ///< SOP Instance UIDs that the archive lists in the series
};

/// C-FIND of the images of one series (Study Root, PS3.4 C.4.1). Never throws for what the network does. Threads: any.
FindAnswer FindImages(const PeerSettings& peer, const SenderOptions& options, const std::string& study_uid,
                      const std::string& series_uid);

}  // namespace glionode::dicom
