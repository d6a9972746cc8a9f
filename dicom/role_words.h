#pragma once
#include <bitset>
#include <string_view>

namespace glionode::dicom {

/// What a word in a series description means for its role. The vocabulary is a table in role_words.cpp.
enum class Word {
  kT1,
  kT2,
  kT2Star,
  kProtonDensity,
  kFlair,
  kStir,
  kInversionRecovery,  ///< TIRM, TIR: with T2 in the name a FLAIR or a STIR
  kEchoPlanar,
  kT1Sequence,    ///< MPRAGE, SPGR, BRAVO ...: sequences that are T1-weighted by design
  kGradientEcho,  ///< GRE, FFE, FLASH ...: with T2 in the name they are T2*
  kSteadyState,
  kMp2rage,
  kMp2rageUniform,
  kInversion,    ///< INV1, INV2: parts of an MP2RAGE
  kContrast,     ///< a contrast agent, by word or name
  kBareC,        ///< "c", "+c", "ce"
  kPost,         ///< after contrast
  kPre,          ///< before contrast
  kUnenhanced,   ///< without contrast
  kMaybeAgent,   ///< "cont", "w/wo": may or may not mean contrast
  kPostSurgery,  ///< "postop": says nothing of contrast, and hides what would
  kDiffusion,
  kPerfusion,
  kLabelling,  ///< arterial spin labelling: perfusion without an injection
  kFunctional,
  kSusceptibility,
  kAngiography,
  kSpectroscopy,
  kLocalizer,
  kFieldMap,
  kReformat,
  kProjection,
  kSubtraction,
  kPhase,
  kFatImage,  ///< fat or opposed-phase image of a Dixon
  kMap,       ///< a computed map
  kMapping,   ///< the images that a map is computed from
  kCalibration,
  kReport,
  kOtherBody,  ///< spine, knee ...
  kSmallPart,  ///< orbits, sella ...: a part of the head
  // What only matters beside other words:
  kBrain,
  kPlane,
  kSequence,
  kWith,
  kWithout,
  kWithAndWithout,
  kSurgery,
  kMpr,  ///< MPRAGE after "T1" (Siemens), else a reformat
  kSpine,
  kWrap,
  kNeutral,
  kNumber,
  kCount
};

/// The words of one text.
class WordSet {
 public:
  void Add(Word word) { bits_.set(static_cast<std::size_t>(word)); }
  bool Has(Word word) const { return bits_.test(static_cast<std::size_t>(word)); }
  template <typename... Words>
  bool HasAny(Words... words) const {
    return (Has(words) || ...);
  }
  bool Empty() const { return bits_.none(); }
  void Merge(const WordSet& other) { bits_ |= other.bits_; }

 private:
  std::bitset<static_cast<std::size_t>(Word::kCount)> bits_;
};

/// Finds the words of a series description or protocol name: also where sites glue them ("t2flairtra", "T1SAGGAD"),
/// without finding T1 in REST1 or RIGHT1; then settles what depends on neighbours (negation, POST OP, the name of the
/// examination in front). Pure.
WordSet FindWords(std::string_view text);

}  // namespace glionode::dicom
