#pragma once
#include "config/settings.h"
#include "dicom/commitment.h"
#include "dicom/instance_sink.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace glionode::dicom {

class TlsContext;

struct ReceiverOptions {
  std::string ae_title;
  DicomSettings network;
  std::filesystem::path staging_dir;  ///< what is free there is looked at
  /// An empty file for an object that comes, on the same file system as the store. From many threads at once; throws
  /// Error when there is none.
  std::function<std::filesystem::path()> new_file;
  std::int64_t min_free_bytes = 0;        ///< below it: association rejected (transient), running C-STORE gets A700
  std::shared_ptr<const TlsContext> tls;  ///< with it, network.tls.port is listened on as well
  CommitmentSink commitment = {};         ///< hears storage commitment reports; without it they are refused
};

/// Counters since start. Keys of `refusals` are short fixed words (unknown_ae, wrong_called_ae, wrong_address, busy,
/// disk, not_dicom, timeout, tls_expired, wrong_certificate ...).
struct ReceiverCounters {
  std::uint64_t associations = 0, open_associations = 0, open_connections = 0, echoes = 0, instances = 0, bytes = 0,
                failures = 0;
  std::map<std::string, std::uint64_t> refusals;
};

/// Storage and Verification SCP with a listener of its own (notes on DCMTK 3.6.7: docs/decisions.md).
/// Threads: all methods from any thread; the sink is called from association threads.
class Receiver {
 public:
  /// `sink` must outlive this object. Throws Error{kUsage} when the address cannot be bound.
  Receiver(ReceiverOptions options, std::vector<PeerSettings> peers, InstanceSink& sink);
  ~Receiver();          ///< stops at once
  int Port() const;     ///< 0 when only TLS is listened on
  int TlsPort() const;  ///< 0 without TLS
  /// Certificates for handshakes from now on; running associations go on. No effect without TLS at the start.
  void SetTls(std::shared_ptr<const TlsContext> tls);
  /// Who may send from now on; running associations are not dropped.
  void SetPeers(std::vector<PeerSettings> peers);
  /// Counts, deadlines and sizes for connections from now on; running associations keep those that they began with.
  /// Addresses, ports and TLS in `network` are not looked at: they stay as at the start.
  void SetLimits(const DicomSettings& network, std::int64_t min_free_bytes);
  ReceiverCounters Counters() const;
  /// No new association. Running ones go on.
  void StopAccepting();
  /// Waits until no association is left or `seconds` are over; then cuts what is left. Returns how many were cut.
  int Drain(int seconds);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glionode::dicom
