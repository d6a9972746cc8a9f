#include "server/reload_scope.h"

namespace glionode::server {

std::vector<std::string> KeysThatNeedRestart(const Settings& running, const Settings& wanted) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* name, const auto& before, const auto& after) {
    if (before != after) keys.emplace_back(name);
  };
  compare("node.ae_title", running.node.ae_title, wanted.node.ae_title);
  compare("node.data_dir", running.node.data_dir, wanted.node.data_dir);
  compare("dicom.bind", running.dicom.bind, wanted.dicom.bind);
  compare("dicom.port", running.dicom.port, wanted.dicom.port);
  compare("dicom.plain", running.dicom.plain, wanted.dicom.plain);
  compare("dicom.tls.certificate", running.dicom.tls.Enabled(), wanted.dicom.tls.Enabled());
  compare("dicom.tls.port", running.dicom.tls.port, wanted.dicom.tls.port);
  compare("admin.bind", running.admin.bind, wanted.admin.bind);
  compare("admin.port", running.admin.port, wanted.admin.port);
  compare("audit.max_file_mib", running.audit.max_file_mib, wanted.audit.max_file_mib);
  compare("audit.keep_files", running.audit.keep_files, wanted.audit.keep_files);
  compare("audit.syslog", running.audit.syslog, wanted.audit.syslog);
  compare("audit.tls_ca", running.audit.tls_ca, wanted.audit.tls_ca);
  return keys;
}

}  // namespace glionode::server
