// tiny_studies FOLDER SEED FIRST COUNT: glioma studies of 3 x 8 slices of 16 x 16 pixels that cost next to nothing:
//   FOLDER/<number>/{t1,t2,t1ce}/NNN.dcm      the study
//   FOLDER/<number>/late/NNN.dcm              a FLAIR series that comes later
//   FOLDER/<number>/corrected/NNN.dcm         its T2 once more: the same UIDs, other pixels
// and one line a study on standard output: number, Study Instance UID, Patient ID.
#include "config/error.h"
#include "dicom/mr_writer.h"
#include "dicom/toolkit_log.h"
#include "dicom/uid.h"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

namespace {

using glionode::dicom::NamedUid;

constexpr int kSlices = 8;  ///< the fewest that count as a stack of a head

struct Sequence {
  const char* folder;
  const char* uid_name;
  int content;
  std::map<std::string, std::string> attributes;
};

const Sequence kSequences[] = {
    {"t1",
     "t1",
     1,
     {{"SeriesDescription", "T1 AX SE"}, {"RepetitionTime", "500"}, {"EchoTime", "10"}, {"SeriesNumber", "2"}}},
    {"t2",
     "t2",
     2,
     {{"SeriesDescription", "T2 AX TSE"}, {"RepetitionTime", "4500"}, {"EchoTime", "100"}, {"SeriesNumber", "3"}}},
    {"t1ce",
     "t1ce",
     3,
     {{"SeriesDescription", "T1 AX POST GAD"},
      {"RepetitionTime", "500"},
      {"EchoTime", "10"},
      {"SeriesNumber", "4"},
      {"ContrastBolusAgent", "GADOVIST"}}},
    {"late",
     "flair",
     4,
     {{"SeriesDescription", "T2 FLAIR"},
      {"RepetitionTime", "9000"},
      {"EchoTime", "120"},
      {"InversionTime", "2500"},
      {"SeriesNumber", "5"}}},
    {"corrected",
     "t2",
     5,
     {{"SeriesDescription", "T2 AX TSE"}, {"RepetitionTime", "4500"}, {"EchoTime", "100"}, {"SeriesNumber", "3"}}},
};

void Write(const std::filesystem::path& folder, const std::string& seed, int number) {
  const std::string study = "chaos|" + seed + "|" + std::to_string(number);
  for (const Sequence& sequence : kSequences) {
    glionode::dicom::MrSeries series;
    series.size = {16, 16, kSlices};
    series.spacing = {12, 12, 15};
    series.direction = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    series.voxels.resize(std::size_t{16} * 16 * kSlices);
    for (std::size_t i = 0; i < series.voxels.size(); ++i)
      series.voxels[i] =
          static_cast<float>((i * 7 + static_cast<std::size_t>(sequence.content * 131 + number * 17)) % 4096);
    series.attributes = sequence.attributes;
    series.attributes["PatientID"] = "CHAOS-" + seed + "-" + std::to_string(number);
    series.attributes["PatientName"] = "Chaos^Phantom";
    series.attributes["StudyDescription"] = "Glioma post RT";
    series.attributes["StudyDate"] = "20260901";
    series.attributes["StudyInstanceUID"] = NamedUid(study);
    series.attributes["SeriesInstanceUID"] = NamedUid(study + "|" + sequence.uid_name);
    series.attributes["FrameOfReferenceUID"] = NamedUid(study + "|frame");
    series.sop_uid_prefix_name = study + "|" + sequence.uid_name;
    glionode::dicom::WriteMrSeries(series, folder / std::to_string(number) / sequence.folder);
  }
  std::cout << number << "\t" << NamedUid(study) << "\tCHAOS-" << seed << "-" << number << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "tiny_studies FOLDER SEED FIRST COUNT\n";
    return 2;
  }
  glionode::dicom::SilenceToolkit();
  try {
    const int first = std::atoi(argv[3]), count = std::atoi(argv[4]);
    for (int number = first; number < first + count; ++number) Write(argv[1], argv[2], number);
  } catch (const std::exception& e) {
    std::cerr << "tiny_studies: " << e.what() << "\n";
    return 1;
  }
  return 0;
}
