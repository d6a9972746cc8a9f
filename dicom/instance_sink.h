#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace glionode::dicom {

/// Who talks to us on an association.
struct PeerFacts {
  std::string calling_ae;
  std::string called_ae;
  std::string address;            ///< numeric, from getpeername
  std::uint64_t association = 0;  ///< number of the association in this process, for correlation
};

/// One object as it came over the wire: a complete DICOM file (PS3.10) in the staging folder, bytes of the data set
/// exactly as sent.
struct ReceivedInstance {
  std::filesystem::path staged_file;  ///< written, not yet synced; the sink takes it (moves or removes it)
  std::string sop_class_uid,
      sop_instance_uid;  ///< of the command set; syntax is checked, equality with the data set is the sink's business
  std::string transfer_syntax_uid;
  std::string sha256;      ///< of the data set's bytes (the file meta information is not part of it)
  std::int64_t bytes = 0;  ///< of the data set
  PeerFacts peer;
};

struct AssociationEnd {
  PeerFacts peer;
  bool released = false;  ///< false: aborted, timed out or lost
};

/// The one call upwards, implemented by server/ingest.
/// Threads: called from many association threads at once.
class InstanceSink {
 public:
  virtual ~InstanceSink() = default;
  /// Returns when the object is durable: only then the peer is told Success. Throws Error otherwise (mapped by
  /// dimse_status); the staged file is then gone.
  virtual void Store(const ReceivedInstance& instance) = 0;
  virtual void AssociationEnded(const AssociationEnd& end) = 0;
  /// A caller was turned away. `word`: as in ReceiverCounters::refusals; `text`: why, for an administrator.
  virtual void CallerRefused(const PeerFacts&, const std::string& /*word*/, const std::string& /*text*/) {}
};

}  // namespace glionode::dicom
