#include "server/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>

namespace glionode::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
 public:
  void Add(MetricType type, const std::string& name, const std::string& help, double value,
           const std::string& label = {}, const std::string& label_value = {}) {
    if (families_.empty() || families_.back().name != name) families_.push_back({name, help, type, {}});
    ClientMetric metric;
    if (!label.empty()) metric.label.push_back({label, label_value});
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    families_.back().metric.push_back(std::move(metric));
  }
  /// Cumulated, as the format wants it.
  void AddHistogram(const std::string& name, const std::string& help, const StageTimes& times, const std::string& label,
                    const std::string& label_value) {
    if (families_.empty() || families_.back().name != name)
      families_.push_back({name, help, MetricType::Histogram, {}});
    ClientMetric metric;
    metric.label.push_back({label, label_value});
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < times.counts.size(); ++i) {
      count += times.counts[i];
      metric.histogram.bucket.push_back(
          {count, i < kStageBuckets.size() ? kStageBuckets[i] : std::numeric_limits<double>::infinity()});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = times.sum_seconds;
    families_.back().metric.push_back(std::move(metric));
  }
  const std::vector<MetricFamily>& All() const { return families_; }

 private:
  std::vector<MetricFamily> families_;
};

double Number(std::uint64_t value) { return static_cast<double>(value); }

}  // namespace

std::string MetricsText(const MetricsSnapshot& snapshot) {
  Families out;
  const auto counter = MetricType::Counter, gauge = MetricType::Gauge;
  out.Add(gauge, "glionode_build_info", "Version of the running program.", 1, "version", snapshot.version);
  const auto& receiver = snapshot.receiver;
  out.Add(counter, "glionode_associations_total", "Associations accepted.", Number(receiver.associations));
  out.Add(gauge, "glionode_associations_open", "Associations open now.", Number(receiver.open_associations));
  out.Add(gauge, "glionode_connections_open", "TCP connections open now, negotiated or not.",
          Number(receiver.open_connections));
  out.Add(counter, "glionode_echoes_total", "C-ECHO requests answered.", Number(receiver.echoes));
  out.Add(counter, "glionode_instances_received_total", "C-STORE requests answered with Success.",
          Number(receiver.instances));
  out.Add(counter, "glionode_instance_bytes_total", "Data set bytes received.", Number(receiver.bytes));
  out.Add(counter, "glionode_store_failures_total", "C-STORE requests answered with a failure.",
          Number(receiver.failures));
  out.Add(counter, "glionode_resends_total", "Instances that came again with the same bytes; nothing changed.",
          Number(snapshot.ingest.resends));
  out.Add(counter, "glionode_instance_versions_total", "Instances that came again with other bytes; both are kept.",
          Number(snapshot.ingest.versions));
  out.Add(counter, "glionode_instance_conflicts_total", "Of those, instances whose other bytes came from another peer.",
          Number(snapshot.ingest.conflicts));
  out.Add(gauge, "glionode_sweep_running", "1 while stored instances without a row in the index are looked for.",
          snapshot.sweeping ? 1 : 0);
  for (const auto& [reason, count] : receiver.refusals)
    out.Add(counter, "glionode_refusals_total", "Callers refused, by reason.", Number(count), "reason", reason);
  const auto& pipeline = snapshot.pipeline;
  out.Add(counter, "glionode_jobs_done_total", "Jobs with a stored result.", Number(pipeline.jobs_done));
  out.Add(counter, "glionode_jobs_failed_total", "Jobs given up after two attempts.", Number(pipeline.jobs_failed));
  out.Add(counter, "glionode_job_retries_total", "Jobs tried once more.", Number(pipeline.retries));
  out.Add(counter, "glionode_cpu_reruns_total", "Jobs run again on the CPU after a GPU failure.",
          Number(pipeline.cpu_reruns));
  for (const auto& [decision, count] : snapshot.results.decisions)
    out.Add(counter, "glionode_results_total", "Results by decision.", Number(count), "decision", decision);
  // Out-of-domain rate: the reason out_of_domain (or phantom_model) over all results.
  for (const auto& [reason, count] : snapshot.results.reasons)
    out.Add(counter, "glionode_result_reasons_total", "Results by each reason that they name.", Number(count), "reason",
            reason);
  for (const auto& [stage, times] : snapshot.results.stages)
    out.AddHistogram("glionode_stage_seconds", "Time of each stage of an evaluation.", times, "stage", stage);
  out.Add(gauge, "glionode_last_job_seconds", "Duration of the last job.", pipeline.last_job_ms / 1000);
  out.Add(gauge, "glionode_jobs_ready", "Jobs waiting.", snapshot.jobs_ready);
  out.Add(gauge, "glionode_jobs_oldest_seconds", "How long the oldest waiting job has waited; 0 when none waits.",
          snapshot.jobs_oldest_seconds);
  out.Add(gauge, "glionode_outbox_oldest_seconds", "How long the oldest unsent object has waited; 0 when none waits.",
          snapshot.outbox_oldest_seconds);
  out.Add(gauge, "glionode_model_ready", "1 when the bundle has proven itself.", snapshot.model_ready ? 1 : 0);
  out.Add(gauge, "glionode_instances", "Instances in the index.", static_cast<double>(snapshot.studies.instances));
  for (const auto& [state, count] : snapshot.studies.by_state)
    out.Add(gauge, "glionode_studies", "Studies by state.", static_cast<double>(count), "state", state);
  for (const auto& [state, count] : snapshot.outbox)
    out.Add(gauge, "glionode_outbox", "Outbox rows by state.", static_cast<double>(count), "state", state);
  const std::string proofs_help = "Objects about which a PACS was asked for proof of storage, by outcome.";
  out.Add(counter, "glionode_proofs_total", proofs_help, Number(snapshot.confirmation.confirmed), "outcome",
          "confirmed");
  out.Add(counter, "glionode_proofs_total", proofs_help, Number(snapshot.confirmation.denied), "outcome", "denied");
  out.Add(counter, "glionode_proofs_total", proofs_help, Number(snapshot.confirmation.timed_out), "outcome",
          "timed_out");
  out.Add(gauge, "glionode_outbox_unproven", "Objects that were sent and wait for the PACS's proof of storage.",
          static_cast<double>(snapshot.waiting_for_proof));
  out.Add(gauge, "glionode_free_bytes", "Free space of the data folder.", static_cast<double>(snapshot.free_bytes));
  out.Add(gauge, "glionode_min_free_bytes", "Below this much free space new images are refused.",
          static_cast<double>(snapshot.min_free_bytes));
  out.Add(gauge, "glionode_index_memory_bytes", "Memory of the index: caches that grow with it, up to a bound.",
          static_cast<double>(snapshot.index_memory_bytes));
  out.Add(gauge, "glionode_start_time_seconds", "When the node started, seconds since 1970.",
          static_cast<double>(snapshot.started_at_ms) / 1000);
  // Of several trusted ones, the one that expires first: their names are the site's own business.
  std::map<std::string, int> days_left;
  for (const auto& certificate : snapshot.certificates) {
    const int days = certificate.DaysLeft(snapshot.now_seconds);
    const auto [entry, is_new] = days_left.emplace(certificate.use, days);
    if (!is_new) entry->second = std::min(entry->second, days);
  }
  for (const auto& [use, days] : days_left)
    out.Add(gauge, "glionode_certificate_days_left",
            "Whole days until the certificate for TLS expires; negative when it has.", days, "use", use);
  return prometheus::TextSerializer().Serialize(out.All());
}

}  // namespace glionode::server
