#include "server/cohort.h"

#include "config/error.h"
#include "config/nearest.h"
#include "server/csv.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <set>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

constexpr std::pair<const char*, Role> kNiftiColumns[] = {{"t1", Role::kT1}, {"t2", Role::kT2}, {"t1ce", Role::kT1ce}};
constexpr const char* kAttributes[] = {"necrosis_fraction", "reference_standard", "days_since_rt", "vendor",
                                       "field_strength",    "slice_thickness"};
const std::vector<std::string> kColumns = {"study",
                                           "t1",
                                           "t2",
                                           "t1ce",
                                           "patient",
                                           "label",
                                           "split",
                                           "input_state",
                                           "necrosis_fraction",
                                           "reference_standard",
                                           "days_since_rt",
                                           "vendor",
                                           "field_strength",
                                           "slice_thickness"};

std::string Value(const std::map<std::string, std::string>& row, const std::string& column) {
  const auto found = row.find(column);
  return found == row.end() ? "" : found->second;
}

/// Everything that is wrong with a table, each with its place.
class Mistakes {
 public:
  explicit Mistakes(fs::path file) : file_(std::move(file)) {}
  void Add(const std::string& text) { texts_.push_back(text); }
  void Add(int row, const std::string& text) { Add("row " + std::to_string(row) + ": " + text); }
  bool None() const { return texts_.empty(); }
  [[noreturn]] void Throw() const {
    std::string text =
        file_.string() + ": " + std::to_string(texts_.size()) + (texts_.size() == 1 ? " mistake" : " mistakes");
    for (const std::string& mistake : texts_) text += "\n  " + mistake;
    throw Error(ErrorCode::kUsage, text);
  }

 private:
  fs::path file_;
  std::vector<std::string> texts_;
};

std::optional<double> Number(const std::string& text) {
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

bool Has(const CsvTable& table, const std::string& column) {
  return std::find(table.columns.begin(), table.columns.end(), column) != table.columns.end();
}

bool IsNiftiColumn(const std::string& column) {
  return std::any_of(std::begin(kNiftiColumns), std::end(kNiftiColumns),
                     [&](const auto& known) { return column == known.first; });
}

void CheckColumns(const CsvTable& table, Mistakes& mistakes) {
  if (table.columns.size() == 1 && table.columns[0].find_first_of(";\t") != std::string::npos) {
    mistakes.Add("the columns are not separated by commas (as which a spreadsheet can save them)");
    return;
  }
  const bool dicom = Has(table, "study");
  bool nifti = false;
  for (const auto& [column, role] : kNiftiColumns) nifti |= Has(table, column);
  std::set<std::string> seen;
  for (const std::string& column : table.columns) {
    if (column.empty()) {
      mistakes.Add("a column has no name (a comma at the end of the first line?)");
      continue;
    }
    if (!seen.insert(column).second) mistakes.Add("the column " + column + " stands twice");
    if (std::find(kColumns.begin(), kColumns.end(), column) != kColumns.end()) continue;
    // A misspelt "split" would be passed over in silence, and test patients would be trained on.
    const auto nearest = Nearest(column, kColumns);
    const bool for_nifti = nearest && IsNiftiColumn(*nearest);
    if (column.find("split") != std::string::npos && !Has(table, "split"))
      mistakes.Add("the column \"" + column + "\" is unknown; who is for testing stands in the column split");
    else if (nearest && !Has(table, *nearest) && !(for_nifti && dicom))
      mistakes.Add("the column \"" + column + "\" is unknown (did you mean " + *nearest + "?)");
  }
  if (!dicom && !nifti)
    mistakes.Add("the column study (DICOM folders) is missing, or the columns t1, t2, t1ce (NIfTI files)");
  if (dicom && nifti) mistakes.Add("study and t1, t2, t1ce stand side by side: DICOM or NIfTI, one of the two");
  if (nifti && !Has(table, "input_state"))
    mistakes.Add(
        "the column input_state is missing: NIfTI files do not say whether they are native, registered or "
        "skull-stripped");
  for (const char* column : {"patient", "label"})
    if (!Has(table, column)) mistakes.Add(std::string("the column ") + column + " is missing");
}

void CheckNumber(const CohortRow& row, const char* column, double low, double high, Mistakes& mistakes) {
  const auto found = row.attributes.find(column);
  if (found == row.attributes.end() || found->second.empty()) return;
  const auto number = Number(found->second);
  if (!number || !(*number >= low && *number <= high)) {
    char range[64];
    std::snprintf(range, sizeof range, "%g to %g", low, high);
    mistakes.Add(row.row, std::string(column) + " \"" + found->second + "\" is no number from " + range);
  }
}

void CheckPlaces(const CohortRow& row, Mistakes& mistakes) {
  if (row.nifti.empty()) {
    if (row.study.empty())
      mistakes.Add(row.row, "study is empty");
    else if (!fs::is_directory(row.folder))
      mistakes.Add(row.row, "study \"" + row.study + "\" is no folder (" + row.folder.string() + ")");
    return;
  }
  std::set<fs::path> files;
  for (const auto& [role, file] : row.nifti) {
    const std::string name = file.filename().string();
    if (name.empty())
      mistakes.Add(row.row, std::string(ToText(role)) + " is empty");
    else if (!fs::is_regular_file(file))
      mistakes.Add(row.row, std::string(ToText(role)) + " \"" + file.string() + "\" is no file");
    else if (!name.ends_with(".nii") && !name.ends_with(".nii.gz"))
      mistakes.Add(row.row, std::string(ToText(role)) + " \"" + name + "\" does not end in .nii or .nii.gz");
    else if (!files.insert(file.lexically_normal()).second)
      mistakes.Add(row.row, std::string(ToText(role)) + " names the file of another sequence");
  }
}

void CheckRow(const CohortRow& row, Mistakes& mistakes) {
  static const std::set<std::string> kLabels = {"recurrence", "necrosis", "mixed", "neither", "unknown"};
  static const std::set<std::string> kStates = {"native", "registered", "skull-stripped"};
  CheckPlaces(row, mistakes);
  if (row.patient.empty()) mistakes.Add(row.row, "patient is empty");
  if (kLabels.count(row.label) == 0)
    mistakes.Add(row.row, "label \"" + row.label + "\" is none of recurrence, necrosis, mixed, neither, unknown" +
                              DidYouMean(row.label, {kLabels.begin(), kLabels.end()}));
  if (kStates.count(row.input_state) == 0)
    mistakes.Add(row.row, "input_state \"" + row.input_state + "\" is none of native, registered, skull-stripped");
  else if (row.nifti.empty() && row.input_state != "native")
    mistakes.Add(row.row, "input_state \"" + row.input_state + "\": DICOM studies are native");
  CheckNumber(row, "necrosis_fraction", 0, 1, mistakes);
  CheckNumber(row, "days_since_rt", 0, 36500, mistakes);
  CheckNumber(row, "field_strength", 0, 20, mistakes);
  CheckNumber(row, "slice_thickness", 0, 50, mistakes);
}

void CheckSplits(const std::vector<CohortRow>& rows, bool has_split, Mistakes& mistakes) {
  for (const CohortRow& row : rows)
    if (has_split && row.split != "train" && row.split != "test")
      mistakes.Add(row.row, "split \"" + row.split + "\" is neither train nor test");
  // A patient in both parts would let the network recognise heads instead of lesions.
  std::map<std::string, std::set<std::string>> splits;
  for (const CohortRow& row : rows) splits[row.patient].insert(row.split);
  for (const CohortRow& row : rows)
    if (!row.patient.empty() && splits[row.patient].size() > 1)
      mistakes.Add(row.row, "this patient's studies are in more than one split");
}

/// A place without links, dots and the slash at its end.
std::string PlainPath(const fs::path& path) {
  std::error_code failed;
  fs::path plain = fs::weakly_canonical(path, failed);
  if (failed) plain = path.lexically_normal();
  return (plain.has_filename() ? plain : plain.parent_path()).string();
}

/// The same images twice would count one case as two. (Copies are found when they are prepared, by their content.)
void CheckTwins(const std::vector<CohortRow>& rows, Mistakes& mistakes) {
  std::map<std::string, int> first;
  for (const CohortRow& row : rows) {
    std::string key = row.folder.empty() ? "" : PlainPath(row.folder);
    for (const auto& [role, file] : row.nifti) key += "|" + PlainPath(file);
    const auto [known, is_new] = first.emplace(key, row.row);
    if (!is_new && !row.study.empty())
      mistakes.Add(row.row, "the same images stand in row " + std::to_string(known->second));
    if (row.input_state != rows.front().input_state)
      mistakes.Add(row.row, "input_state differs from row 1; a bundle is made for one state");
  }
}

CohortRow ReadRow(const std::map<std::string, std::string>& from, int number, const fs::path& base, bool nifti) {
  CohortRow row;
  row.row = number;
  if (nifti) {
    for (const auto& [column, role] : kNiftiColumns)
      if (from.count(column)) {
        row.nifti[role] = base / Value(from, column);
        if (row.study.empty()) row.study = Value(from, column);
      }
    row.input_state = Value(from, "input_state");
  } else {
    row.study = Value(from, "study");
    row.folder = base / row.study;
    if (const auto state = Value(from, "input_state"); !state.empty()) row.input_state = state;
  }
  row.patient = Value(from, "patient");
  row.label = Value(from, "label");
  row.split = Value(from, "split");
  for (const char* column : kAttributes)
    if (from.count(column)) row.attributes[column] = Value(from, column);
  return row;
}

}  // namespace

std::vector<CohortRow> ReadCohort(const fs::path& file) {
  const CsvTable table = ReadCsv(file);
  Mistakes mistakes(file);
  CheckColumns(table, mistakes);
  if (!mistakes.None()) mistakes.Throw();
  const bool nifti = !Has(table, "study");
  const fs::path base = fs::absolute(file).parent_path();
  std::vector<CohortRow> rows;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    std::map<std::string, std::string> from = table.rows[i];
    if (nifti)  // short rows: every sequence that the table has must be there
      for (const auto& [column, role] : kNiftiColumns)
        if (Has(table, column)) from.try_emplace(column);
    rows.push_back(ReadRow(from, static_cast<int>(i) + 1, base, nifti));
    CheckRow(rows.back(), mistakes);
  }
  if (rows.empty()) mistakes.Add("there is no data row");
  CheckSplits(rows, Has(table, "split"), mistakes);
  CheckTwins(rows, mistakes);
  if (!mistakes.None()) mistakes.Throw();
  return rows;
}

std::vector<CohortRow> OfSplit(std::vector<CohortRow> rows, const std::string& split) {
  const bool has_split = std::any_of(rows.begin(), rows.end(), [](const CohortRow& row) { return !row.split.empty(); });
  if (has_split) std::erase_if(rows, [&](const CohortRow& row) { return row.split != split; });
  return rows;
}

}  // namespace glionode::server
