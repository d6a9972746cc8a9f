#include "storage/records.h"

#include <utility>

namespace glionode::storage {
namespace {

template <typename E>
struct Word {
  E value;
  std::string_view text;
};

// The words are in the index and in the API: they never change. schema/*.sql checks for the same ones.
constexpr Word<InstanceKind> kInstanceKinds[] = {
    {InstanceKind::kCandidate, "candidate"}, {InstanceKind::kOther, "other"}, {InstanceKind::kOwn, "own"}};
constexpr Word<StudyState> kStudyStates[] = {{StudyState::kReceiving, "receiving"}, {StudyState::kReady, "ready"},
                                             {StudyState::kRunning, "running"},     {StudyState::kReported, "reported"},
                                             {StudyState::kFailed, "failed"},       {StudyState::kParked, "parked"},
                                             {StudyState::kIgnored, "ignored"}};
constexpr Word<JobState> kJobStates[] = {{JobState::kReady, "ready"},
                                         {JobState::kRunning, "running"},
                                         {JobState::kDone, "done"},
                                         {JobState::kFailed, "failed"}};
constexpr Word<OutboxState> kOutboxStates[] = {
    {OutboxState::kPending, "pending"}, {OutboxState::kSent, "sent"},           {OutboxState::kConfirmed, "confirmed"},
    {OutboxState::kDead, "dead"},       {OutboxState::kWithdrawn, "withdrawn"}, {OutboxState::kParked, "parked"}};

template <typename E, std::size_t N>
std::string_view TextOf(const Word<E> (&table)[N], E value) {
  for (const auto& word : table)
    if (word.value == value) return word.text;
  return "?";
}

template <typename E, std::size_t N>
std::optional<E> ValueOf(const Word<E> (&table)[N], std::string_view text) {
  for (const auto& word : table)
    if (word.text == text) return word.value;
  return std::nullopt;
}

}  // namespace

std::string_view ToText(InstanceKind kind) { return TextOf(kInstanceKinds, kind); }
std::string_view ToText(StudyState state) { return TextOf(kStudyStates, state); }
std::string_view ToText(JobState state) { return TextOf(kJobStates, state); }
std::string_view ToText(OutboxState state) { return TextOf(kOutboxStates, state); }
std::optional<InstanceKind> InstanceKindFromText(std::string_view text) { return ValueOf(kInstanceKinds, text); }
std::optional<StudyState> StudyStateFromText(std::string_view text) { return ValueOf(kStudyStates, text); }
std::optional<JobState> JobStateFromText(std::string_view text) { return ValueOf(kJobStates, text); }
std::optional<OutboxState> OutboxStateFromText(std::string_view text) { return ValueOf(kOutboxStates, text); }

}  // namespace glionode::storage
