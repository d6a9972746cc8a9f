// The example configuration is documentation: complete, true and loadable.
#include "tests/config/settings_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glionode {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ExampleTest : public ::testing::Test {
 protected:
  const fs::path file_ = fs::path(GLIONODE_SOURCE_DIR) / "config" / "glionode.example.toml";
};

TEST_F(ExampleTest, LoadsWithoutErrorsAndShowsTheDefaults) {
  const Settings shown = RequireSettings(file_);
  const Settings defaults;
  EXPECT_EQ(shown.node.ae_title, defaults.node.ae_title);
  EXPECT_EQ(shown.node.drain_seconds, defaults.node.drain_seconds);
  EXPECT_EQ(shown.log.level, defaults.log.level);
  EXPECT_EQ(shown.log.format, defaults.log.format);
  EXPECT_EQ(shown.dicom.bind, defaults.dicom.bind);
  EXPECT_EQ(shown.dicom.port, defaults.dicom.port);
  EXPECT_EQ(shown.dicom.plain, defaults.dicom.plain);
  EXPECT_EQ(shown.dicom.max_associations, defaults.dicom.max_associations);
  EXPECT_EQ(shown.dicom.max_connections, defaults.dicom.max_connections);
  EXPECT_EQ(shown.dicom.connect_seconds, defaults.dicom.connect_seconds);
  EXPECT_EQ(shown.dicom.idle_seconds, defaults.dicom.idle_seconds);
  EXPECT_EQ(shown.dicom.message_seconds, defaults.dicom.message_seconds);
  EXPECT_EQ(shown.dicom.max_instance_bytes, defaults.dicom.max_instance_bytes);
  EXPECT_EQ(shown.study.quiet_seconds, defaults.study.quiet_seconds);
  EXPECT_EQ(shown.study.incomplete_wait_seconds, defaults.study.incomplete_wait_seconds);
  EXPECT_EQ(shown.study.max_wait_seconds, defaults.study.max_wait_seconds);
  EXPECT_EQ(shown.study.early_start, defaults.study.early_start);
  EXPECT_EQ(shown.study.settle_seconds, defaults.study.settle_seconds);
  EXPECT_EQ(shown.model.device, defaults.model.device);
  EXPECT_EQ(shown.model.threads, defaults.model.threads);
  EXPECT_EQ(shown.model.time_limit_seconds, defaults.model.time_limit_seconds);
  EXPECT_EQ(shown.admin.bind, defaults.admin.bind);
  EXPECT_EQ(shown.admin.port, defaults.admin.port);
  EXPECT_EQ(shown.storage.min_free_gib, defaults.storage.min_free_gib);
  const auto same = [](const ReportCode& a, const ReportCode& b) {
    return a.value == b.value && a.scheme == b.scheme && a.meaning == b.meaning;
  };
  for (const auto code :
       {&ReportCodes::finding, &ReportCodes::finding_site, &ReportCodes::region, &ReportCodes::recurrence,
        &ReportCodes::necrosis, &ReportCodes::indeterminate, &ReportCodes::not_evaluable, &ReportCodes::procedure})
    EXPECT_TRUE(same(shown.codes.*code, defaults.codes.*code));
  EXPECT_EQ(shown.model.memory_limit_mib, defaults.model.memory_limit_mib);
  EXPECT_EQ(shown.housekeeping.keep_images_days, defaults.housekeeping.keep_images_days);
  EXPECT_EQ(shown.housekeeping.free_gib, defaults.housekeeping.free_gib);
  EXPECT_EQ(shown.housekeeping.keep_records_years, defaults.housekeeping.keep_records_years);
  EXPECT_EQ(shown.audit.max_file_mib, defaults.audit.max_file_mib);
  EXPECT_EQ(shown.audit.keep_files, defaults.audit.keep_files);
  ASSERT_EQ(shown.peers.size(), 1u);
  EXPECT_EQ(shown.peers[0].port, PeerSettings().port);
  EXPECT_EQ(shown.peers[0].sr_class, PeerSettings().sr_class);
  EXPECT_EQ(shown.peers[0].confirm, PeerSettings().confirm);
  EXPECT_EQ(shown.peers[0].confirm_seconds, PeerSettings().confirm_seconds);
}

TEST_F(ExampleTest, HoldsEveryKnownKeyWithAComment) {
  std::map<std::string, int> comments_before;  // "section.key" -> comment lines directly above it
  std::ifstream in(file_);
  ASSERT_TRUE(in);
  std::string section;
  int comments = 0;
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = line.find(" = ");
    std::string key = line.substr(0, equals);
    if (key.rfind("# ", 0) == 0) key.erase(0, 2);  // a key may be shown commented out
    const bool is_key = equals != std::string::npos && key.find_first_of(" .:") == std::string::npos;
    if (line.rfind("# [", 0) == 0) line.erase(0, 2);  // so may a whole section
    if (line.rfind('[', 0) == 0) {
      section = line.substr(line.find_first_not_of('['));
      section = section.substr(0, section.find(']'));
      comments = 0;
    } else if (is_key) {
      comments_before[section + "." + key] = comments;
      comments = 0;
    } else if (line.rfind('#', 0) == 0) {
      ++comments;
    } else {
      comments = 0;
    }
  }
  const auto known = KnownSettingKeys();
  EXPECT_GT(known.size(), 30u);
  for (const std::string& key : known) {
    ASSERT_TRUE(comments_before.count(key)) << key << " is not in the example";
    EXPECT_GE(comments_before[key], 1) << key << " has no comment";
  }
}

}  // namespace
}  // namespace glionode
