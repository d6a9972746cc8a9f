#include "dicom/ascii_text.h"
#include "dicom/report_content.h"

#include <algorithm>
#include <cmath>

namespace glionode::dicom {
namespace {

/// One table of words, so that another language can come with a native reader.
constexpr char kNotForClinicalUse[] = "NOT FOR CLINICAL USE.";
constexpr char kAssumption[] =
    "The model presumes an irradiated glioma and has not verified it; it assumes either recurrence or radiation "
    "necrosis and cannot say both, neither or a mixture.";

const char* RoleName(Role role) {
  switch (role) {
    case Role::kT1:
      return "T1";
    case Role::kT2:
      return "T2";
    case Role::kT1ce:
      return "contrast-enhanced T1";
    case Role::kNone:
    case Role::kUnsure:
      break;
  }
  return "other series";
}

int WholePercent(double probability) { return static_cast<int>(std::lround(100 * std::clamp(probability, 0.0, 1.0))); }

std::string WholePercentText(int percent) {
  if (percent <= 0) return "<1";
  if (percent >= 100) return ">99";
  return std::to_string(percent);
}

/// "A, B and C"
std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

/// Ends a text of others with exactly one full stop, so that it stands as a sentence between ours.
std::string Sentence(const std::string& text) {
  std::string sentence = FoldToAscii(text);
  while (!sentence.empty() && (sentence.back() == ' ' || sentence.back() == '.')) sentence.pop_back();
  if (!sentence.empty() && sentence.back() != '?' && sentence.back() != '!') sentence += '.';
  return sentence;
}

std::string ModelName(const ReportContent& content) {
  std::string name = FoldToAscii(content.bundle_name);
  if (!content.bundle_version.empty()) name += " " + FoldToAscii(content.bundle_version);
  return name;
}

std::string SeriesFound(const ReportContent& content) {
  std::vector<std::string> names;
  for (const ReportedSeries& series : content.series)
    names.push_back(std::string(RoleName(series.role)) + " \"" + Truncate(FoldToAscii(series.description), 64) + "\"");
  return Join(names);
}

/// Which side of the band, in the numbers that are printed. A probability that rounds onto the limit it has crossed
/// is called "just" above or below it: "65 %, above 65 %" would read as a mistake.
std::string BandSentence(const ReportContent& content) {
  const double p = *content.probability_of_necrosis;
  const int low = WholePercent(content.abstain_low), high = WholePercent(content.abstain_high);
  const std::string low_text = WholePercentText(low) + " %", high_text = WholePercentText(high) + " %";
  switch (content.decision) {
    case Decision::kRecurrence:
      return "The model answers recurrence because its probability of necrosis is " +
             std::string(WholePercent(p) >= low ? "just below " : "below ") + low_text + " (necrosis: above " +
             high_text + "; in between: indeterminate).";
    case Decision::kNecrosis:
      return "The model answers necrosis because its probability of necrosis is " +
             std::string(WholePercent(p) <= high ? "just above " : "above ") + high_text + " (recurrence: below " +
             low_text + "; in between: indeterminate).";
    default:
      return "The model abstains because its probability of necrosis lies between " + low_text + " and " + high_text +
             " (recurrence: below; necrosis: above).";
  }
}

std::string FiguresSentence(const ReportContent& content) {
  const int necrosis = WholePercent(*content.probability_of_necrosis);
  const std::string of_necrosis = "of radiation necrosis " + WholePercentText(necrosis) + " %";
  const std::string of_recurrence = "of glioma recurrence " + WholePercentText(100 - necrosis) + " %";
  switch (content.decision) {
    case Decision::kRecurrence:
      return "AI result: glioma recurrence is more likely than radiation necrosis (estimated probability " +
             of_recurrence + ", " + of_necrosis + ").";
    case Decision::kNecrosis:
      return "AI result: radiation necrosis is more likely than glioma recurrence (estimated probability " +
             of_necrosis + ", " + of_recurrence + ").";
    default:
      return "AI result: indeterminate, the images do not let the model tell glioma recurrence from radiation necrosis "
             "(estimated probability " +
             of_recurrence + ", " + of_necrosis + ").";
  }
}

std::string ModelSentences(const ReportContent& content) {
  std::string text = "Model " + ModelName(content) + ": " +
                     Sentence(content.evaluation.empty() ? "no evaluation is on record" : content.evaluation);
  if (!content.intended_use.empty()) text += " Intended use: " + Sentence(content.intended_use);
  return text;
}

std::string NotEvaluableSentences(const ReportContent& content) {
  std::string text = "AI result: not evaluable, no statement on glioma recurrence or radiation necrosis is made.";
  text += content.reasons.size() > 1 ? " Reasons:" : " Reason:";
  if (content.reasons.empty()) text += " none was recorded.";
  for (const Reason& reason : content.reasons) text += " " + Sentence(reason.text);
  text += content.series.empty() ? " None of the needed series was found." : " Found: " + SeriesFound(content) + ".";
  if (!content.bundle_name.empty()) text += " " + ModelSentences(content);
  return text + " " + kNotForClinicalUse;
}

}  // namespace

std::string PercentText(double probability) { return WholePercentText(WholePercent(probability)); }

std::string ResultSentences(const ReportContent& content) {
  if (content.decision == Decision::kNotEvaluable || !content.probability_of_necrosis)
    return NotEvaluableSentences(content);
  std::string text = FiguresSentence(content) + " " + BandSentence(content);
  text += " It rests on " + SeriesFound(content) + " of this one study, without clinical data or earlier studies.";
  text += " " + ModelSentences(content) + " " + kAssumption;
  return text + " " + kNotForClinicalUse;
}

std::string DecisionHeadline(const ReportContent& content) {
  switch (content.decision) {
    case Decision::kRecurrence:
      return "Likely glioma recurrence";
    case Decision::kNecrosis:
      return "Likely radiation necrosis";
    case Decision::kIndeterminate:
      return "Indeterminate";
    case Decision::kNotEvaluable:
      break;
  }
  return "Not evaluable";
}

std::string RevisionSentence(const ReportContent& content) {
  if (!content.predecessor) return "";
  std::string text = "Replaces the report of " + FoldToAscii(content.predecessor->date_time);
  const std::string before(ToText(content.predecessor->decision)), now(ToText(content.decision));
  text += before == now ? "; decision unchanged (" + now + ")" : "; decision changed from " + before + " to " + now;
  const std::string why = Sentence(content.revision_reason);
  return text + (why.empty() ? "." : "; why: " + why);
}

std::string ResultSeriesDescription(const ReportContent& content, bool capture) {
  // LO holds 64 characters (PS3.5 6.2).
  std::string decision(ToText(content.decision));
  return "AI glioma " + std::string(capture ? "capture" : "report") + ": " + decision + ", NOT FOR CLINICAL USE";
}

}  // namespace glionode::dicom
