#pragma once
#include "server/admin_routes.h"
#include "storage/jobs.h"
#include "storage/listing.h"
#include "storage/outbox.h"
#include "storage/study_index.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace glionode::server {

/// Studies and outbox as the API shows them: for the running node, and for the command line over the data folder of a
/// stopped one. Reads only. Threads: any.
class IndexView : public IndexQueries {
 public:
  /// All must outlive this object. `show_identity`: patient name, ID and birth date are shown.
  IndexView(const storage::StudyIndex& index, const storage::Jobs& jobs, const storage::Outbox& outbox,
            const storage::Listing& listing, bool show_identity)
      : index_(index), jobs_(jobs), outbox_(outbox), listing_(listing), show_identity_(show_identity) {}

  nlohmann::json Studies(const StudyQuery& query) const override;
  std::optional<nlohmann::json> Study(const std::string& study_uid) const override;
  nlohmann::json Outbox(const OutboxQuery& query) const override;

 private:
  const storage::StudyIndex& index_;
  const storage::Jobs& jobs_;
  const storage::Outbox& outbox_;
  const storage::Listing& listing_;
  bool show_identity_;
};

}  // namespace glionode::server
