#pragma once
#include "dicom/receiver.h"
#include "dicom/tls.h"
#include "server/confirmation.h"
#include "server/ingest.h"
#include "server/pipeline.h"
#include "server/result_statistics.h"
#include "storage/study_index.h"

#include <cstdint>
#include <string>
#include <vector>

namespace glionode::server {

/// What is counted, at one moment.
struct MetricsSnapshot {
  std::string version;
  dicom::ReceiverCounters receiver;
  PipelineCounters pipeline;
  bool model_ready = false;
  int jobs_ready = 0;
  storage::StudyCounts studies;
  std::vector<std::pair<std::string, std::int64_t>> outbox;
  std::int64_t free_bytes = 0, min_free_bytes = 0;
  std::int64_t index_memory_bytes = 0;  ///< what SQLite holds
  ResultCounts results;
  double jobs_oldest_seconds = 0, outbox_oldest_seconds = 0;  ///< age of the oldest that waits; 0: none
  std::int64_t started_at_ms = 0;
  IngestCounters ingest = {};
  bool sweeping = false;
  std::vector<dicom::CertificateInfo> certificates = {};
  std::int64_t now_seconds = 0;
  ConfirmationCounters confirmation = {};
  std::int64_t waiting_for_proof = 0;
};

/// Prometheus text format. No label ever holds anything of a patient (promise 8). Pure.
std::string MetricsText(const MetricsSnapshot& snapshot);

}  // namespace glionode::server
