#include "server/csv.h"

#include "config/error.h"

#include <csv.h>
#include <fstream>
#include <iterator>

namespace glionode::server {
namespace {

struct Collector {
  std::vector<std::vector<std::string>> rows{{}};
};

void TakeField(void* text, std::size_t size, void* collector) {
  static_cast<Collector*>(collector)->rows.back().emplace_back(static_cast<const char*>(text), size);
}
void TakeRow(int, void* collector) { static_cast<Collector*>(collector)->rows.emplace_back(); }

}  // namespace

CsvTable ReadCsv(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(ErrorCode::kUsage, file.string() + ": cannot be read");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.rfind("\xEF\xBB\xBF", 0) == 0) text.erase(0, 3);  // what spreadsheets put in front of UTF-8
  Collector collector;
  csv_parser parser;
  csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
  const bool whole = csv_parse(&parser, text.data(), text.size(), TakeField, TakeRow, &collector) == text.size() &&
                     csv_fini(&parser, TakeField, TakeRow, &collector) == 0;
  const std::string reason = whole ? "" : csv_strerror(csv_error(&parser));
  csv_free(&parser);
  if (!whole)
    throw Error(ErrorCode::kUsage, file.string() + ": row " + std::to_string(collector.rows.size() - 1) +
                                       ": a quotation mark is not closed, or stands inside of a field (" + reason +
                                       ")");
  CsvTable table;
  table.columns = collector.rows.front();
  if (table.columns.empty()) throw Error(ErrorCode::kUsage, file.string() + ": no header line");
  for (std::size_t i = 1; i < collector.rows.size(); ++i) {
    const auto& fields = collector.rows[i];
    if (fields.empty()) continue;
    if (fields.size() > table.columns.size())
      throw Error(ErrorCode::kUsage, file.string() + ": row " + std::to_string(i) + " has more fields than the header");
    auto& row = table.rows.emplace_back();
    for (std::size_t column = 0; column < fields.size(); ++column) row[table.columns[column]] = fields[column];
  }
  return table;
}

std::string CsvField(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted(csv_write2(nullptr, 0, value.data(), value.size(), '"'), '\0');
  csv_write2(quoted.data(), quoted.size(), value.data(), value.size(), '"');
  return quoted;
}

}  // namespace glionode::server
