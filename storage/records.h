#pragma once
#include "config/clock.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glionode::storage {

/// What an instance is to us.
enum class InstanceKind {
  kCandidate,  ///< an MR image that may become input
  kOther,      ///< kept, never input
  kOwn,        ///< made by this node and pushed back by a PACS
};

enum class StudyState {
  kReceiving,  ///< accepted, waiting for more or for its quiet time
  kReady,      ///< a job is waiting for the pipeline
  kRunning,    ///< a job is being worked on
  kReported,   ///< the newest revision's result is stored
  kFailed,     ///< a part of ours broke twice; an administrator must look
  kParked,     ///< a person must look: identity
  kIgnored,    ///< no accept rule matches
};

enum class JobState { kReady, kRunning, kDone, kFailed };

enum class OutboxState {
  kPending,    ///< to be sent at next_try
  kSent,       ///< the PACS answered Success
  kConfirmed,  ///< and proved that it holds it
  kDead,       ///< permanent refusal; retried by hand
  kWithdrawn,  ///< never to be sent
  kParked,     ///< the PACS disagrees about the identity
};

std::string_view ToText(InstanceKind kind);
std::string_view ToText(StudyState state);
std::string_view ToText(JobState state);
std::string_view ToText(OutboxState state);
std::optional<InstanceKind> InstanceKindFromText(std::string_view text);
std::optional<StudyState> StudyStateFromText(std::string_view text);
std::optional<JobState> JobStateFromText(std::string_view text);
std::optional<OutboxState> OutboxStateFromText(std::string_view text);

struct InstanceRecord {
  std::string sop_instance_uid, sop_class_uid, series_uid, study_uid, transfer_syntax_uid;
  std::string file;    ///< relative to the data folder
  std::string sha256;  ///< of the data set's bytes
  std::int64_t bytes = 0;
  std::string from_ae;
  WallMs received_at = 0;
  InstanceKind kind = InstanceKind::kOther;
  std::string header_json;  ///< opaque here (dicom::InstanceHeader)
  std::string identity;     ///< opaque comparable text; "" when the object names no patient
  bool current = true;      ///< false: another version of the same UID arrived later
  WallMs removed_at = 0;    ///< when housekeeping removed the file; 0: it is there
  bool takes_back = false;  ///< a rejection note: adding it has its study judged anew; not stored, false when read
};

/// What the current version of an instance is made of.
struct VersionRecord {
  std::string sha256, study_uid, from_ae;
  bool removed = false;  ///< housekeeping has removed its file
};

struct StudyRecord {
  std::string study_uid;
  StudyState state = StudyState::kReceiving;
  std::string from_ae;       ///< the peer that sent it last: results go there
  WallMs first_arrival = 0;  ///< of a candidate image in the present round
  WallMs last_arrival = 0;
  bool accepted = false;
  std::string why;                   ///< rule that accepted, or why ignored, parked, failed, in words
  int revision = 0;                  ///< of the newest stored result
  std::int64_t changes = 0;          ///< grows with each new or changed candidate image; compare and set
  std::int64_t judged_changes = -1;  ///< value of `changes` for which the last job decision was made
};

struct SeriesRoleRecord {
  std::string study_uid, series_uid, role, why, rule, description;
  double score = 0;
  bool chosen = false;
};

struct JobRecord {
  std::int64_t id = 0;
  std::string study_uid, input_key;
  int revision = 0;
  JobState state = JobState::kReady;
  int attempt = 0;
  std::string owner;  ///< process that runs it
  WallMs lease_until = 0;
  std::string inputs_json;  ///< opaque: selected series, files, reasons known before the run
  std::string last_error;
  WallMs created_at = 0;
};

struct ResultRecord {
  std::int64_t id = 0;
  std::int64_t job_id = 0;
  std::string study_uid, input_key;
  int revision = 0;
  std::string decision;
  std::string result_json;  ///< result.json as in the design
  WallMs created_at = 0;
};

/// One encoded object under results/, whether it is to be sent or not.
struct ObjectRecord {
  std::int64_t id = 0;
  std::int64_t result_id = 0;
  std::string sop_class_uid, sop_instance_uid, series_uid;
  std::string file;    ///< relative to the data folder
  std::string sha256;  ///< of the file
  std::string kind;    ///< sr, sc or ko (a rejection note of ours)
};

/// A report that was taken back.
struct WithdrawalRecord {
  std::string study_uid;
  int revision = 0;  ///< this one and all before it
  std::string reason, text;
  WallMs at = 0;
};

struct OutboxRecord {
  std::int64_t id = 0;
  std::int64_t object_id = 0;
  std::string study_uid, peer_ae;
  OutboxState state = OutboxState::kPending;
  int attempts = 0;
  WallMs next_try = 0;
  WallMs created_at = 0;
  std::string last_status;
  ObjectRecord object;  ///< joined, for reading
};

/// A sent row whose peer has still to prove that it keeps the object.
struct ProofRecord {
  OutboxRecord row;
  WallMs ask_at = 0;      ///< not before then it is asked
  WallMs confirm_by = 0;  ///< without proof until then, the same bytes are sent again
  int asked = 0;          ///< how often since the object was sent
};

}  // namespace glionode::storage
