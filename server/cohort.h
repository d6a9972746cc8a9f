#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/preprocess.h"
#include "server/dicom_folder.h"

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glionode::server {

/// One row of cohort.csv (design section 4).
struct CohortRow {
  int row = 0;                                  ///< 1 = first data row
  std::string study;                            ///< as written; of NIfTI rows the first file's name
  std::filesystem::path folder;                 ///< absolute; empty for NIfTI rows
  std::map<Role, std::filesystem::path> nifti;  ///< absolute; empty for DICOM rows
  std::string input_state = "native";           ///< native, registered, skull-stripped: what was done to NIfTI files
  std::string patient, label, split;
  std::map<std::string, std::string> attributes;  ///< optional columns, by name: for subgroups and the report
  bool Usable() const { return label == "recurrence" || label == "necrosis"; }
};

/// Reads and checks the whole table. Throws Error{kUsage} with every mistake and its row.
std::vector<CohortRow> ReadCohort(const std::filesystem::path& file);
/// The rows whose split is `split`; all rows if the table has no split.
std::vector<CohortRow> OfSplit(std::vector<CohortRow> rows, const std::string& split);

/// A study as the network gets it, kept in a cache folder.
struct PreparedCase {
  CohortRow row;
  std::filesystem::path tensor_file;    ///< empty when there are reasons
  std::vector<Reason> reasons;          ///< why it cannot be used
  bool phantom = false;                 ///< every image says QualityControlSubject = YES
  std::array<double, 3> grid_origin{};  ///< LPS mm of the tensor's voxel (0,0,0)
};

/// Decodes, registers and normalises every study once, in parallel; the cache is named by the files' content and the
/// specification. The same functions as in serving. A study that cannot be read becomes a case with a reason. `site`:
/// the [[role]] rules of the site whose node will serve, if it has any. `threads`: studies at once, 0: one a core.
/// Throws Error{kUsage} if two rows hold the same images, naming them, and Error{kOutOfSpace}.
std::vector<PreparedCase> PrepareCases(const std::vector<CohortRow>& rows, const std::vector<Role>& roles,
                                       const volumes::PreprocessingSpec& spec, const std::filesystem::path& cache,
                                       const FolderRules& site = {}, int threads = 0);

}  // namespace glionode::server
