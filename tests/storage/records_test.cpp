#include "storage/records.h"

#include "tests/storage/storage_fixture.h"

#include <soci/soci.h>

#include <set>

namespace glionode::storage {
namespace {

template <typename E, typename FromText>
void ExpectRoundTrip(int count, const FromText& from_text) {
  std::set<std::string_view> words;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<E>(i);
    EXPECT_NE(ToText(value), "?") << i;
    EXPECT_EQ(from_text(ToText(value)), value);
    words.insert(ToText(value));
  }
  EXPECT_EQ(words.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(ToText(static_cast<E>(count)), "?") << "a value was added: raise the count in this test";
  EXPECT_EQ(from_text("nonsense"), std::nullopt);
}

TEST(Records, WordsRoundTrip) {
  ExpectRoundTrip<InstanceKind>(3, InstanceKindFromText);
  ExpectRoundTrip<StudyState>(7, StudyStateFromText);
  ExpectRoundTrip<JobState>(4, JobStateFromText);
  ExpectRoundTrip<OutboxState>(6, OutboxStateFromText);
}

using RecordsInIndex = IndexTest;

TEST_F(RecordsInIndex, TheSchemaTakesEveryWordAndNoOther) {
  for (int kind = 0; kind < 3; ++kind) {
    auto image = Image("1.5." + std::to_string(kind));
    image.kind = static_cast<InstanceKind>(kind);
    EXPECT_EQ(index_->Add(image), AddResult::kNew);
    EXPECT_EQ(index_->FindCurrent(image.sop_instance_uid)->kind, image.kind);
  }
  for (int state = 0; state < 7; ++state) {
    index_->ForceState("1.2", static_cast<StudyState>(state), "");
    EXPECT_EQ(State(), static_cast<StudyState>(state));
  }
  index_->ForceState("1.2", StudyState::kReceiving, "");
  Report("key", {Object("1.9.1", {"PACS"})});
  const auto set = [this](const std::string& table, std::string_view word) {
    database_->Write(
        [&](soci::session& session) { session << "UPDATE " + table + " SET state = '" + std::string(word) + "'"; });
  };
  for (int state = 0; state < 4; ++state) EXPECT_NO_THROW(set("jobs", ToText(static_cast<JobState>(state))));
  for (int state = 0; state < 6; ++state) EXPECT_NO_THROW(set("outbox", ToText(static_cast<OutboxState>(state))));
  for (const char* table : {"studies", "jobs", "outbox"}) EXPECT_ANY_THROW(set(table, "nonsense")) << table;
}

}  // namespace
}  // namespace glionode::storage
