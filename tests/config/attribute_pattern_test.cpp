#include "config/attribute_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace glionode {
namespace {

TEST(AttributePattern, IsFoundAnywhereAndCaseCountsUnlessThePatternSaysNot) {
  EXPECT_TRUE(AttributePattern("T1").FoundIn("AX T1 POST"));
  EXPECT_FALSE(AttributePattern("t1").FoundIn("AX T1 POST"));
  EXPECT_TRUE(AttributePattern("(?i)t1").FoundIn("AX T1 POST"));
  EXPECT_FALSE(AttributePattern("^T1").FoundIn("AX T1 POST"));
  EXPECT_TRUE(AttributePattern("^$").FoundIn(""));
  EXPECT_FALSE(AttributePattern("^$").FoundIn("x"));
  EXPECT_TRUE(AttributePattern("^DERIVED.*\\\\MPR").FoundIn("DERIVED\\SECONDARY\\MPR")) << "backslash between values";
}

TEST(AttributePattern, WhatIsNoExpressionThrows) {
  for (const char* bad : {"(", "[", "*", "(?i)(", "(?<=x)y"})
    EXPECT_THROW(AttributePattern{bad}, std::regex_error) << bad;
}

TEST(AttributePattern, ALongValueFromAPeerCannotExhaustTheStack) {
  const std::string huge(10 << 20, 'x');
  EXPECT_TRUE(AttributePattern("(x|y)*x").FoundIn(huge));
  EXPECT_FALSE(AttributePattern("(x|y)*z").FoundIn(huge));
  EXPECT_TRUE(AttributePattern("a").FoundIn(std::string(AttributePattern::kLongestValue - 1, 'x') + "a"));
  EXPECT_FALSE(AttributePattern("a").FoundIn(std::string(AttributePattern::kLongestValue, 'x') + "a"));
}

}  // namespace
}  // namespace glionode
