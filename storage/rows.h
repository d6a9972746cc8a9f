#pragma once
#include "storage/records.h"

#include <soci/soci.h>

#include <cstdint>
#include <string>
#include <vector>

namespace glionode::storage {

/// Internal to storage/: rows to records and back. Only static binds (SOCI's dynamic rows cut integers to 32 bits).
/// Parameters go as text: SQLite turns them into numbers by the affinity of the column they meet, so compare and assign
/// them to columns only, never to expressions.

inline std::string Text(std::int64_t value) { return std::to_string(value); }
template <typename E>
std::string Word(E value) {
  return std::string(ToText(value));
}

/// Does SQLite say that the file is no database or has a broken structure?
bool SaysDamage(const soci::soci_error& error);

/// A row under reading: Bind() tells SOCI the targets, Take() makes the record. kColumns names the columns in order.
struct InstanceRow {
  static const char kColumns[];
  void Bind(soci::statement& statement);
  InstanceRecord Take();

 private:
  InstanceRecord record_;
  std::string kind_;
  long long bytes_ = 0, received_at_ = 0, current_ = 0, removed_ = 0;
};

struct StudyRow {
  static const char kColumns[];
  void Bind(soci::statement& statement);
  StudyRecord Take();

 private:
  StudyRecord record_;
  std::string state_;
  long long first_ = 0, last_ = 0, accepted_ = 0, revision_ = 0, changes_ = 0, judged_ = 0;
};

struct SeriesRoleRow {
  static const char kColumns[];
  void Bind(soci::statement& statement);
  SeriesRoleRecord Take();

 private:
  SeriesRoleRecord record_;
  long long chosen_ = 0;
};

struct JobRow {
  static const char kColumns[];
  void Bind(soci::statement& statement);
  JobRecord Take();

 private:
  JobRecord record_;
  std::string state_;
  long long id_ = 0, revision_ = 0, attempt_ = 0, lease_ = 0, created_ = 0;
};

struct ResultRow {
  static const char kColumns[];
  void Bind(soci::statement& statement);
  ResultRecord Take();

 private:
  ResultRecord record_;
  long long id_ = 0, job_id_ = 0, revision_ = 0, created_ = 0;
};

struct ObjectRow {
  static const char kColumns[];  ///< of the table `objects` under the name o
  void Bind(soci::statement& statement);
  ObjectRecord Take();

 private:
  ObjectRecord record_;
  long long id_ = 0, result_id_ = 0;
};

struct WithdrawalRow {
  static const char kColumns[];
  void Bind(soci::statement& statement);
  WithdrawalRecord Take();

 private:
  WithdrawalRecord record_;
  long long revision_ = 0, at_ = 0;
};

struct OutboxRow {
  static const char kColumns[];  ///< of `outbox` as b joined with `objects` as o
  void Bind(soci::statement& statement);
  OutboxRecord Take();

 private:
  OutboxRecord record_;
  ObjectRow object_;
  std::string state_;
  long long id_ = 0, object_id_ = 0, attempts_ = 0, next_try_ = 0, created_ = 0;
};

/// "count of something" and "word, count" rows.
struct CountRow {
  void Bind(soci::statement& statement) { statement.exchange(soci::into(count_)); }
  std::int64_t Take() { return count_; }

 private:
  long long count_ = 0;
};
struct WordRow {
  void Bind(soci::statement& statement) { statement.exchange(soci::into(word_)); }
  std::string Take() { return word_; }

 private:
  std::string word_;
};
struct WordCountRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(word_));
    statement.exchange(soci::into(count_));
  }
  std::pair<std::string, std::int64_t> Take() { return {word_, count_}; }

 private:
  std::string word_;
  long long count_ = 0;
};

/// All rows of a query. `parameters` in the order of the colon names.
template <typename Row>
auto SelectAll(soci::session& session, const std::string& sql, const std::vector<std::string>& parameters = {}) {
  Row row;
  soci::statement statement(session);
  row.Bind(statement);
  for (const std::string& parameter : parameters) statement.exchange(soci::use(parameter));
  statement.alloc();
  statement.prepare(sql);
  statement.define_and_bind();
  statement.execute(false);
  std::vector<decltype(row.Take())> records;
  while (statement.fetch()) records.push_back(row.Take());
  return records;
}

template <typename Row>
auto SelectFirst(soci::session& session, const std::string& sql, const std::vector<std::string>& parameters = {}) {
  auto records = SelectAll<Row>(session, sql, parameters);
  using Record = typename decltype(records)::value_type;
  return records.empty() ? std::optional<Record>() : std::optional<Record>(std::move(records.front()));
}

/// Runs a statement that writes. Returns how many rows it changed.
std::int64_t Execute(soci::session& session, const std::string& sql, const std::vector<std::string>& parameters = {});

/// Id of the row that was inserted last on this session.
std::int64_t LastId(soci::session& session);

/// " LIMIT n OFFSET m", negative numbers as 0.
std::string LimitOffset(int limit, int offset);

}  // namespace glionode::storage
