#pragma once
#include "config/setting_reader.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace glionode {

/// Internal to config/: the one table of all keys that a configuration may hold. The loader reads by it, suggestions
/// come from it, and a test compares glionode.example.toml with it.

template <typename Struct>
struct SettingKey {
  std::string_view name;
  bool required;
  /// Reads the value into the struct; false after a mistake (already reported).
  bool (*read)(SettingReader& reader, const std::string& name, const toml::node& node, Struct& into);
};

#define GLIONODE_KEY(Struct, key, required, call)                                                                      \
  SettingKey<Struct> {                                                                                                 \
#key, required, [](SettingReader & r, const std::string& name, const toml::node& node, Struct& s) { return call; } \
  }

constexpr int kDaySeconds = 86400;

inline constexpr SettingKey<NodeSettings> kNodeKeys[] = {
    GLIONODE_KEY(NodeSettings, ae_title, false, r.ReadAeTitle(name, node, s.ae_title)),
    GLIONODE_KEY(NodeSettings, data_dir, true, r.ReadPath(name, node, s.data_dir)),
    GLIONODE_KEY(NodeSettings, drain_seconds, false, r.ReadInt(name, node, s.drain_seconds, 0, 3600)),
};

inline constexpr SettingKey<LogSettings> kLogKeys[] = {
    GLIONODE_KEY(LogSettings, level, false, r.ReadChoice(name, node, s.level, {"debug", "info", "warning", "error"})),
    GLIONODE_KEY(LogSettings, format, false, r.ReadChoice(name, node, s.format, {"text", "json"})),
};

inline constexpr SettingKey<DicomSettings> kDicomKeys[] = {
    GLIONODE_KEY(DicomSettings, bind, false, r.ReadBindAddress(name, node, s.bind)),
    GLIONODE_KEY(DicomSettings, port, false, r.ReadInt(name, node, s.port, 0, 65535)),
    GLIONODE_KEY(DicomSettings, plain, false, r.ReadBool(name, node, s.plain)),
    GLIONODE_KEY(DicomSettings, max_associations, false, r.ReadInt(name, node, s.max_associations, 1, 1000)),
    GLIONODE_KEY(DicomSettings, max_connections, false, r.ReadInt(name, node, s.max_connections, 1, 10000)),
    GLIONODE_KEY(DicomSettings, connect_seconds, false, r.ReadInt(name, node, s.connect_seconds, 1, 600)),
    GLIONODE_KEY(DicomSettings, idle_seconds, false, r.ReadInt(name, node, s.idle_seconds, 1, kDaySeconds)),
    GLIONODE_KEY(DicomSettings, message_seconds, false, r.ReadInt(name, node, s.message_seconds, 1, kDaySeconds)),
    GLIONODE_KEY(DicomSettings, max_instance_bytes, false,
                 r.ReadInt(name, node, s.max_instance_bytes, std::int64_t{1} << 20, std::int64_t{1} << 40)),
    GLIONODE_KEY(DicomSettings, compression, false,
                 r.ReadChoice(name, node, s.compression, {"any", "lossless", "none"})),
};

inline constexpr SettingKey<TlsSettings> kTlsKeys[] = {
    GLIONODE_KEY(TlsSettings, port, false, r.ReadInt(name, node, s.port, 0, 65535)),
    GLIONODE_KEY(TlsSettings, certificate, true, r.ReadFile(name, node, s.certificate)),
    GLIONODE_KEY(TlsSettings, key, true, r.ReadFile(name, node, s.key)),
    GLIONODE_KEY(TlsSettings, ca, false, r.ReadFile(name, node, s.ca)),
    GLIONODE_KEY(TlsSettings, client_certificates, false,
                 r.ReadChoice(name, node, s.client_certificates, {"require", "none"})),
};

inline constexpr SettingKey<StudySettings> kStudyKeys[] = {
    GLIONODE_KEY(StudySettings, quiet_seconds, false, r.ReadInt(name, node, s.quiet_seconds, 0, kDaySeconds)),
    GLIONODE_KEY(StudySettings, incomplete_wait_seconds, false,
                 r.ReadInt(name, node, s.incomplete_wait_seconds, 0, 7 * kDaySeconds)),
    GLIONODE_KEY(StudySettings, max_wait_seconds, false, r.ReadInt(name, node, s.max_wait_seconds, 1, 7 * kDaySeconds)),
    GLIONODE_KEY(StudySettings, early_start, false, r.ReadBool(name, node, s.early_start)),
    GLIONODE_KEY(StudySettings, settle_seconds, false, r.ReadInt(name, node, s.settle_seconds, 0, 3600)),
};

inline bool ReadDevice(SettingReader& reader, const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  const std::string_view word = text ? std::string_view(text->get()) : std::string_view();
  const std::string_view number = word.substr(0, 5) == "cuda:" ? word.substr(5) : std::string_view();
  const bool numbered =
      !number.empty() && number.size() <= 3 && number.find_first_not_of("0123456789") == std::string_view::npos;
  if (numbered) {
    out = word;
    return true;
  }
  return reader.ReadChoice(name, node, out, {"auto", "cpu", "cuda", "cuda:0"});
}

inline bool ReadSha256(SettingReader& reader, const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  if (text && text->get().size() == 64 && text->get().find_first_not_of("0123456789abcdef") == std::string::npos) {
    out = text->get();
    return true;
  }
  reader.Error(node.source(), name + ": expected a SHA-256 of 64 lower-case hexadecimal digits");
  return false;
}

inline bool ReadMemoryLimit(SettingReader& reader, const std::string& name, const toml::node& node, int& out) {
  if (!reader.ReadInt(name, node, out, 0, 1048576)) return false;
  if (out == 0 || out >= 1024) return true;
  reader.Error(node.source(), name + ": below 1024 MiB no study can be evaluated; 0 is no limit");
  return false;
}

inline constexpr SettingKey<ModelSettings> kModelKeys[] = {
    GLIONODE_KEY(ModelSettings, bundle, true, r.ReadPath(name, node, s.bundle)),
    GLIONODE_KEY(ModelSettings, device, false, ReadDevice(r, name, node, s.device)),
    GLIONODE_KEY(ModelSettings, sha256, false, ReadSha256(r, name, node, s.sha256)),
    GLIONODE_KEY(ModelSettings, threads, false, r.ReadInt(name, node, s.threads, 0, 1024)),
    GLIONODE_KEY(ModelSettings, time_limit_seconds, false, r.ReadInt(name, node, s.time_limit_seconds, 1, kDaySeconds)),
    GLIONODE_KEY(ModelSettings, memory_limit_mib, false, ReadMemoryLimit(r, name, node, s.memory_limit_mib)),
};

inline constexpr SettingKey<AdminSettings> kAdminKeys[] = {
    GLIONODE_KEY(AdminSettings, bind, false, r.ReadBindAddress(name, node, s.bind)),
    GLIONODE_KEY(AdminSettings, port, false, r.ReadInt(name, node, s.port, 0, 65535)),
    GLIONODE_KEY(AdminSettings, certificate, false, r.ReadPath(name, node, s.certificate)),
    GLIONODE_KEY(AdminSettings, key, false, r.ReadPath(name, node, s.key)),
    GLIONODE_KEY(AdminSettings, token_file, false, r.ReadPath(name, node, s.token_file)),
    GLIONODE_KEY(AdminSettings, hosts, false, r.ReadHosts(name, node, s.hosts)),
    GLIONODE_KEY(AdminSettings, show_identity, false, r.ReadBool(name, node, s.show_identity)),
};

inline constexpr SettingKey<StorageSettings> kStorageKeys[] = {
    GLIONODE_KEY(StorageSettings, min_free_gib, false, r.ReadNumber(name, node, s.min_free_gib, 0, 1000000)),
};

inline constexpr SettingKey<HousekeepingSettings> kHousekeepingKeys[] = {
    GLIONODE_KEY(HousekeepingSettings, keep_images_days, false, r.ReadInt(name, node, s.keep_images_days, 0, 36500)),
    GLIONODE_KEY(HousekeepingSettings, free_gib, false, r.ReadNumber(name, node, s.free_gib, 0, 1000000)),
    GLIONODE_KEY(HousekeepingSettings, keep_records_years, false, r.ReadInt(name, node, s.keep_records_years, 0, 1000)),
};

inline bool ReadSyslog(SettingReader& reader, const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  const std::string value = text ? text->get() : std::string();
  const std::size_t colon = value.rfind(':');
  const bool scheme = value.rfind("udp://", 0) == 0 || value.rfind("tcp://", 0) == 0 || value.rfind("tls://", 0) == 0;
  const std::string port = colon == std::string::npos ? std::string() : value.substr(colon + 1);
  const bool good = scheme && colon > 6 && !port.empty() && port.size() <= 5 &&
                    port.find_first_not_of("0123456789") == std::string::npos && std::stoi(port) >= 1 &&
                    std::stoi(port) <= 65535 && value.find_first_of(" /", 6) == std::string::npos;
  if (good) {
    out = value;
    return true;
  }
  reader.Error(node.source(), name + ": expected \"udp://host:514\", \"tcp://host:601\" or \"tls://host:6514\"");
  return false;
}

inline constexpr SettingKey<AuditSettings> kAuditKeys[] = {
    GLIONODE_KEY(AuditSettings, max_file_mib, false, r.ReadInt(name, node, s.max_file_mib, 1, 100000)),
    GLIONODE_KEY(AuditSettings, keep_files, false, r.ReadInt(name, node, s.keep_files, 1, 100000)),
    GLIONODE_KEY(AuditSettings, syslog, false, ReadSyslog(r, name, node, s.syslog)),
    GLIONODE_KEY(AuditSettings, tls_ca, false, r.ReadPath(name, node, s.tls_ca)),
};

inline constexpr SettingKey<ReportCodes> kCodesKeys[] = {
    GLIONODE_KEY(ReportCodes, finding, false, r.ReadCode(name, node, s.finding)),
    GLIONODE_KEY(ReportCodes, finding_site, false, r.ReadCode(name, node, s.finding_site)),
    GLIONODE_KEY(ReportCodes, region, false, r.ReadCode(name, node, s.region)),
    GLIONODE_KEY(ReportCodes, recurrence, false, r.ReadCode(name, node, s.recurrence)),
    GLIONODE_KEY(ReportCodes, necrosis, false, r.ReadCode(name, node, s.necrosis)),
    GLIONODE_KEY(ReportCodes, indeterminate, false, r.ReadCode(name, node, s.indeterminate)),
    GLIONODE_KEY(ReportCodes, not_evaluable, false, r.ReadCode(name, node, s.not_evaluable)),
    GLIONODE_KEY(ReportCodes, procedure, false, r.ReadCode(name, node, s.procedure)),
};

/// As `openssl x509 -fingerprint -sha256` prints it, with colons and capitals, or plain.
inline bool ReadFingerprint(SettingReader& reader, const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  std::string digits;
  for (const char c : text ? text->get() : std::string())
    if (c != ':') digits += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  if (digits.size() == 64 && digits.find_first_not_of("0123456789abcdef") == std::string::npos) {
    out = digits;
    return true;
  }
  reader.Error(
      node.source(),
      name + ": expected a SHA-256 fingerprint as openssl x509 -noout -fingerprint -sha256 -in FILE prints it");
  return false;
}

inline constexpr SettingKey<PeerSettings> kPeerKeys[] = {
    GLIONODE_KEY(PeerSettings, ae_title, true, r.ReadAeTitle(name, node, s.ae_title)),
    GLIONODE_KEY(PeerSettings, host, true, r.ReadHost(name, node, s.host)),
    GLIONODE_KEY(PeerSettings, port, false, r.ReadInt(name, node, s.port, 1, 65535)),
    GLIONODE_KEY(PeerSettings, tls, false, r.ReadBool(name, node, s.tls)),
    GLIONODE_KEY(PeerSettings, certificate_sha256, false, ReadFingerprint(r, name, node, s.certificate_sha256)),
    GLIONODE_KEY(PeerSettings, certificate_name, false, r.ReadText(name, node, s.certificate_name)),
    GLIONODE_KEY(PeerSettings, from, false, r.ReadSources(name, node, s.from)),
    GLIONODE_KEY(PeerSettings, deliver, true, r.ReadChoice(name, node, s.deliver, {"all", "none"})),
    GLIONODE_KEY(PeerSettings, sr_class, false,
                 r.ReadChoice(name, node, s.sr_class, {"auto", "comprehensive3d", "comprehensive", "enhanced"})),
    GLIONODE_KEY(PeerSettings, confirm, false, r.ReadChoice(name, node, s.confirm, {"none", "commitment", "find"})),
    GLIONODE_KEY(PeerSettings, confirm_seconds, false, r.ReadInt(name, node, s.confirm_seconds, 1, 7 * kDaySeconds)),
    GLIONODE_KEY(PeerSettings, max_jobs_per_hour, false, r.ReadInt(name, node, s.max_jobs_per_hour, 0, 100000)),
    GLIONODE_KEY(PeerSettings, formerly, false, r.ReadAeTitles(name, node, s.formerly)),
};

/// Beside these, any DICOM keyword (AcceptRule::matches).
inline constexpr SettingKey<AcceptRule> kAcceptKeys[] = {
    GLIONODE_KEY(AcceptRule, peer, false, r.ReadAeTitle(name, node, s.peer)),
    GLIONODE_KEY(AcceptRule, max_age_days, false, r.ReadInt(name, node, s.max_age_days, 0, 36500)),
};

inline bool ReadRole(SettingReader& reader, const std::string& name, const toml::node& node, Role& out) {
  std::string word;
  // t1ce first: of two words as near, the first is suggested, and who writes t1c means t1ce.
  if (!reader.ReadChoice(name, node, word, {"t1ce", "t1", "t2", "none"})) return false;
  out = *RoleFromText(word);
  return true;
}

/// Beside these, any DICOM keyword (RoleRule::matches).
inline constexpr SettingKey<RoleRule> kRoleKeys[] = {
    GLIONODE_KEY(RoleRule, role, true, ReadRole(r, name, node, s.role)),
    GLIONODE_KEY(RoleRule, peer, false, r.ReadAeTitle(name, node, s.peer)),
};

#undef GLIONODE_KEY

/// Keywords (PS3.6) that rules usually name: only for suggestions, any other keyword is taken as well.
inline constexpr std::string_view kUsualKeywords[] = {
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "Modality",
    "BodyPartExamined",
    "RequestedProcedureDescription",
    "RequestedProcedureID",
    "AccessionNumber",
    "InstitutionName",
    "StationName",
    "Manufacturer",
    "ManufacturerModelName",
    "ReferringPhysicianName",
    "PerformedProcedureStepDescription",
    "ProcedureCodeSequence",
    "CodeValue",
    "CodeMeaning",
    "StudyID",
    "PatientID",
    "PatientSex",
    "PatientAge",
    "StudyDate",
    "SeriesDate",
    "ImageType",
    "SeriesNumber",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "EchoTrainLength",
    "EchoNumbers",
    "ScanningSequence",
    "SequenceVariant",
    "SequenceName",
    "PulseSequenceName",
    "ScanOptions",
    "MRAcquisitionType",
    "MagneticFieldStrength",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ContrastBolusAgent",
    "ContrastBolusVolume",
    "AcquisitionContrast",
    "DiffusionBValue",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "Rows",
    "Columns",
};

}  // namespace glionode
