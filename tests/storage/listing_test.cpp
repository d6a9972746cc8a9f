#include "storage/listing.h"

#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

namespace glionode::storage {
namespace {

using ::testing::IsEmpty;

class ListingTest : public IndexTest {
 protected:
  ListingTest() {
    index_->Add(Image("1.1"));
    Report("key", {Object("1.9.1", {"PACS", "SECOND"}), Object("1.9.2", {"PACS"}, "sc")}, 5000);
    InstanceRecord other = Image("7.1", "b", 9000);
    other.study_uid = "7";
    other.from_ae = "SECOND";
    index_->Add(other);
  }
  Listing listing_{*database_};
};

TEST_F(ListingTest, StudiesByEachConditionAndInPages) {
  const auto uids = [&](const StudyFilter& filter, int limit = 10, int offset = 0) {
    std::vector<std::string> found;
    for (const auto& study : listing_.Studies(filter, limit, offset)) found.push_back(study.study_uid);
    if (limit == 10) {
      EXPECT_EQ(listing_.CountStudies(filter), static_cast<std::int64_t>(found.size()));
    }
    return found;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(uids({}), (List{"7", "1.2"}));
  EXPECT_EQ(uids({}, 1), List{"7"});
  EXPECT_EQ(uids({}, 1, 1), List{"1.2"});
  EXPECT_EQ(uids({"reported", "", "", ""}), List{"1.2"});
  EXPECT_EQ(uids({"", "necrosis", "", ""}), List{"1.2"});
  EXPECT_EQ(uids({"", "recurrence", "", ""}), List{});
  EXPECT_EQ(uids({"", "", "SECOND", ""}), List{"7"});
  EXPECT_EQ(uids({"", "", "", ".2"}), List{"1.2"});
  EXPECT_EQ(uids({"", "", "", "%"}), List{}) << "a sign of SQL is no pattern";
  EXPECT_EQ(uids({"reported", "", "", "7"}), List{});
  EXPECT_EQ(uids({"", "", "x' OR '1'='1", ""}), List{});
}

TEST_F(ListingTest, OutboxByEachCondition) {
  EXPECT_EQ(listing_.Outbox({}, 10, 0).size(), 3u);
  EXPECT_EQ(listing_.CountOutbox({}), 3);
  EXPECT_EQ(listing_.Outbox({}, 1, 1).size(), 1u);
  EXPECT_EQ(listing_.Outbox({"", "SECOND", ""}, 10, 0).size(), 1u);
  EXPECT_EQ(listing_.CountOutbox({"pending", "", "1.2"}), 3);
  EXPECT_THAT(listing_.Outbox({"dead", "", ""}, 10, 0), IsEmpty());
}

TEST_F(ListingTest, ContactsOfEachPeer) {
  outbox_->MarkSent(outbox_->Due("SECOND", 5000, 1).at(0).id, "0000", 6000);
  const auto contacts = listing_.Contacts();
  ASSERT_EQ(contacts.size(), 2u);
  const auto& pacs = contacts[0].ae_title == "PACS" ? contacts[0] : contacts[1];
  const auto& second = contacts[0].ae_title == "PACS" ? contacts[1] : contacts[0];
  EXPECT_EQ(pacs.pending, 2);
  EXPECT_EQ(pacs.last_sent, 0);
  EXPECT_EQ(pacs.oldest_waiting, 5000);
  EXPECT_EQ(second.last_sent, 6000);
  EXPECT_EQ(second.last_received, 9000);
  EXPECT_EQ(second.pending, 0);
  EXPECT_EQ(second.oldest_waiting, 0);
}

TEST_F(ListingTest, NewestResultsOfAPage) {
  const auto results = listing_.NewestResults(listing_.Studies({}, 10, 0));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].study_uid, "1.2");
}

TEST_F(ListingTest, WritesAreCounted) {
  const auto before = database_->Writes();
  index_->Add(Image("1.5", "c"));
  EXPECT_GT(database_->Writes(), before);
  const auto behind = database_->Writes();
  EXPECT_EQ(listing_.OldestReadyJob(), 0);
  EXPECT_EQ(database_->Writes(), behind) << "reading is no writing";
}

}  // namespace
}  // namespace glionode::storage
