#include "dicom/sr_tree.h"

#include "config/error.h"
#include "dicom/ascii_text.h"
#include "dicom/uid.h"

#include <dcmtk/dcmsr/dsrimgvl.h>
#include <dcmtk/dcmsr/dsrnumvl.h>

#include <cmath>
#include <cstdio>

namespace glionode::dicom {
namespace {

using Code = ReportCode;

/// Concepts that the templates prescribe (PS3.16 TID 1001, 1204, 1500, 1501, 1600, 1602, 4019).
const Code kReportTitle = {"126000", "DCM", "Imaging Measurement Report"};
const Code kLanguage = {"121049", "DCM", "Language of Content Item and Descendants"};
const Code kEnglish = {"en-US", "RFC5646", "English (United States)"};  // "eng" is no member of CID 5000
const Code kObserverType = {"121005", "DCM", "Observer Type"};
const Code kDevice = {"121007", "DCM", "Device"};
const Code kDeviceUidConcept = {"121012", "DCM", "Device Observer UID"};
const Code kDeviceName = {"121013", "DCM", "Device Observer Name"};
const Code kDeviceManufacturer = {"121014", "DCM", "Device Observer Manufacturer"};
const Code kDeviceModel = {"121015", "DCM", "Device Observer Model Name"};
const Code kDeviceSerial = {"121016", "DCM", "Device Observer Serial Number"};
const Code kProcedureReported = {"121058", "DCM", "Procedure reported"};
const Code kComment = {"121106", "DCM", "Comment"};
const Code kImageLibrary = {"111028", "DCM", "Image Library"};
const Code kImageLibraryGroup = {"126200", "DCM", "Image Library Group"};
const Code kModality = {"121139", "DCM", "Modality"};
const Code kMagneticResonance = {"MR", "DCM", "Magnetic Resonance"};
const Code kTargetRegion = {"123014", "DCM", "Target Region"};
const Code kMeasurements = {"126010", "DCM", "Imaging Measurements"};
const Code kMeasurementGroup = {"125007", "DCM", "Measurement Group"};
const Code kQualitativeEvaluations = {"C0034375", "UMLS", "Qualitative Evaluations"};
const Code kTrackingId = {"112039", "DCM", "Tracking Identifier"};
const Code kTrackingUid = {"112040", "DCM", "Tracking Unique Identifier"};
const Code kFinding = {"121071", "DCM", "Finding"};
const Code kFindingSite = {"363698007", "SCT", "Finding Site"};
const Code kAlgorithmName = {"111001", "DCM", "Algorithm Name"};
const Code kAlgorithmVersion = {"111003", "DCM", "Algorithm Version"};
const Code kAlgorithmParameters = {"111002", "DCM", "Algorithm Parameters"};
const Code kProbability = {"122157", "DCM", "Probability"};
const Code kNoUnits = {"1", "UCUM", "no units"};
const Code kConclusion = {"121077", "DCM", "Conclusion"};
const Code kSourceOfMeasurement = {"121112", "DCM", "Source of Measurement"};

DSRCodedEntryValue Coded(const Code& code) { return {code.value.c_str(), code.scheme.c_str(), code.meaning.c_str()}; }

using Relation = DSRTypes::E_RelationshipType;
constexpr Relation kContains = DSRTypes::RT_contains;
constexpr Relation kModifier = DSRTypes::RT_hasConceptMod;
constexpr Relation kObserved = DSRTypes::RT_hasObsContext;
constexpr Relation kAcquired = DSRTypes::RT_hasAcqContext;

/// Walks and fills the tree; every refusal of DCMTK becomes an Error that names the concept.
class TreeWriter {
 public:
  explicit TreeWriter(DSRDocumentTree& tree) : tree_(tree) {}

  /// Adds a child and makes it current; Close() goes back to its parent.
  void Open(Relation relation, DSRTypes::E_ValueType type, const Code& concept_name) {
    const auto mode = depth_ == 0 ? DSRTypes::AM_afterCurrent : DSRTypes::AM_belowCurrent;
    if (tree_.addContentItem(depth_ == 0 ? DSRTypes::RT_isRoot : relation, type, mode) == 0)
      throw Error(ErrorCode::kInternal, "the report's document class does not allow the item " + concept_name.meaning);
    ++depth_;
    name_ = concept_name.meaning;
    if (!concept_name.value.empty()) Check(Item().setConceptName(Coded(concept_name)));
  }
  void Close() {
    --depth_;
    if (depth_ > 0) tree_.goUp();
  }
  void OpenContainer(const Code& concept_name) { Open(kContains, DSRTypes::VT_Container, concept_name); }

  void AddText(Relation relation, const Code& concept_name, const std::string& text) {
    Open(relation, DSRTypes::VT_Text, concept_name);
    Check(Item().setStringValue(text.c_str()));
    Close();
  }
  void AddUid(Relation relation, const Code& concept_name, const std::string& uid) {
    Open(relation, DSRTypes::VT_UIDRef, concept_name);
    Check(Item().setStringValue(uid.c_str()));
    Close();
  }
  void AddCode(Relation relation, const Code& concept_name, const Code& value) {
    Open(relation, DSRTypes::VT_Code, concept_name);
    Check(Item().setCodeValue(Coded(value)));
    Close();
  }
  void AddImage(const Code& concept_name, const ReferencedInstance& instance) {
    Open(kContains, DSRTypes::VT_Image, concept_name);
    Check(Item().setImageReference(
        DSRImageReferenceValue(instance.sop_class_uid.c_str(), instance.sop_instance_uid.c_str())));
    Close();
  }
  void OpenNumber(const Code& concept_name, const std::string& value, const Code& unit) {
    Open(kContains, DSRTypes::VT_Num, concept_name);
    Check(Item().setNumericValue(DSRNumericMeasurementValue(value.c_str(), Coded(unit))));
  }
  void SetTemplate(const char* id) { Check(Item().setTemplateIdentification(id, "DCMR")); }

 private:
  DSRContentItem& Item() { return tree_.getCurrentContentItem(); }
  void Check(const OFCondition& condition) const {
    if (condition.bad())
      throw Error(ErrorCode::kInternal, "cannot set the report's item " + name_ + ": " + condition.text());
  }
  DSRDocumentTree& tree_;
  int depth_ = 0;
  std::string name_;
};

const char* RoleLabel(Role role) {
  switch (role) {
    case Role::kT1:
      return "T1";
    case Role::kT2:
      return "T2";
    case Role::kT1ce:
      return "T1ce (contrast-enhanced T1)";
    case Role::kNone:
    case Role::kUnsure:
      break;
  }
  return "other";
}

std::string Short(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

void AddObserver(TreeWriter& tree, const ReportContent& content) {
  tree.AddCode(kObserved, kObserverType, kDevice);
  tree.AddUid(kObserved, kDeviceUidConcept, content.device_uid);
  if (!content.ae_title.empty()) tree.AddText(kObserved, kDeviceName, FoldToAscii(content.ae_title));
  tree.AddText(kObserved, kDeviceManufacturer, "glionode");
  tree.AddText(kObserved, kDeviceModel, FoldToAscii(content.software.empty() ? "glionode" : content.software));
  tree.AddText(kObserved, kDeviceSerial, content.device_uid);
}

void AddImageLibrary(TreeWriter& tree, const ReportContent& content) {
  tree.OpenContainer(kImageLibrary);  // must be there even when nothing was found
  for (const ReportedSeries& series : content.series) {
    if (series.instances.empty()) continue;
    tree.OpenContainer(kImageLibraryGroup);
    tree.AddCode(kAcquired, kModality, kMagneticResonance);
    tree.AddCode(kAcquired, kTargetRegion, content.codes.region);
    std::string text = std::string(RoleLabel(series.role)) + ": \"" + FoldToAscii(series.description) + "\"";
    if (!series.why.empty()) text += ". Chosen because: " + FoldToAscii(series.why);
    tree.AddText(kAcquired, kComment, text);
    for (const ReferencedInstance& instance : series.instances) tree.AddImage({}, instance);
    tree.Close();
  }
  tree.Close();
}

void AddAlgorithm(TreeWriter& tree, const ReportContent& content) {
  tree.AddText(kModifier, kAlgorithmName, FoldToAscii(content.bundle_name));
  tree.AddText(kModifier, kAlgorithmVersion,
               content.bundle_version.empty() ? "unknown" : FoldToAscii(content.bundle_version));
  tree.AddText(kModifier, kAlgorithmParameters, "bundle SHA-256: " + FoldToAscii(content.bundle_sha256));
  tree.AddText(
      kModifier, kAlgorithmParameters,
      "calibration: slope " + Short(content.calibration_slope) + ", intercept " + Short(content.calibration_intercept));
  tree.AddText(kModifier, kAlgorithmParameters,
               "probability of necrosis below " + Short(content.abstain_low) + ": recurrence; above " +
                   Short(content.abstain_high) + ": necrosis; in between: indeterminate");
  tree.AddText(kModifier, kAlgorithmParameters,
               "intended use: " + FoldToAscii(content.intended_use.empty() ? "not stated" : content.intended_use));
  if (!content.device.empty())
    tree.AddText(kModifier, kAlgorithmParameters, "computed on: " + FoldToAscii(content.device));
}

void AddProbability(TreeWriter& tree, double probability, const Code& finding) {
  // Three decimals: CPU and GPU agree to 1e-3 (design promise 4), more would be noise.
  char value[16];
  std::snprintf(value, sizeof value, "%.3f", probability);
  tree.OpenNumber(kProbability, value, kNoUnits);
  tree.AddCode(kModifier, kFinding, finding);
  tree.Close();
}

const Code& DecisionCode(Decision decision, const ReportCodes& codes) {
  switch (decision) {
    case Decision::kRecurrence:
      return codes.recurrence;
    case Decision::kNecrosis:
      return codes.necrosis;
    case Decision::kIndeterminate:
      return codes.indeterminate;
    case Decision::kNotEvaluable:
      break;
  }
  return codes.not_evaluable;
}

void AddMeasurements(TreeWriter& tree, const ReportContent& content) {
  tree.OpenContainer(kMeasurements);
  tree.OpenContainer(kMeasurementGroup);
  tree.SetTemplate("1501");
  tree.AddText(kObserved, kTrackingId, "glionode result, revision " + std::to_string(content.revision));
  tree.AddUid(kObserved, kTrackingUid, NamedUid(content.input_key + "|tracking||0"));
  tree.AddCode(kContains, kFinding, content.codes.finding);
  AddAlgorithm(tree, content);
  tree.AddCode(kModifier, kFindingSite, content.codes.finding_site);
  // Rounded once, so that the two printed figures add up to one.
  const double necrosis = std::round(1000 * *content.probability_of_necrosis) / 1000;
  AddProbability(tree, 1 - necrosis, content.codes.recurrence);
  AddProbability(tree, necrosis, content.codes.necrosis);
  for (const ReportedSeries& series : content.series)
    if (!series.instances.empty()) tree.AddImage(kSourceOfMeasurement, series.instances[series.instances.size() / 2]);
  tree.Close();
  tree.Close();
}

void AddEvaluations(TreeWriter& tree, const ReportContent& content) {
  tree.OpenContainer(kQualitativeEvaluations);
  tree.AddCode(kContains, kConclusion, DecisionCode(content.decision, content.codes));
  for (const Reason& reason : content.reasons)
    tree.AddText(kContains, kComment, std::string(ToText(reason.code)) + ": " + FoldToAscii(reason.text));
  tree.Close();
}

}  // namespace

void BuildReportTree(const ReportContent& content, DSRDocumentTree& tree) {
  TreeWriter writer(tree);
  writer.OpenContainer(kReportTitle);
  writer.SetTemplate("1500");
  writer.AddCode(kModifier, kLanguage, kEnglish);
  AddObserver(writer, content);
  writer.AddCode(kModifier, kProcedureReported, content.codes.procedure);
  const std::string revision = RevisionSentence(content);
  writer.AddText(kContains, kComment, (revision.empty() ? "" : revision + " ") + ResultSentences(content));
  AddImageLibrary(writer, content);
  if (content.decision != Decision::kNotEvaluable) AddMeasurements(writer, content);
  AddEvaluations(writer, content);
  writer.Close();
}

}  // namespace glionode::dicom
