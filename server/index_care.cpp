// App's care for its index: found damaged, it is set aside and made anew from images and results.
#include "config/error.h"
#include "config/log.h"
#include "server/app.h"
#include "server/result_folder.h"
#include "storage/inventory.h"

#include <chrono>
#include <fstream>

namespace glionode::server {
namespace {

using namespace std::chrono_literals;

/// So long a start looks for damage: the rest is looked at while the node works.
constexpr int kStartCheckMs = 700;
constexpr int kDeepCheckMs = 30 * 60 * 1000;
constexpr auto kHousekeepingEvery = 5min;
/// Written when damage is found while the node starts or works, so that the next start needs not find it again.
const char kMarker[] = "index-is-damaged";

}  // namespace

std::filesystem::path App::SoundIndex() {
  const std::filesystem::path file = files_.IndexFile(), marker = files_.Root() / kMarker;
  std::error_code ignored;
  const bool marked = std::filesystem::exists(marker, ignored);
  if (!marked && storage::CheckIndex(file, kStartCheckMs) != storage::IndexHealth::kDamaged) return file;
  const auto aside = storage::SetIndexAside(file);
  std::filesystem::remove(marker, ignored);
  LogError("app", "the index is damaged: it is kept as " + aside.string() +
                      ", and a new one is made from images, results and what is noted beside them");
  return file;
}

void App::RestoreIndex() {
  if (!BeginRestore(files_.Root(), index_.Counts().studies == 0)) {
    NotePauses();
    return;
  }
  for (const auto& [peer, pause] : ReadPauses(files_.Root())) {
    peers_.Pause(peer, pause.why, pause.paused_at);
    LogWarning("app", peer + " was paused before the index was made anew, and stays so until it is resumed");
  }
  const int restored = RestoreResults(files_, database_, clock_.Wall());
  EndRestore(files_.Root());
  if (restored > 0)
    LogWarning("app", std::to_string(restored) +
                          " results were read back into a new index; what is not known to be "
                          "delivered is sent again, the same objects, in 15 minutes");
}

void App::NotePauses() { WritePauses(files_.Root(), peers_.Paused()); }

void App::NoteDamageThatWasMet() {
  if (database_.SawDamage()) MarkDamaged();
}

void App::CheckIndexDeeply() {
  if (storage::CheckIndex(files_.IndexFile(), kDeepCheckMs, &stop_checks_) == storage::IndexHealth::kDamaged)
    MarkDamaged();
}

void App::MarkDamaged() {
  index_damaged_ = true;
  std::ofstream(files_.Root() / kMarker) << "found behind the check at the start; the next start makes a new index\n";
  LogError("app", "the index " + files_.IndexFile().string() + " is damaged: restart the node, which makes a new one");
}

void App::HousekeepingLoop() {
  CheckIndexDeeply();
  while (true) {
    try {
      // The sweep would take what is being removed for images without a row.
      if (!sweeping_) housekeeping_.RunOnce();
    } catch (const std::exception& e) {
      LogError("housekeeping", e.what());
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kHousekeepingEvery, [&] { return stopping_; })) return;
  }
}

}  // namespace glionode::server
