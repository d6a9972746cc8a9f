#include "inference/networks/html_text.h"

#include <cmath>
#include <cstdio>

namespace glionode::networks {

namespace {
// Nothing on the pages is told by colour alone: lines differ by dashes, warnings have words, so that grey print says
// the same. What stands on every printed page ("every") lies in the left margin, which the body leaves free: a fixed
// box is repeated on each page, and would cover text elsewhere.
constexpr const char* kStyle = R"(
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#111;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.3rem;margin-top:2.2rem;border-top:2px solid #111;padding-top:.6rem}
h3{font-size:1.05rem;margin:1.4rem 0 .3rem}
table{border-collapse:collapse;margin:.5rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border:1px solid #888;padding:.25rem .6rem;text-align:right;vertical-align:top}
th:first-child,td:first-child,td.text{text-align:left}th{background:#eee}
td:first-child{min-width:8rem}
.warn{border:2px solid #111;padding:.5rem 1rem;margin:1rem 0}.stamp{border-width:4px;font-weight:700}
.note{color:#333;font-size:.9rem}.hash{font-family:monospace;font-size:.85rem;overflow-wrap:anywhere}
.ci{white-space:nowrap}.wide{overflow-x:auto}.plots{display:flex;flex-wrap:wrap;gap:1rem}
.plots figure{max-width:27rem}svg{max-width:100%;height:auto}
.every{display:none}
@media print{body{margin:0 0 0 1.1cm;max-width:none;font-size:11pt}
.every{display:block;position:fixed;left:0;top:0;bottom:0;writing-mode:vertical-rl;text-align:center;
font-weight:700;font-size:10pt}.wide{overflow:visible}h2,h3,caption{break-after:avoid}
tr,svg,figure{break-inside:avoid}})";
}  // namespace

std::string Escape(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string Fixed(double value, int digits) {
  if (!std::isfinite(value)) return "&ndash;";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string WithLimits(const Interval& interval, int digits) {
  if (!std::isfinite(interval.value)) return "not defined";
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high))
    return "<span class=\"ci\">" + Fixed(interval.value, digits) + " (no limits)</span>";
  return "<span class=\"ci\">" + Fixed(interval.value, digits) + " (" + Fixed(interval.low, digits) + " to " +
         Fixed(interval.high, digits) + ")</span>";
}

std::string Row(const std::vector<std::string>& cells, bool head) {
  std::string row = "<tr>";
  for (const auto& cell : cells) row += (head ? "<th>" : "<td>") + cell + (head ? "</th>" : "</td>");
  return row + "</tr>\n";
}

std::string Page(const std::string& title, const std::string& body, const std::string& stamp) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><title>" +
         Escape(title) + "</title><style>" + kStyle + "</style></head><body>\n" +
         (stamp.empty() ? std::string() : "<div class=\"every\">" + Escape(stamp) + "</div>\n") + "<h1>" +
         Escape(title) + "</h1>\n" + body + "</body></html>\n";
}

}  // namespace glionode::networks
