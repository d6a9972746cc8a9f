#pragma once
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace glionode::server {

/// Asks the running node that `config` belongs to, and returns its answer. Throws Error with the node's own words, or
/// Error{kNotFound} when it does not run. `seconds`: for the whole exchange.
nlohmann::json Ask(const std::string& config, const std::string& method, const std::string& target,
                   const nlohmann::json& body = nullptr, int seconds = 60);

/// GET /api/v1/studies, /studies/UID or /outbox: of the running node, or, when it is stopped, from its data folder
/// (said on standard error).
nlohmann::json AskOrRead(const std::string& config, const std::string& target);

/// Percent-encoded for a path or a query.
std::string Encoded(const std::string& text);

/// A member as text; "-" for none.
std::string Field(const nlohmann::json& object, const char* key);
/// A member that holds milliseconds since 1970 as local time; "-" for none.
std::string When(const nlohmann::json& object, const char* key);

/// A table for people: columns as wide as they must be; the last one is not padded.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// "1 to 100 of 5000", when a list does not show all.
void PrintPaging(const nlohmann::json& answer, const char* list);

}  // namespace glionode::server
