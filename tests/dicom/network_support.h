#pragma once
#include "dicom/receiver.h"
#include "dicom/sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace glionode::dicom::testing {

inline const std::string kMrImage = "1.2.840.10008.5.1.4.1.1.4";
inline const std::string kVerification = "1.2.840.10008.1.1";
inline const std::string kImplicit = "1.2.840.10008.1.2";
inline const std::string kExplicit = "1.2.840.10008.1.2.1";

/// A folder that goes with the test.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::filesystem::path& Path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Takes everything: moves the staged files to a folder of its own and remembers what it was told.
class RecordingSink : public InstanceSink {
 public:
  explicit RecordingSink(std::filesystem::path keep) : keep_(std::move(keep)) {}
  void Store(const ReceivedInstance& instance) override;
  void AssociationEnded(const AssociationEnd& end) override;

  std::vector<ReceivedInstance> Instances() const;
  /// Waits until so many associations have ended and returns them all.
  std::vector<AssociationEnd> WaitForEnds(std::size_t count) const;

  /// Called first by Store, from the association's thread. Set it before anything is sent.
  std::function<void(const ReceivedInstance&)> on_store;

 private:
  const std::filesystem::path keep_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<ReceivedInstance> instances_;
  std::vector<AssociationEnd> ends_;
};

/// A caller that speaks DICOM by hand (PS3.8 9.3, PS3.7 E), so that it can also speak it wrong.
class RawCaller {
 public:
  explicit RawCaller(int port, const std::string& address = "127.0.0.1");
  ~RawCaller();
  RawCaller(const RawCaller&) = delete;
  RawCaller& operator=(const RawCaller&) = delete;

  struct Context {
    std::string abstract_syntax;
    std::vector<std::string> transfer_syntaxes;
  };
  /// Contexts get the numbers 1, 3, 5, ... AE titles are padded with blanks.
  static std::string AssociateRequest(const std::string& calling, const std::string& called,
                                      const std::vector<Context>& contexts);
  static std::string StoreCommand(const std::string& sop_class, const std::string& instance, int message_id,
                                  bool with_data = true);
  /// One P-DATA-TF with one PDV.
  static std::string Data(int context, bool command, bool last, const std::string& bytes);

  /// Sends the request and reads the answer. True when it is an A-ASSOCIATE-AC.
  bool Associate(const std::string& calling, const std::string& called, const std::vector<Context>& contexts);
  /// A whole C-STORE on context 1. The status; empty when the connection ended.
  std::optional<int> Store(const std::string& sop_class, const std::string& instance, const std::string& data_set);
  bool Release();

  bool Send(const std::string& bytes);
  /// The next PDU, header included; empty when the other side closed.
  std::string ReadPdu();
  /// Status of the next response; empty when something else came.
  std::optional<int> ReadStatus();
  void Close();

 private:
  int fd_;
};

/// A receiver on a free port of the loopback with one peer, PACS, that may call from 127.0.0.1.
class Node {
 public:
  explicit Node(const std::function<void(ReceiverOptions&)>& change = {});
  int Port() const { return receiver->Port(); }
  std::uint64_t Refusals(const std::string& word) const;
  /// How many files are in staging.
  std::size_t Staged() const;
  /// The receiver as a peer of our own sender.
  PeerSettings AsPeer() const;
  std::string ToolArguments(const std::string& calling = "PACS", const std::string& called = "GLIONODE") const;

  TempFolder folder;
  RecordingSink sink;
  std::unique_ptr<Receiver> receiver;
};

PeerSettings Pacs();
SenderOptions FromPacs();

struct Dataset {
  std::string sop_class, instance, transfer_syntax, bytes;
};
/// A DICOM file, cut behind its meta information.
Dataset ReadDicomFile(const std::filesystem::path& file);
/// A small MR-like data set in explicit VR little endian: enough for who does not look inside.
std::string SmallDataset(const std::string& instance, std::size_t pixel_bytes = 64);
/// Writes it as a file.
OutgoingObject WriteObject(const std::filesystem::path& file, const std::string& instance,
                           const std::string& sop_class = kMrImage, std::size_t pixel_bytes = 64);

/// Runs a command line; its exit code, and what it printed.
int RunTool(const std::string& command, std::string* output = nullptr);
/// The folder with real data; empty when it is not there.
std::filesystem::path TestData();
/// Asks until it is so, at most `seconds`.
bool Eventually(const std::function<bool()>& is_so, int seconds = 10);
int FreePort();
/// Makes empty files in `folder`: ReceiverOptions::new_file.
std::function<std::filesystem::path()> NewFilesIn(const std::filesystem::path& folder);

}  // namespace glionode::dicom::testing
