#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include "dicom/peer_access.h"
#include "dicom/receiver.h"
#include "dicom/staged_file.h"
#include "dicom/transport.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace glionode::dicom {

/// Counters of a receiver. Threads: any.
class ReceiverStatistics {
 public:
  std::atomic<std::uint64_t> associations{0}, open_connections{0}, echoes{0}, instances{0}, bytes{0}, failures{0};
  /// Takes a place among the open associations, unless `limit` of them are open.
  bool Enter(std::uint64_t limit);
  void Leave();
  std::uint64_t Open() const { return open_associations_; }
  void Refuse(const std::string& word);
  ReceiverCounters Snapshot() const;

 private:
  std::atomic<std::uint64_t> open_associations_{0};
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> refusals_;
};

/// What all associations of a receiver share. Lives as long as they do.
struct ReceiverContext {
  const ReceiverOptions& options;
  InstanceSink& sink;
  AcceptorNetwork& network;
  ReceiverStatistics& statistics;
  std::function<std::shared_ptr<const PeerAccess>()> access;
  const std::atomic<bool>& stopping;       ///< no new association
  std::function<void()> association_left;  ///< called after the number of open associations went down
};

/// Serves one accepted connection from the A-ASSOCIATE-RQ to its end. Never throws.
/// `tls`: shake hands first; null on the plain port.
void ServeConnection(const ReceiverContext& context, std::shared_ptr<WatchedSocket> socket, const std::string& address,
                     std::shared_ptr<const TlsContext> tls);

}  // namespace glionode::dicom
