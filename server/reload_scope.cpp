#include "server/reload_scope.h"

namespace glionode::server {

std::vector<std::string> KeysThatNeedRestart(const Settings& running, const Settings& wanted) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* name, const auto& before, const auto& after) {
    if (before != after) keys.emplace_back(name);
  };
  compare("node.ae_title", running.node.ae_title, wanted.node.ae_title);
  compare("node.data_dir", running.node.data_dir, wanted.node.data_dir);
  compare("node.drain_seconds", running.node.drain_seconds, wanted.node.drain_seconds);
  compare("dicom.bind", running.dicom.bind, wanted.dicom.bind);
  compare("dicom.port", running.dicom.port, wanted.dicom.port);
  compare("dicom.max_associations", running.dicom.max_associations, wanted.dicom.max_associations);
  compare("dicom.max_connections", running.dicom.max_connections, wanted.dicom.max_connections);
  compare("dicom.connect_seconds", running.dicom.connect_seconds, wanted.dicom.connect_seconds);
  compare("dicom.idle_seconds", running.dicom.idle_seconds, wanted.dicom.idle_seconds);
  compare("dicom.message_seconds", running.dicom.message_seconds, wanted.dicom.message_seconds);
  compare("dicom.max_instance_bytes", running.dicom.max_instance_bytes, wanted.dicom.max_instance_bytes);
  compare("admin.bind", running.admin.bind, wanted.admin.bind);
  compare("admin.port", running.admin.port, wanted.admin.port);
  compare("admin.show_identity", running.admin.show_identity, wanted.admin.show_identity);
  compare("storage.min_free_gib", running.storage.min_free_gib, wanted.storage.min_free_gib);
  return keys;
}

}  // namespace glionode::server
