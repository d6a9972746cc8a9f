#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glionode::server {

/// A CSV file with a header line (RFC 4180, by libcsv). Row i is line data: columns by name; missing trailing fields
/// are empty.
struct CsvTable {
  std::vector<std::string> columns;
  std::vector<std::map<std::string, std::string>> rows;
};

/// Throws Error{kUsage} naming file and row: cannot be read, no header, a quote that does not close, a row with more
/// fields than the header.
CsvTable ReadCsv(const std::filesystem::path& file);

/// One field as RFC 4180 wants it: quoted when it holds a comma, a quote or a line break.
std::string CsvField(const std::string& value);

}  // namespace glionode::server
