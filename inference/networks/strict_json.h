#pragma once
#include "config/error.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glionode::networks {

/// Looks through a JSON text without building anything.
template <typename Json>
class StrictJsonReader : public nlohmann::json_sax<Json> {
 public:
  explicit StrictJsonReader(std::string name) : name_(std::move(name)) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(typename Json::number_integer_t) override { return true; }
  bool number_unsigned(typename Json::number_unsigned_t) override { return true; }
  bool number_float(typename Json::number_float_t, const typename Json::string_t&) override { return true; }
  bool string(typename Json::string_t&) override { return true; }
  bool binary(typename Json::binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool key(typename Json::string_t& text) override {
    Level& level = levels_.back();
    level.key = text;
    if (level.keys.insert(text).second) return true;
    std::string path;
    for (const Level& one : levels_)
      if (!one.key.empty()) path.append(path.empty() ? "" : ".").append(one.key);
    return Refuse(path + ": occurs twice");
  }
  bool parse_error(std::size_t position, const std::string&, const typename Json::exception& error) override {
    constexpr int kNumberOverflow = 406;
    return Refuse(error.id == kNumberOverflow ? "holds a number that is too large for any computer's numbers"
                                              : "is not valid JSON near byte " + std::to_string(position));
  }

 private:
  struct Level {
    std::set<std::string> keys;  ///< of an object; a list has none
    std::string key;             ///< whose value is being read
  };
  static constexpr std::size_t kDeepest = 32;

  /// Always throws.
  bool Refuse(const std::string& reason) const { throw Error(ErrorCode::kBadDataset, name_ + ": " + reason); }
  bool Enter() {
    if (levels_.size() == kDeepest) return Refuse("is nested more than " + std::to_string(kDeepest) + " levels deep");
    levels_.emplace_back();
    return true;
  }
  bool Leave() {
    levels_.pop_back();
    return true;
  }

  std::string name_;
  std::vector<Level> levels_;
};

/// JSON out of a file that anybody may have written. Beside what is no JSON it refuses nesting of more than 32 levels
/// (whoever walks such a value walks off the stack) and a key that stands twice in one object, at any depth (which of
/// the two counts depends on the reader). Throws Error{kBadDataset}: NAME: reason.
template <typename Json>
Json ParseStrictly(std::string_view text, const std::string& name) {
  StrictJsonReader<Json> reader(name);
  Json::sax_parse(text, &reader);
  return Json::parse(text);
}

}  // namespace glionode::networks
