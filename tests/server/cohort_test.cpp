#include "server/cohort.h"

#include "config/error.h"
#include "server/bundle_mapping.h"
#include "server/cohort_truth.h"
#include "server/lesion_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class CohortTest : public testing::Test {
 protected:
  CohortTest() {
    std::string name = (fs::temp_directory_path() / "glionode-cohort-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    for (const char* study : {"a", "b", "c"}) {
      fs::create_directories(folder_ / study);
      for (const char* file : {"t1.nii.gz", "t2.nii.gz", "t1ce.nii.gz"}) std::ofstream(folder_ / study / file) << "x";
    }
  }
  ~CohortTest() override { fs::remove_all(folder_); }

  std::vector<CohortRow> Read(const std::string& text) {
    std::ofstream(folder_ / "cohort.csv") << text;
    return ReadCohort(folder_ / "cohort.csv");
  }
  std::string Complaint(const std::string& text) {
    try {
      Read(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.Code(), ErrorCode::kUsage);
      return error.what();
    }
    return "";
  }
  fs::path folder_;
};

TEST_F(CohortTest, DicomRowsWithTheirColumns) {
  const auto rows = Read(
      "study,patient,label,split,vendor,slice_thickness,own column\n"
      "a,P1,necrosis,train,Siemens,5,x\n"
      "b,P2,recurrence,test,,,\n"
      "c,P3,mixed,test,GE,1,\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].folder, folder_ / "a");
  EXPECT_TRUE(rows[0].Usable());
  EXPECT_FALSE(rows[2].Usable());
  EXPECT_EQ(rows[0].attributes.at("vendor"), "Siemens");
  EXPECT_EQ(rows[1].attributes.at("slice_thickness"), "");
  EXPECT_EQ(OfSplit(rows, "test").size(), 2u);
}

TEST_F(CohortTest, EveryMistakeIsListedWithItsRow) {
  const std::string complaint = Complaint(
      "study,patient,label,split,days_since_rt,necrosis_fraction\n"
      "a,P1,necrossis,train,10,0.5\n"
      "nowhere,,recurrence,trian,-5,1.5\n"
      "a,P1,recurrence,test,x,\n");
  EXPECT_THAT(complaint, HasSubstr("10 mistakes"));
  for (const char* part :
       {"row 1: label \"necrossis\" is none of recurrence, necrosis, mixed, neither, unknown (did you mean necrosis?)",
        "row 2: study \"nowhere\" is no folder", "row 2: patient is empty", "row 2: split \"trian\"",
        "row 2: days_since_rt \"-5\"", "row 2: necrosis_fraction \"1.5\" is no number from 0 to 1",
        "row 3: days_since_rt \"x\"", "row 1: this patient's studies are in more than one split",
        "row 3: this patient's studies are in more than one split", "row 3: the same images stand in row 1"})
    EXPECT_THAT(complaint, HasSubstr(part));
}

TEST_F(CohortTest, ColumnsAreChecked) {
  EXPECT_THAT(Complaint("study,patient,label,spilt\na,P1,necrosis,test\n"), HasSubstr("did you mean split?"));
  EXPECT_THAT(Complaint("folder,patient\n"),
              AllOf(HasSubstr("the column study"), HasSubstr("column label is missing")));
  EXPECT_THAT(Complaint("study,patient,label,label\na,P,necrosis,x\n"), HasSubstr("stands twice"));
  EXPECT_THAT(Complaint("study,t1,patient,label,input_state\n"), HasSubstr("one of the two"));
  EXPECT_THAT(Complaint("t1,t2,t1ce,patient,label\n"), HasSubstr("input_state is missing"));
  EXPECT_THAT(Complaint("study,patient,label\n"), HasSubstr("no data row"));
  EXPECT_THAT(Complaint("study;patient;label\na;P;necrosis\n"), HasSubstr("not separated by commas"));
  EXPECT_THAT(Complaint("study,patient,label,\na,P,necrosis,\n"), HasSubstr("a column has no name"));
  EXPECT_THAT(Complaint("study,patient,label,data_split\na,P,necrosis,test\n"), HasSubstr("in the column split"));
  EXPECT_THAT(Complaint("study,patient,label\na,\"P,necrosis\n"), HasSubstr("a quotation mark is not closed"));
  EXPECT_EQ(Read("study,patient,label,TE\na,P,necrosis,90\n").size(), 1u);  // no misspelt t1 among DICOM folders
}

TEST_F(CohortTest, OneFolderUnderTwoNamesIsFound) {
  fs::create_directory_symlink(folder_ / "a", folder_ / "link");
  for (const char* other : {"a/", "./a", "b/../a", "link"})
    EXPECT_THAT(Complaint("study,patient,label\na,P1,necrosis\n" + std::string(other) + ",P2,recurrence\n"),
                HasSubstr("row 2: the same images stand in row 1"))
        << other;
}

TEST_F(CohortTest, NiftiRows) {
  const std::string header = "t1,t2,t1ce,patient,label,input_state\n";
  const std::string good = "a/t1.nii.gz,a/t2.nii.gz,a/t1ce.nii.gz,P1,necrosis,skull-stripped\n";
  const auto rows = Read(header + good);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].folder.empty());
  EXPECT_EQ(rows[0].nifti.at(Role::kT1ce), folder_ / "a/t1ce.nii.gz");
  EXPECT_EQ(rows[0].input_state, "skull-stripped");
  EXPECT_EQ(rows[0].study, "a/t1.nii.gz");
  EXPECT_THAT(Complaint(header + good + "b/t1.nii.gz,b/none.nii.gz,b/t1.nii.gz,P2,necrosis,native\n"),
              AllOf(HasSubstr("row 2: t2 "), HasSubstr("is no file"), HasSubstr("names the file of another sequence"),
                    HasSubstr("row 2: input_state differs from row 1")));
  EXPECT_THAT(Complaint(header + "a/t1.nii.gz,a/t2.nii.gz,a/t1ce.nii.gz,P1,necrosis,stripped\n"),
              HasSubstr("input_state \"stripped\" is none of"));
  EXPECT_THAT(Complaint("study,patient,label,input_state\na,P1,necrosis,registered\n"), HasSubstr("are native"));
}

TEST(StateProblem, SkullsAreNeitherRemovedNorBroughtBack) {
  EXPECT_THAT(StateProblem("native", "native"), IsEmpty());
  EXPECT_THAT(StateProblem("registered", "native"), IsEmpty());  // registration is part of the preprocessing
  EXPECT_THAT(StateProblem("skull-stripped", "skull-stripped"), IsEmpty());
  EXPECT_THAT(StateProblem("skull-stripped", "native"), HasSubstr("removes no skull"));
  EXPECT_THAT(StateProblem("native", "skull-stripped"), HasSubstr("whole heads"));
}

TEST_F(CohortTest, TruthIsReadBesideTheCohort) {
  EXPECT_TRUE(ReadTruth(folder_ / "cohort.csv").empty());
  std::ofstream(folder_ / "truth.csv") << "study,label,log_likelihood_ratio,separation,lesion_x,lesion_y,lesion_z,"
                                          "lesion_radius,z1\na,necrosis,1.5,1.812,1,2,3,12.5,0.1\n";
  const auto truth = ReadTruth(folder_ / "cohort.csv");
  EXPECT_EQ(truth.at("a").log_likelihood_ratio, 1.5);
  EXPECT_EQ(truth.at("a").lesion.radius, 12.5);
  EXPECT_EQ(truth.at("a").lesion.centre[2], 3);
  std::ofstream(folder_ / "truth.csv") << "study,log_likelihood_ratio\na,x\n";
  EXPECT_THROW(ReadTruth(folder_ / "cohort.csv"), Error);
}

TEST(LesionFeatures, MeasureShellsAroundTheLesion) {
  const int n = 32;
  std::vector<float> tensor;
  for (int c = 0; c < 2; ++c)
    for (int z = 0; z < n; ++z)
      for (int y = 0; y < n; ++y)
        for (int x = 0; x < n; ++x) {
          const bool inside = std::hypot(x - 10, y - 12, z - 14) * 2 <= 10;
          tensor.push_back(c == 1 && inside ? 3.0F : 1.0F);
        }
  const std::vector<Role> roles = {Role::kT1, Role::kT1ce};
  // Voxels of 2 mm; the first one at (-5, 0, 5).
  const auto features = LesionFeatures(tensor, roles, n, 2, {-5, 0, 5}, {{15, 24, 33}, 10});
  ASSERT_EQ(features.size(), 21u);  // six shells and a spread, of T1, T1ce and the enhancement
  EXPECT_NEAR(features[0], 1, 1e-6);
  EXPECT_NEAR(features[7], 3, 1e-6);   // core of T1ce
  EXPECT_NEAR(features[10], 1, 1e-6);  // around it
  EXPECT_NEAR(features[14], 2, 1e-6);  // enhancement of the core
  EXPECT_NEAR(features[20], 0, 1e-6);
  EXPECT_TRUE(LesionFeatures(tensor, roles, n, 2, {-5, 0, 5}, {}).empty());
}

TEST(ShareInLesion, TellsAMapOnTheLesionFromOneWithoutPreference) {
  const int n = 32;
  const std::array<double, 3> origin{-5, 0, 5};
  std::vector<float> tensor(static_cast<std::size_t>(n) * n * n, 1.0F), even(64, 1.0F), on(64, 0.0F), off(64, 0.0F);
  on[(2 * 4 + 1) * 4 + 1] = 1;   // lies on voxel (8, 8, 16)
  off[(0 * 4 + 3) * 4 + 3] = 1;  // far away
  const LesionPlace lesion{{origin[0] + 16, origin[1] + 16, origin[2] + 32}, 12};
  const auto share = [&](const std::vector<float>& map) {
    return ShareInLesion(map, {4, 4, 4}, tensor, n, 2, origin, lesion);
  };
  ASSERT_TRUE(share(even) && share(on) && share(off));
  // The map fades in the half voxel at its border, where this head still is and a real one is not.
  EXPECT_NEAR(share(even)->share, share(even)->by_chance, 0.06);
  EXPECT_NEAR(share(even)->by_chance, 4.0 / 3 * 3.14159 * 18 * 18 * 18 / (64.0 * 64 * 64), 0.01);
  EXPECT_GT(share(on)->share, 0.7);
  EXPECT_LT(share(off)->share, 0.01);
  EXPECT_FALSE(share(std::vector<float>(64, 0.0F)));
  EXPECT_FALSE(ShareInLesion(even, {4, 4, 4}, tensor, n, 2, origin, {}));
}

}  // namespace
}  // namespace glionode::server
