#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glionode {

/// The known word that `word` most likely is: at most a third of its letters (at least one) inserted, removed, changed
/// or swapped with a neighbour; letter case does not count. Empty: none is near.
std::optional<std::string> Nearest(std::string_view word, const std::vector<std::string>& known);

/// " (did you mean X?)" or "".
std::string DidYouMean(std::string_view word, const std::vector<std::string>& known);

}  // namespace glionode
