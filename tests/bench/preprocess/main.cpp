// Headers to network input: time, memory and accuracy, beside elastix.
#include "dicom/pixel_decoder.h"
#include "tests/bench/bench_report.h"
#include "tests/bench/preprocess/accuracy.h"
#include "tests/bench/preprocess/stage.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    "bench_preprocess OUT.json [--data DIR] [--work DIR] [--draws N] [--only speed|real|phantoms|foreign]\n"
    "  DIR holds tcga-fg-6692 (without it the real study is left out); the draws are of random moves.\n";

struct Options {
  fs::path out, data = GLIONODE_SOURCE_DIR "/../shared/data", work;
  int draws = 30;
  std::string only;
};

int Bench(const std::string& self, const Options& options) {
  using namespace glionode::bench;
  std::vector<Row> rows;
  const fs::path real = options.data / "tcga-fg-6692", large = options.work / "large";
  const bool has_real = fs::exists(real);
  const auto wanted = [&](const char* part) { return options.only.empty() || options.only == part; };
  // Speed first: this process is small then, and the machine is cool.
  if (wanted("speed")) {
    if (has_real) MeasureStage(self, "real study", real, options.work / "real-speed", 2500, rows);
    if (RunProgram({self, "large", large.string()}, options.work / "large.txt").status != 0) return 1;
    MeasureStage(self, "3 x 256x256x192", large, options.work / "large-speed", 5000, rows);
  }
  if (wanted("real") && has_real) MeasureRealStudy(real, options.draws, options.work / "real-accuracy", rows);
  if (wanted("phantoms")) MeasurePhantoms(options.draws, options.work / "phantoms", rows);
  if (wanted("foreign")) MeasureForeign(real, options.draws, rows);
  if (!has_real) std::printf("The real study is not here (%s): its rows are left out.\n", real.c_str());
  return Report(rows, options.out) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace glionode;
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  try {
    dicom::RegisterCodecs();
    const std::string self = fs::read_symlink("/proc/self/exe").string();
    const std::string first = argc > 1 ? argv[1] : "";
    if (first == "stage" && argc == 3) return bench::RunStage(argv[2]);
    if (first == "export" && argc == 4) return bench::ExportStudy(argv[2], argv[3]);
    if (first == "large" && argc == 3) return bench::WriteLargeStudy(argv[2]);
    Options options;
    if (const char* data = std::getenv("GLIONODE_TEST_DATA")) options.data = data;
    options.out = first;
    for (int i = 2; i + 1 < argc; i += 2) {
      const std::string key = argv[i], value = argv[i + 1];
      if (key == "--data")
        options.data = value;
      else if (key == "--work")
        options.work = value;
      else if (key == "--draws")
        options.draws = std::atoi(value.c_str());
      else if (key == "--only")
        options.only = value;
      else
        options.out.clear();
    }
    if (options.out.empty() || first[0] == '-' || argc % 2 || options.draws < 1) {
      std::fputs(kUsage, stderr);
      return 2;
    }
    const bool own_work = options.work.empty();
    if (own_work) {
      std::string pattern = (fs::temp_directory_path() / "glionode-bench-XXXXXX").string();
      if (!mkdtemp(pattern.data())) throw std::runtime_error("No temporary folder can be made.");
      options.work = pattern;
    }
    fs::create_directories(options.work);
    const int status = Bench(self, options);
    if (own_work) fs::remove_all(options.work);
    return status;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
