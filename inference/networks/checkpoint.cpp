#include "inference/networks/checkpoint.h"

#include "config/error.h"
#include "inference/networks/device.h"
#include "inference/networks/file_io.h"

#include <nlohmann/json.hpp>

#include <sstream>

namespace glionode::networks {

void SaveCheckpoint(const std::filesystem::path& file, const TrainingState& state, const Trainer& trainer) {
  const nlohmann::json json = {{"fingerprint", state.fingerprint},
                               {"run", state.run},
                               {"epoch", state.epoch},
                               {"held_out", HeldOutText(state.held_out)},
                               {"curve", CurvesText(state.curve)}};
  torch::serialize::OutputArchive archive;
  archive.write("state", c10::IValue(json.dump()));
  trainer.Save(archive);
  std::ostringstream stream;
  archive.save_to(stream);
  WriteFileAtomically(file, stream.str());
}

Checkpoint::Checkpoint(const std::filesystem::path& file) : file_(file) {
  std::istringstream stream(ReadWholeFile(file, std::uint64_t{4} << 30));
  try {
    archive_.load_from(stream);
    c10::IValue text;
    archive_.read("state", text);
    const auto json = nlohmann::json::parse(text.toStringRef());
    state_ = {json.at("fingerprint"), json.at("run"), json.at("epoch"), HeldOutFromText(json.at("held_out")),
              CurvesFromText(json.at("curve"))};
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kBadDataset, file.string() + ": the checkpoint cannot be read (" + TorchErrorText(error) +
                                            "); delete it or train without --resume");
  }
}

void Checkpoint::Restore(Trainer& trainer) {
  try {
    trainer.Load(archive_);
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::kBadDataset,
                file_.string() + ": the checkpoint does not fit (" + TorchErrorText(error) + ")");
  }
}

}  // namespace glionode::networks
