#include "config/error.h"
#include "dicom/sr_report.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <sstream>

// The report as plain text, walked on the data set itself: what a reader at the other end sees, not what we meant.

namespace glionode::dicom {
namespace {

constexpr std::size_t kWidth = 100;

std::string Text(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  item.findAndGetOFStringArray(tag, value);
  return {value.c_str(), value.length()};
}

std::string Meaning(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* code = nullptr;
  if (item.findAndGetSequenceItem(sequence, code, 0).bad() || code == nullptr) return "";
  return Text(*code, DCM_CodeMeaning);
}

std::string CodeText(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* code = nullptr;
  if (item.findAndGetSequenceItem(sequence, code, 0).bad() || code == nullptr) return "";
  return Text(*code, DCM_CodeMeaning) + " (" + Text(*code, DCM_CodeValue) + ", " +
         Text(*code, DCM_CodingSchemeDesignator) + ")";
}

void Wrap(std::ostream& out, const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string word, line;
  const auto flush = [&] {
    if (!line.empty()) out << std::string(indent, ' ') << line << "\n";
    line.clear();
  };
  while (words >> word) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) flush();
    line += (line.empty() ? "" : " ") + word;
  }
  flush();
}

/// "20001231" -> "2000-12-31", "140305.5" -> "14:03:05"; anything else as it is.
std::string DateText(const std::string& da) {
  return da.size() == 8 ? da.substr(0, 4) + "-" + da.substr(4, 2) + "-" + da.substr(6) : da;
}
std::string TimeText(const std::string& tm) {
  return tm.size() >= 6 ? tm.substr(0, 2) + ":" + tm.substr(2, 2) + ":" + tm.substr(4, 2) : tm;
}

std::string Value(DcmItem& item) {
  const std::string type = Text(item, DCM_ValueType);
  if (type == "TEXT") return Text(item, DCM_TextValue);
  if (type == "CODE") return CodeText(item, DCM_ConceptCodeSequence);
  if (type == "UIDREF") return Text(item, DCM_UID);
  DcmItem* inner = nullptr;
  if (type == "NUM" && item.findAndGetSequenceItem(DCM_MeasuredValueSequence, inner, 0).good() && inner != nullptr)
    return Text(*inner, DCM_NumericValue);
  if (type == "IMAGE" && item.findAndGetSequenceItem(DCM_ReferencedSOPSequence, inner, 0).good() && inner != nullptr)
    return Text(*inner, DCM_ReferencedSOPInstanceUID);
  return "";
}

DcmSequenceOfItems* Children(DcmItem& item) {
  DcmSequenceOfItems* children = nullptr;
  item.findAndGetSequence(DCM_ContentSequence, children);
  return children;
}

/// Nameless images of one group (a series of the image library) are counted, not listed. `depth` bounds the recursion:
/// the file may be anyone's.
void Walk(std::ostream& out, DcmItem& parent, std::size_t indent, int depth) {
  DcmSequenceOfItems* children = Children(parent);
  if (children == nullptr || depth > 20) return;
  unsigned long images = 0;
  for (unsigned long i = 0; i < children->card(); ++i) {
    DcmItem& item = *children->getItem(i);
    const std::string name = Meaning(item, DCM_ConceptNameCodeSequence);
    if (Text(item, DCM_ValueType) == "IMAGE" && name.empty()) {
      ++images;
      continue;
    }
    if (Text(item, DCM_ValueType) == "CONTAINER") out << "\n";
    const std::string value = Value(item);
    Wrap(out, value.empty() ? name : name + ": " + value, indent);
    Walk(out, item, indent + 2, depth + 1);
  }
  if (images > 0) Wrap(out, "Images: " + std::to_string(images), indent);
}

/// The result in sentences: the first TEXT that the root contains.
DcmItem* ResultItem(DcmItem& root) {
  DcmSequenceOfItems* children = Children(root);
  for (unsigned long i = 0; children != nullptr && i < children->card(); ++i) {
    DcmItem* item = children->getItem(i);
    if (Text(*item, DCM_RelationshipType) == "CONTAINS" && Text(*item, DCM_ValueType) == "TEXT") return item;
  }
  return nullptr;
}

void WriteHead(std::ostream& out, DcmDataset& dataset) {
  out << Meaning(dataset, DCM_ConceptNameCodeSequence) << "  -  NOT FOR CLINICAL USE\n"
      << std::string(kWidth, '=') << "\n"
      << "Series:   " << Text(dataset, DCM_SeriesDescription) << "\n"
      << "Study:    " << DateText(Text(dataset, DCM_StudyDate)) << "  " << Text(dataset, DCM_StudyInstanceUID) << "\n"
      << "Written:  " << DateText(Text(dataset, DCM_ContentDate)) << " " << TimeText(Text(dataset, DCM_ContentTime))
      << " " << Text(dataset, DCM_TimezoneOffsetFromUTC) << " by " << Text(dataset, DCM_SoftwareVersions) << "\n"
      << "Status:   " << Text(dataset, DCM_CompletionFlag) << ", " << Text(dataset, DCM_PreliminaryFlag) << ", "
      << Text(dataset, DCM_VerificationFlag) << "\n"
      << "Object:   " << Text(dataset, DCM_SOPInstanceUID) << "\n\n";
}

}  // namespace

std::string RenderSrText(const std::filesystem::path& file) {
  DcmFileFormat format;
  const OFCondition read = format.loadFile(file.c_str());
  if (read.bad()) throw Error(ErrorCode::kBadDataset, "cannot read the report " + file.string() + ": " + read.text());
  DcmDataset& dataset = *format.getDataset();
  if (Text(dataset, DCM_ValueType) != "CONTAINER")
    throw Error(ErrorCode::kBadDataset, file.string() + " is no structured report");
  std::ostringstream out;
  WriteHead(out, dataset);
  if (DcmItem* result = ResultItem(dataset)) {
    out << "RESULT\n";
    Wrap(out, Text(*result, DCM_TextValue), 2);
    out << "\n";
    result->putAndInsertString(DCM_TextValue, "(the result above)");
  }
  out << "DETAILS\n";
  Walk(out, dataset, 2, 0);
  return out.str();
}

}  // namespace glionode::dicom
