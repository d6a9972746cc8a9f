#include "dicom/sender.h"

#include "dicom/dimse_status.h"
#include "dicom/peer_link.h"

#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmdata/dcwcache.h>
#include <dcmtk/dcmnet/dimse.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <optional>
#include <set>

namespace glionode::dicom {
namespace {

// Two presentation contexts a class, and 128 in an association (PS3.8 9.3.2.2).
constexpr std::size_t kMaxClasses = 60;

// Sends bytes as PDVs of the peer's size. `last`: nothing of this message comes after them.
OFCondition SendBytes(T_ASC_Association* association, T_ASC_PresentationContextID id, DUL_DATAPDV type, void* data,
                      std::size_t size, bool last) {
  DUL_PDV pdv{};
  pdv.fragmentLength = static_cast<unsigned long>(size);
  pdv.presentationContextID = id;
  pdv.pdvType = type;
  pdv.lastPDV = last;
  pdv.data = data;
  DUL_PDVLIST list{};
  list.count = 1;
  list.pdv = &pdv;
  return DUL_WritePDVs(&association->DULassociation, &list);
}

// The C-STORE-RQ (PS3.7 9.3.1.1). DCMTK sends a command only together with a data set that it encodes itself; ours goes
// out byte for byte as it is stored.
OFCondition SendStoreCommand(T_ASC_Association* association, T_ASC_PresentationContextID id, Uint16 message_id,
                             const OutgoingObject& object) {
  DcmDataset command;
  command.putAndInsertString(DCM_AffectedSOPClassUID, object.sop_class_uid.c_str());
  command.putAndInsertUint16(DCM_CommandField, DIMSE_C_STORE_RQ);
  command.putAndInsertUint16(DCM_MessageID, message_id);
  command.putAndInsertUint16(DCM_Priority, DIMSE_PRIORITY_MEDIUM);
  command.putAndInsertUint16(DCM_CommandDataSetType, DIMSE_DATASET_PRESENT);
  command.putAndInsertString(DCM_AffectedSOPInstanceUID, object.sop_instance_uid.c_str());
  std::array<char, 1024> buffer;
  DcmOutputBufferStream stream(buffer.data(), buffer.size());
  DcmWriteCache cache;
  command.transferInit();
  OFCondition result =
      command.write(stream, EXS_LittleEndianImplicit, EET_ExplicitLength, &cache, EGL_withGL, EPD_withoutPadding);
  command.transferEnd();
  if (result.bad()) return result;
  void* data = nullptr;
  offile_off_t size = 0;
  stream.flushBuffer(data, size);
  return SendBytes(association, id, DUL_COMMANDPDV, data, static_cast<std::size_t>(size), true);
}

struct FileShape {
  std::string transfer_syntax;
  std::int64_t data_set_at = 0, size = 0;
};

// Where the data set begins: after preamble, DICM, (0002,0000) and as many bytes as that says (PS3.10 7.1).
std::optional<FileShape> ShapeOf(const std::filesystem::path& file) {
  DcmMetaInfo meta;
  FileShape shape;
  Uint32 length = 0;
  OFString syntax;
  if (meta.loadFile(file.c_str()).bad() || meta.findAndGetUint32(DCM_FileMetaInformationGroupLength, length).bad() ||
      meta.findAndGetOFString(DCM_TransferSyntaxUID, syntax).bad())
    return std::nullopt;
  shape.transfer_syntax = syntax.c_str();
  shape.data_set_at = 128 + 4 + 12 + static_cast<std::int64_t>(length);
  std::error_code error;
  shape.size = static_cast<std::int64_t>(std::filesystem::file_size(file, error));
  if (error || shape.size <= shape.data_set_at || (shape.size - shape.data_set_at) % 2 != 0) return std::nullopt;
  return shape;
}

OFCondition SendStoredBytes(T_ASC_Association* association, T_ASC_PresentationContextID id,
                            const std::filesystem::path& file, const FileShape& shape) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(shape.data_set_at);
  std::vector<char> buffer(association->sendPDVLength & ~1UL);
  for (std::int64_t left = shape.size - shape.data_set_at; left > 0;) {
    const auto part = std::min<std::int64_t>(left, static_cast<std::int64_t>(buffer.size()));
    if (!in.read(buffer.data(), part)) return EC_InvalidStream;
    left -= part;
    const OFCondition result =
        SendBytes(association, id, DUL_DATASETPDV, buffer.data(), static_cast<std::size_t>(part), left == 0);
    if (result.bad()) return result;
  }
  return EC_Normal;
}

OFCondition SendRecoded(T_ASC_Association* association, T_ASC_PresentationContextID id,
                        const std::filesystem::path& file, E_TransferSyntax syntax) {
  DcmFileFormat format;
  OFCondition result = format.loadFile(file.c_str());
  if (result.bad()) return result;
  DcmDataset* data_set = format.getDataset();
  if (!data_set->canWriteXfer(syntax)) return EC_CannotChangeRepresentation;
  std::vector<char> buffer(association->sendPDVLength & ~1UL);
  DcmOutputBufferStream stream(buffer.data(), static_cast<offile_off_t>(buffer.size()));
  DcmWriteCache cache;
  data_set->transferInit();
  bool more = true;
  while (more) {
    result = data_set->write(stream, syntax, EET_UndefinedLength, &cache, EGL_recalcGL, EPD_withoutPadding);
    more = result == EC_StreamNotifyClient;
    if (result.bad() && !more) break;
    void* data = nullptr;
    offile_off_t size = 0;
    stream.flushBuffer(data, size);
    result = SendBytes(association, id, DUL_DATASETPDV, data, static_cast<std::size_t>(size), !more);
    if (result.bad()) break;
  }
  data_set->transferEnd();
  return result;
}

SendResult StoreOne(PeerLink& link, const PeerSettings& peer, const OutgoingObject& object) {
  SendResult result;
  const std::string subject = "object " + object.sop_instance_uid;
  const auto shape = ShapeOf(object.file);
  const auto fail = [&](SendOutcome outcome, const std::string& text) {
    result.outcome = outcome;
    result.text = text;
    return result;
  };
  if (!shape) return fail(SendOutcome::kPermanent, object.file.string() + " cannot be read as a DICOM file");
  if (DcmXfer(shape->transfer_syntax.c_str()).isEncapsulated())
    return fail(SendOutcome::kPermanent,
                object.file.string() + " is compressed: this sender sends explicit VR little endian");

  T_ASC_Association* association = link.Get();
  auto id = FindContext(association, object.sop_class_uid, shape->transfer_syntax);
  const bool as_stored = id != 0;
  E_TransferSyntax syntax = EXS_LittleEndianExplicit;
  if (id == 0) id = FindContext(association, object.sop_class_uid, UID_LittleEndianExplicitTransferSyntax);
  if (id == 0) {
    id = FindContext(association, object.sop_class_uid, UID_LittleEndianImplicitTransferSyntax);
    syntax = EXS_LittleEndianImplicit;
  }
  if (id == 0)
    return fail(SendOutcome::kNoContext, NameOf(peer) + " does not accept the SOP class " + object.sop_class_uid);

  link.Arm();
  const Uint16 message_id = association->nextMsgID++;
  OFCondition sent = SendStoreCommand(association, id, message_id, object);
  if (sent.good())
    sent = as_stored ? SendStoredBytes(association, id, object.file, *shape)
                     : SendRecoded(association, id, object.file, syntax);
  if (sent == EC_InvalidStream || sent == EC_CannotChangeRepresentation) {
    link.Break();  // half a message is out: nothing else can be said on this association
    return fail(SendOutcome::kPermanent, object.file.string() + " could not be read to its end");
  }
  T_ASC_PresentationContextID answer_id = 0;
  T_DIMSE_Message answer{};
  DcmDataset* detail = nullptr;
  if (sent.good()) sent = DIMSE_receiveCommand(association, DIMSE_BLOCKING, 0, &answer_id, &answer, &detail);
  delete detail;  // its comment may name a patient: it goes nowhere (promise 8)
  if (sent.bad())
    return fail(SendOutcome::kTransient, NameOf(peer) + ": " + link.Lost(sent) + ", " + subject + " is not confirmed");
  if (answer.CommandField != DIMSE_C_STORE_RSP || answer.msg.CStoreRSP.MessageIDBeingRespondedTo != message_id) {
    link.Break();
    return fail(SendOutcome::kTransient,
                NameOf(peer) + " answered something else than a C-STORE response to " + subject);
  }
  result.status = answer.msg.CStoreRSP.DimseStatus;
  result.text = NameOf(peer) + " answered " + DescribeStatus(result.status) + " to " + subject;
  switch (JudgeStoreStatus(result.status)) {
    case StoreVerdict::kStored:
      result.outcome = SendOutcome::kSent;
      break;
    case StoreVerdict::kTransient:
      result.outcome = SendOutcome::kTransient;
      break;
    case StoreVerdict::kIdentity:
      result.outcome = SendOutcome::kIdentity;
      break;
    case StoreVerdict::kPermanent:
      result.outcome = SendOutcome::kPermanent;
      break;
  }
  return result;
}

// Objects of at most kMaxClasses classes, over one association. Appends one result per object.
void SendBatch(const PeerSettings& peer, const SenderOptions& options, const std::vector<OutgoingObject>& objects,
               const std::vector<std::string>& classes, std::vector<SendResult>& results) {
  SendResult failure;
  PeerLink link(peer, options);
  failure.text = link.Open(classes);
  for (const OutgoingObject& object : objects) {
    if (failure.text.empty())
      results.push_back(StoreOne(link, peer, object));
    else
      results.push_back(failure);
    if (failure.text.empty() && !link.Healthy())
      failure.text = NameOf(peer) + ": not tried, the association had ended at the object before";
  }
}

}  // namespace

std::vector<SendResult> SendObjects(const PeerSettings& peer, const SenderOptions& options,
                                    const std::vector<OutgoingObject>& objects) {
  std::vector<SendResult> results;
  try {
    for (auto next = objects.begin(); next != objects.end();) {
      std::vector<OutgoingObject> batch;
      std::vector<std::string> classes;
      for (; next != objects.end(); ++next) {
        if (std::find(classes.begin(), classes.end(), next->sop_class_uid) == classes.end()) {
          if (classes.size() == kMaxClasses) break;
          classes.push_back(next->sop_class_uid);
        }
        batch.push_back(*next);
      }
      SendBatch(peer, options, batch, classes, results);
    }
  } catch (const std::exception& error) {
    SendResult failure;
    failure.text = NameOf(peer) + ": not sent: " + error.what();
    results.resize(objects.size(), failure);
  }
  return results;
}

EchoResult Echo(const PeerSettings& peer, const SenderOptions& options) {
  try {
    PeerLink link(peer, options);
    const auto start = std::chrono::steady_clock::now();
    if (const std::string why = link.Open({UID_VerificationSOPClass}); !why.empty()) return {false, why};
    if (ASC_countAcceptedPresentationContexts(link.Get()->params) == 0)
      return {false, NameOf(peer) + " does not accept the Verification SOP class"};
    link.Arm();
    DIC_US status = 0;
    DcmDataset* detail = nullptr;
    const OFCondition result = DIMSE_echoUser(link.Get(), link.Get()->nextMsgID++, DIMSE_BLOCKING, 0, &status, &detail);
    delete detail;
    if (result.bad()) return {false, NameOf(peer) + ": " + link.Lost(result)};
    if (status != STATUS_Success) return {false, NameOf(peer) + " answered " + DescribeStatus(status)};
    const auto took = std::chrono::steady_clock::now() - start;
    return {true, "answered in " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()) +
                      " ms"};
  } catch (const std::exception& error) {
    return {false, NameOf(peer) + ": " + error.what()};
  }
}

}  // namespace glionode::dicom
