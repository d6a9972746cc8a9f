#include "config/vocabulary.h"

#include <gtest/gtest.h>

#include <set>

namespace glionode {
namespace {

template <typename E, typename FromText>
void ExpectRoundTrip(int count, const FromText& from_text) {
  std::set<std::string_view> words;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<E>(i);
    const std::string_view text = ToText(value);
    EXPECT_NE(text, "?") << i;
    EXPECT_EQ(from_text(text), value) << text;
    words.insert(text);
  }
  EXPECT_EQ(words.size(), static_cast<std::size_t>(count)) << "two values share a word";
  EXPECT_EQ(ToText(static_cast<E>(count)), "?") << "a value was added: raise the count in this test";
  EXPECT_EQ(from_text("positive"), std::nullopt);
  EXPECT_EQ(from_text(""), std::nullopt);
}

TEST(Vocabulary, RolesRoundTrip) { ExpectRoundTrip<Role>(5, RoleFromText); }
TEST(Vocabulary, DecisionsRoundTrip) { ExpectRoundTrip<Decision>(4, DecisionFromText); }
TEST(Vocabulary, ReasonsRoundTrip) { ExpectRoundTrip<ReasonCode>(15, ReasonCodeFromText); }

TEST(Vocabulary, WordsAreTheOnesOfTheContract) {
  EXPECT_EQ(ToText(Decision::kNotEvaluable), "not evaluable");
  EXPECT_EQ(ToText(Role::kT1ce), "t1ce");
  EXPECT_EQ(ToText(ReasonCode::kNotAHead), "not_a_head");
}

}  // namespace
}  // namespace glionode
