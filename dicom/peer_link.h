#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include "dicom/sender.h"
#include "dicom/transport.h"

#include <dcmtk/dcmnet/assoc.h>

#include <memory>
#include <string>
#include <vector>

namespace glionode::dicom {

/// "PACS at 10.0.0.5 port 104"
std::string NameOf(const PeerSettings& peer);

/// The accepted context of exactly this class and syntax, 0 for none. DCMTK's own search takes another one instead.
T_ASC_PresentationContextID FindContext(T_ASC_Association* association, const std::string& sop_class,
                                        const std::string& syntax);

/// One association to a peer, under TLS where it is configured; released (or aborted) with its owner.
/// Threads: one.
class PeerLink {
 public:
  PeerLink(const PeerSettings& peer, const SenderOptions& options) : peer_(peer), options_(options) {}
  ~PeerLink();
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  /// Asks for explicit and for implicit little endian of each class. Empty when the association stands, also when the
  /// peer accepts no context of it; else the reason, with the peer's name.
  std::string Open(const std::vector<std::string>& classes);
  T_ASC_Association* Get() const { return association_.get(); }
  /// The time for the next message begins: message_seconds, or so many.
  void Arm() { Arm(options_.message_seconds); }
  void Arm(int seconds) { socket_->Arm(std::chrono::seconds(armed_seconds_ = seconds), false); }
  /// Why the connection does not go on, in words.
  std::string Lost(const OFCondition& condition);
  void Break() { healthy_ = false; }
  bool Healthy() const { return healthy_; }
  bool TimedOut() const { return socket_->TimedOut(); }

 private:
  std::string ShakeHands();

  const PeerSettings& peer_;
  const SenderOptions& options_;
  DeadlineTimer timer_;
  RequestorNetwork network_;
  std::shared_ptr<WatchedSocket> socket_;
  AssociationPtr association_;
  int armed_seconds_ = 0;
  bool healthy_ = true;
};

}  // namespace glionode::dicom
