// Runs a fuzz target over files and folders that are named on the command line, without libFuzzer: seeds, and what
// fuzzing has found before. A folder that is not there holds nothing.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  try {
    std::vector<fs::path> files;
    for (int i = 1; i < argc; ++i) {
      if (fs::is_regular_file(argv[i])) files.emplace_back(argv[i]);
      if (!fs::is_directory(argv[i])) continue;
      for (const auto& entry : fs::recursive_directory_iterator(argv[i]))
        if (entry.is_regular_file()) files.push_back(entry.path());
    }
    for (const fs::path& file : files) {
      std::ifstream in(file, std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
      std::printf("%s (%zu bytes)\n", file.filename().c_str(), bytes.size());
      std::fflush(stdout);  // a crash must show its file
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
    std::printf("%zu inputs\n", files.size());
    return files.empty() ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
