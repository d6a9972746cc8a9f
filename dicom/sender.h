#pragma once
#include "config/settings.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace glionode::dicom {

class TlsContext;

/// One encoded object of ours, a DICOM file whose bytes are sent as they are (explicit VR little endian; recoded to
/// implicit only if the peer takes nothing else).
struct OutgoingObject {
  std::filesystem::path file;
  std::string sop_class_uid, sop_instance_uid;
};

enum class SendOutcome {
  kSent,       ///< stored (status in `status`; warnings included)
  kTransient,  ///< not reached, refused for now, out of resources, aborted
  kIdentity,   ///< A777, A778, A779
  kNoContext,  ///< the peer takes no presentation context for this SOP class
  kPermanent,
};

struct SendResult {
  SendOutcome outcome = SendOutcome::kTransient;
  std::uint16_t status = 0xFFFF;  ///< DIMSE status; FFFF when none was answered
  std::string text;               ///< for an administrator: names the peer and the reason
};

struct SenderOptions {
  std::string calling_ae;
  int connect_seconds = 10;
  int message_seconds = 60;
  std::shared_ptr<const TlsContext> tls;  ///< for peers with tls = true
};

/// Sends objects over one association to the peer's configured host and port. Result i belongs to object i. Never
/// throws for what the network does. Threads: any, each call has its own association.
std::vector<SendResult> SendObjects(const PeerSettings& peer, const SenderOptions& options,
                                    const std::vector<OutgoingObject>& objects);

struct EchoResult {
  bool ok = false;
  std::string text;  ///< "answered in 12 ms", or why not
};
EchoResult Echo(const PeerSettings& peer, const SenderOptions& options);

}  // namespace glionode::dicom
