#pragma once
#include "config/error.h"
#include "inference/networks/bundle.h"
#include "inference/networks/file_io.h"
#include "inference/networks/random.h"
#include "inference/networks/training.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace glionode::networks {

/// A folder of this test alone, removed at its end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "glionode-net-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& Path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string Slurp(const std::filesystem::path& file) { return ReadWholeFile(file, std::uint64_t{1} << 30); }
inline void Spill(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

/// The sentence of the Error that `work` throws, with its code; empty if it throws none.
template <typename Work>
std::string ErrorOf(Work work, ErrorCode* code = nullptr) {
  try {
    work();
  } catch (const Error& error) {
    if (code) *code = error.Code();
    return error.what();
  }
  return "";
}

inline BundleInfo ToyInfo(int shape = 16, double width = 0.0625, const std::string& layout = "dilated") {
  BundleInfo info;
  info.name = "toy";
  info.version = "0.1.0";
  info.license = "Apache-2.0";
  info.intended_use = "tests";
  info.domain = "phantom";
  info.network.width = width;
  info.network.layout = layout;
  info.shape = shape;
  info.spacing_mm = 192.0 / shape;
  return info;
}

/// Noise with a bright (necrosis) or dark (recurrence) block in the middle of the third channel.
inline std::vector<TensorCase> ToyCohort(const std::filesystem::path& folder, int count, int shape = 16,
                                         std::uint64_t seed = 5) {
  std::vector<TensorCase> cases;
  for (int i = 0; i < count; ++i) {
    SplitMix64 random(DeriveSeed(seed, i));
    const bool necrosis = i % 2 == 1;
    std::vector<float> tensor;
    for (int c = 0; c < 3; ++c)
      for (int z = 0; z < shape; ++z)
        for (int y = 0; y < shape; ++y)
          for (int x = 0; x < shape; ++x) {
            const auto central = [&](int v) { return v >= shape / 3 && v < shape - shape / 3; };
            float value = static_cast<float>(random.Between(-1, 1));
            if (c == 2 && central(z) && central(y) && central(x)) value += necrosis ? 1.5f : -1.5f;
            tensor.push_back(value);
          }
    const auto file = folder / ("case" + std::to_string(i) + ".tensor");
    WriteTensorFile(file, tensor);
    cases.push_back(
        {file, "study" + std::to_string(i), "patient" + std::to_string(i), necrosis ? "necrosis" : "recurrence"});
  }
  return cases;
}

inline TrainingOptions ToyOptions() {
  TrainingOptions options;
  options.epochs = 6;
  options.seed = 11;
  options.learning_rate = 5e-3;
  options.batch = 4;
  options.threads = 1;
  options.device = "cpu";
  return options;
}

}  // namespace glionode::networks
