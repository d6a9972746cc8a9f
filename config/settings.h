#pragma once
#include "config/report_codes.h"
#include "config/vocabulary.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace glionode {

/// All settings of a node: plain structs with defaults, read once by settings_loader. Each class receives only its own
/// struct, by value. Paths are absolute after loading (relative ones are taken from the configuration's own folder).

struct NodeSettings {
  std::string ae_title = "GLIONODE";
  std::filesystem::path data_dir;
  int drain_seconds = 30;  ///< how long SIGTERM waits for running work
};

struct LogSettings {
  std::string level = "info";   ///< debug, info, warning, error
  std::string format = "text";  ///< text or json
};

/// DICOM under TLS (PS3.15 B.12), on a port of its own. Files are PEM.
struct TlsSettings {
  int port = 2762;                              ///< 0: any free port
  std::filesystem::path certificate;            ///< ours, then the intermediate ones; empty: no TLS
  std::filesystem::path key;                    ///< of `certificate`
  std::filesystem::path ca;                     ///< whom we trust: who calls us and whom we call
  std::string client_certificates = "require";  ///< require or none
  int line = 0;                                 ///< where [dicom.tls] stands in the file
  bool Enabled() const { return !certificate.empty(); }
};

struct DicomSettings {
  std::string bind = "0.0.0.0";
  int port = 11112;   ///< 0: any free port
  bool plain = true;  ///< false: only [dicom.tls] is listened on
  int max_associations = 32;
  int max_connections = 256;  ///< TCP connections, negotiated or not
  int connect_seconds = 10;   ///< from TCP accept to a complete A-ASSOCIATE-RQ
  int idle_seconds = 60;      ///< between two messages of an association
  int message_seconds = 600;  ///< one whole C-STORE with its data set
  std::int64_t max_instance_bytes = std::int64_t{2} << 30;
  std::string compression = "any";  ///< of transfer syntaxes that are accepted: any, lossless, none
  TlsSettings tls;
};

struct StudySettings {
  int quiet_seconds = 60;
  int incomplete_wait_seconds = 3600;
  int max_wait_seconds = 14400;
  bool early_start = false;
  int settle_seconds = 5;
};

struct ModelSettings {
  std::filesystem::path bundle;
  std::string device = "auto";   ///< auto, cpu, cuda, cuda:N
  std::string sha256;            ///< when set, the bundle or its weights must have this hash
  int threads = 0;               ///< CPU threads of the network; 0: all cores
  int time_limit_seconds = 300;  ///< for one attempt at one job
  int memory_limit_mib = 6144;   ///< of the worker's own memory (RLIMIT_DATA); 0: no limit
};

struct AdminSettings {
  std::string bind = "127.0.0.1";
  int port = 8080;                                     ///< 0: any free port
  std::filesystem::path certificate, key, token_file;  ///< PEM; required when bind is no loopback address
  std::vector<std::string> hosts;                      ///< further names that browsers call the node by
  bool show_identity = false;                          ///< patient name and ID on the page
};

struct StorageSettings {
  double min_free_gib = 5;
  std::int64_t MinFreeBytes() const { return static_cast<std::int64_t>(min_free_gib * 1024 * 1024 * 1024); }
};

/// What is removed when. Nothing of a study goes while something is still to be sent for it.
struct HousekeepingSettings {
  int keep_images_days = 30;    ///< after the last image came; 0: age removes nothing
  double free_gib = 10;         ///< below this much free disk the oldest images go first; 0: space removes nothing
  int keep_records_years = 10;  ///< results, reports and what they rest on; 0: for ever
  std::int64_t FreeBytes() const { return static_cast<std::int64_t>(free_gib * 1024 * 1024 * 1024); }
};

/// Where audit messages (PS3.15 A.5) go beside the protected file in the data folder.
struct AuditSettings {
  int max_file_mib = 64;         ///< then a new file is begun
  int keep_files = 100;          ///< older ones are removed
  std::string syslog;            ///< "udp://host:514", "tcp://host:601", "tls://host:6514", or "": no collector
  std::filesystem::path tls_ca;  ///< certificates that the collector's must come from; empty: the system's
};

struct PeerSettings {
  std::string ae_title;
  std::string host;  ///< destination of results; never the TCP peer's address
  int port = 104;
  bool tls = false;                ///< results go to it under TLS
  std::vector<std::string> from;   ///< addresses, CIDR ranges or names it may call from; default: host, or, for a peer
                                   ///< bound to a certificate, any (then this is empty)
  std::string certificate_sha256;  ///< fingerprint of the certificate that it must show, 64 lower-case digits; or
  std::string certificate_name;    ///< a name that its certificate must bear (CN, or DNS name)
  std::string deliver;             ///< "all" or "none"; no default
  std::string sr_class = "auto";   ///< auto, comprehensive3d, comprehensive, enhanced
  std::string confirm = "none";    ///< none, commitment, find
  int confirm_seconds = 3600;      ///< without proof after so long, results are sent again
  int max_jobs_per_hour = 0;       ///< of its studies; 0: no limit
  std::vector<std::string> formerly;  ///< AE titles it had before: what was not sent to those goes to it

  bool IsBoundToCertificate() const { return !certificate_sha256.empty() || !certificate_name.empty(); }
};

/// One [[accept]] rule: every condition must hold.
struct AcceptRule {
  std::map<std::string, std::string>
      matches;           ///< DICOM keyword -> ECMAScript regular expression; (?i) in front: case is ignored
  std::string peer;      ///< calling AE title; empty: any
  int max_age_days = 0;  ///< StudyDate not older than this; 0: any age
  int line = 0;          ///< where it stands in the file
};

/// Numbers from min to max, both included; a side that is left out is open. At least one is there.
struct NumberRange {
  std::optional<double> min, max;
};

/// What one attribute must hold: a regular expression (dialect: config/attribute_pattern.h), or a number in a range, in
/// the unit of the attribute (RepetitionTime: ms). Of several values the first counts for a range.
using AttributeCondition = std::variant<std::string, NumberRange>;

/// One [[role]] rule of the site: a series that fulfils every condition has the role, whatever the general rules say.
struct RoleRule {
  Role role = Role::kNone;                            ///< t1, t2, t1ce or none
  std::map<std::string, AttributeCondition> matches;  ///< DICOM keyword -> condition; at least one
  std::string peer;                                   ///< calling AE title; empty: any
  int line = 0;                                       ///< where it stands in the file
};

struct Settings {
  NodeSettings node;
  LogSettings log;
  DicomSettings dicom;
  StudySettings study;
  ModelSettings model;
  AdminSettings admin;
  StorageSettings storage;
  ReportCodes codes;
  HousekeepingSettings housekeeping;
  AuditSettings audit;
  std::vector<PeerSettings> peers;
  std::vector<AcceptRule> accept;
  std::vector<RoleRule> roles;  ///< in file order: the first that fits decides
};

}  // namespace glionode
