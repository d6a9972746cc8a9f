#include "server/phantom_cohort.h"

#include "config/error.h"
#include "dicom/header_reader.h"
#include "dicom/uid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

PhantomCohort Cohort(int studies, double prevalence, std::uint64_t seed, const std::string& hold_out = "") {
  PhantomCohort cohort;
  cohort.studies = studies;
  cohort.seed = seed;
  cohort.options.prevalence = prevalence;
  cohort.hold_out = hold_out;
  return cohort;
}

/// The sentence of a refusal of the command line; empty if there is none.
template <typename Work>
std::string Complaint(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kUsage);
    return error.what();
  }
  return "";
}

// Bundles were trained on these cohorts: the same seed gives the same labels in every version.
TEST(PhantomCohort, LabelsAndHoldOutStayAsTheyAre) {
  const PhantomCohort cohort = Cohort(12, 0.25, 47, "3/1");
  const std::vector<int> labels = DrawLabels(cohort);
  EXPECT_EQ(labels, (std::vector<int>{0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0}));
  const std::vector<bool> tested = DrawHoldOut(cohort, labels);
  EXPECT_EQ(std::vector<int>(tested.begin(), tested.end()), (std::vector<int>{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1}));
}

TEST(PhantomCohort, ThePapersShapeHoldsOutFortyNineAndNine) {
  const auto count = [](const PhantomCohort& cohort) {
    const std::vector<int> labels = DrawLabels(cohort);
    const std::vector<bool> tested = DrawHoldOut(cohort, labels);
    std::vector<int> held_out(2, 0);
    for (std::size_t i = 0; i < tested.size(); ++i) held_out[static_cast<std::size_t>(labels[i])] += tested[i];
    return held_out;
  };
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{7007}}) {
    const std::vector<int> labels = DrawLabels(Cohort(234, 0.18, seed));
    EXPECT_EQ(std::count(labels.begin(), labels.end(), 1), 42);
    EXPECT_EQ(count(Cohort(234, 0.18, seed)), (std::vector<int>{49, 9}));
    EXPECT_EQ(count(Cohort(234, 0.18, seed, "10/2")), (std::vector<int>{10, 2}));
  }
  EXPECT_NE(DrawLabels(Cohort(234, 0.18, 0)), DrawLabels(Cohort(234, 0.18, 7007)));
  const PhantomCohort smaller = Cohort(233, 0.18, 0);
  EXPECT_TRUE(DrawHoldOut(smaller, DrawLabels(smaller)).empty());
}

TEST(PhantomCohort, AHoldOutIsTwoNumbersThatTheCohortHas) {
  const auto complaint = [](const std::string& hold_out) {
    const PhantomCohort cohort = Cohort(4, 0.5, 47, hold_out);
    return Complaint([&] { DrawHoldOut(cohort, DrawLabels(cohort)); });
  };
  EXPECT_EQ(complaint("2/2"), "");
  EXPECT_EQ(complaint("0/0"), "");
  for (const char* wrong : {"3/0", "0/3", "1", "1/", "/1", "1/1x", "-1/1", "1/-1", "a/b", "4294967297/1",
                            "1/4294967297", "18446744073709551617/1"})
    EXPECT_THAT(complaint(wrong), HasSubstr("--hold-out " + std::string(wrong))) << wrong;
}

TEST(PhantomCohort, ASeedIsAWholeNumberOf64Bits) {
  EXPECT_EQ(ParseSeed("0"), 0U);
  EXPECT_EQ(ParseSeed("1001"), 1001U);
  EXPECT_EQ(ParseSeed("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  for (const char* wrong :
       {"-1", "18446744073709551616", "99999999999999999999999", "1.5", "1e3", "0x10", "+1", " 1", "1 ", "one", ""})
    EXPECT_THAT(Complaint([&] { ParseSeed(wrong); }), HasSubstr("--seed " + std::string(wrong))) << wrong;
}

TEST(PhantomCohort, OptionsThatAreNoNumbersAreRefused) {
  const auto complaint = [](double prevalence, double separation) {
    volumes::PhantomOptions options;
    options.prevalence = prevalence;
    options.separation = separation;
    return Complaint([&] { CheckOptions(options); });
  };
  const double none = std::numeric_limits<double>::quiet_NaN(), endless = std::numeric_limits<double>::infinity();
  EXPECT_EQ(complaint(0, 0), "");
  EXPECT_EQ(complaint(1, 20), "");
  for (const double wrong : {none, endless, -endless, -0.01, 20.1}) {
    EXPECT_THAT(complaint(wrong, 1), HasSubstr("--prevalence"));
    EXPECT_THAT(complaint(0.5, wrong), HasSubstr("--separation"));
  }
}

TEST(PhantomCohort, OtherPixelsHaveOtherUids) {
  const PhantomCohort cohort = Cohort(1, 0.5, 1);
  const std::string name = StudyName(cohort, 0, "necrosis");
  EXPECT_NE(StudyName(cohort, 0, "recurrence"), name);
  EXPECT_NE(StudyName(cohort, 1, "necrosis"), name);
  EXPECT_NE(StudyName(Cohort(1, 0.5, 2), 0, "necrosis"), name);
  PhantomCohort other = cohort;
  other.options.separation += 1e-9;
  EXPECT_NE(StudyName(other, 0, "necrosis"), name);
  other = cohort;
  other.options.shift = "cyst";
  EXPECT_NE(StudyName(other, 0, "necrosis"), name);
  other = cohort;  // what changes no pixel of the series changes no UID of them
  other.studies = 9;
  other.options.prevalence = 0.1;
  other.options.distractors = true;
  EXPECT_EQ(StudyName(other, 0, "necrosis"), name);
}

TEST(PhantomCohort, AnEmptyClassIsSaid) {
  EXPECT_THAT(EmptyClass({0, 0}), HasSubstr("necrosis"));
  EXPECT_THAT(EmptyClass({1, 1, 1}), HasSubstr("recurrence"));
  EXPECT_EQ(EmptyClass({0, 1}), "");
  EXPECT_EQ(EmptyClass({1}), "");  // one study is no cohort
}

class PhantomCohortFolder : public testing::Test {
 protected:
  PhantomCohortFolder() {
    std::string name = (fs::temp_directory_path() / "glionode-phantoms-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  ~PhantomCohortFolder() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  static void Write(const PhantomCohort& cohort, const fs::path& folder, int threads = 1) {
    WritePhantomCohort(cohort, DrawLabels(cohort), folder, threads, [](int) {});
  }
  static std::string Bytes(const fs::path& file) {
    std::ostringstream bytes;
    bytes << std::ifstream(file, std::ios::binary).rdbuf();
    return bytes.str();
  }
  static std::map<std::string, std::string> Content(const fs::path& folder) {
    std::map<std::string, std::string> content;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file()) content[entry.path().lexically_relative(folder).string()] = Bytes(entry.path());
    return content;
  }
  /// An empty file, with its folders.
  static void Touch(const fs::path& file) {
    fs::create_directories(file.parent_path());
    std::ofstream(file).flush();
  }
  fs::path root_;
};

TEST_F(PhantomCohortFolder, HasTheSameBytesForAnyNumberOfThreads) {
  const PhantomCohort cohort = Cohort(2, 0.5, 48, "1/1");
  Write(cohort, root_ / "one", 1);
  Write(cohort, root_ / "two", 2);
  const auto one = Content(root_ / "one");
  EXPECT_TRUE(one == Content(root_ / "two"));
  EXPECT_THAT(one.at("cohort.csv"), AllOf(HasSubstr("slice_thickness,split\nstudy-0001,PHANTOM-S48-00000,"),
                                          HasSubstr(",test\nstudy-0002,"), HasSubstr(",necrosis,")));
  EXPECT_THAT(one.at("truth.csv"), HasSubstr(",lesion_radius,z1,z2,z3,z4,z5,z6,z7,z8\nstudy-0001,"));
  const std::vector<int> labels = DrawLabels(cohort);
  EXPECT_EQ(dicom::ReadHeader(root_ / "one/study-0001/t1/001.dcm").study_uid,
            dicom::NamedUid(StudyName(cohort, 0, labels[0] == 1 ? "necrosis" : "recurrence")));
}

TEST_F(PhantomCohortFolder, IsNotMadeForARefusedHoldOut) {
  EXPECT_NE(Complaint([&] { Write(Cohort(4, 0.5, 47, "3/0"), root_ / "none"); }), "");
  EXPECT_FALSE(fs::exists(root_ / "none"));
}

TEST_F(PhantomCohortFolder, HoldsNothingOfARunThatWasBrokenOff) {
  Touch(root_ / "study-0001/t1/999.dcm");
  Touch(root_ / "study-0001/flair/001.dcm");
  Touch(root_ / ".glionode-phantom");  // begun by this program
  Write(Cohort(1, 0.5, 48), root_);
  EXPECT_TRUE(fs::exists(root_ / "study-0001/t1/001.dcm"));
  EXPECT_FALSE(fs::exists(root_ / "study-0001/t1/999.dcm"));
  EXPECT_FALSE(fs::exists(root_ / "study-0001/flair"));
  EXPECT_THAT(Complaint([&] { Write(Cohort(1, 0.5, 48), root_); }), HasSubstr("holds a cohort already"));
}

TEST_F(PhantomCohortFolder, KeepsWhatSomebodyElsePutThere) {
  Touch(root_ / "study-0002/t1/001.dcm");  // named as this program would, too
  EXPECT_THAT(Complaint([&] { Write(Cohort(2, 0.5, 48), root_); }), HasSubstr("study-0002"));
  EXPECT_TRUE(fs::exists(root_ / "study-0002/t1/001.dcm"));
  EXPECT_FALSE(fs::exists(root_ / "study-0001"));
  EXPECT_FALSE(fs::exists(root_ / ".glionode-phantom"));
}

TEST_F(PhantomCohortFolder, HasNoTableThatStandsForLessThanACohort) {
  const PhantomCohort cohort = Cohort(1, 0.5, 48);
  try {
    // A folder in the place of cohort.csv, put there after the first look: the table cannot be written.
    WritePhantomCohort(cohort, DrawLabels(cohort), root_, 1, [&](int) { Touch(root_ / "cohort.csv/in the way"); });
    FAIL() << "a cohort without its table";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cohort.csv"), HasSubstr("Is a directory")));
  }
  for (const auto& entry : fs::directory_iterator(root_))
    EXPECT_THAT(entry.path().filename().string(), testing::AnyOf("study-0001", "cohort.csv", ".glionode-phantom"));
  EXPECT_FALSE(fs::is_regular_file(root_ / "cohort.csv"));
}

}  // namespace
}  // namespace glionode::server
