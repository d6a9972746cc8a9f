#pragma once
#include "inference/networks/statistics.h"

#include <string>
#include <vector>

namespace glionode::networks {

/// Small parts of HTML pages that this folder writes. Texts from outside go through Escape().
std::string Escape(const std::string& text);
/// A dash for what is not finite.
std::string Fixed(double value, int digits);
/// 0.78 (0.40 to 0.97); "not defined" where the value is not finite, "(no limits)" where a limit is not.
std::string WithLimits(const Interval& interval, int digits = 2);
/// A table row; cells are HTML already.
std::string Row(const std::vector<std::string>& cells, bool head = false);
/// A whole page without anything from outside: style, title and `body`. `stamp` stands on every printed page; empty:
/// none.
std::string Page(const std::string& title, const std::string& body, const std::string& stamp = "");

}  // namespace glionode::networks
