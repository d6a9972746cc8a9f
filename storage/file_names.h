#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace glionode::storage {

/// Internal to storage/: how the files of instances are named: <uid>.dcm, then <uid>.1.dcm, <uid>.2.dcm for other bytes
/// under the same UID, in the order in which they came.

inline std::string InstanceFileName(const std::string& uid, int number) {
  return number == 0 ? uid + ".dcm" : uid + "." + std::to_string(number) + ".dcm";
}

/// The number in the name of a file (path or name) of the instance `uid`; 0 when there is none.
inline int NumberInFileName(std::string_view file, std::string_view uid) {
  file = file.substr(file.find_last_of('/') + 1);
  if (file.size() <= uid.size() + 5 || file.substr(0, uid.size()) != uid || file[uid.size()] != '.') return 0;
  const std::string_view digits = file.substr(uid.size() + 1, file.size() - uid.size() - 5);
  if (digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string_view::npos) return 0;
  return std::stoi(std::string(digits));
}

/// Orders names by the numbers between their dots, so that the files of one UID come in the order in which they were
/// received (1.2.9.dcm before 1.2.10.dcm).
inline bool ByNumbers(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::size_t a_end = std::min(a.find('.'), a.size()), b_end = std::min(b.find('.'), b.size());
    const std::string_view a_part = a.substr(0, a_end), b_part = b.substr(0, b_end);
    if (a_part != b_part) {
      // "dcm" ends a name: a name that ends here comes first.
      if ((a_part == "dcm") != (b_part == "dcm")) return a_part == "dcm";
      return a_part.size() != b_part.size() ? a_part.size() < b_part.size() : a_part < b_part;
    }
    a.remove_prefix(std::min(a.size(), a_end + 1));
    b.remove_prefix(std::min(b.size(), b_end + 1));
  }
  return a.size() < b.size();
}

}  // namespace glionode::storage
