#include "dicom/role_words.h"

#include "dicom/role_signs.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

namespace glionode::dicom {
namespace {

struct Entry {
  Word meaning;
  std::string_view words;  ///< separated by blanks, lower case
};

// English first; then what German, French, Italian, Spanish, Portuguese and Dutch sites write for contrast.
constexpr Entry kVocabulary[] = {
    {Word::kT1, "t1 t1w t1wi"},
    {Word::kT2, "t2 t2w t2wi"},
    {Word::kT2Star, "t2star"},
    {Word::kProtonDensity, "pd pdw dp proton protondensity"},
    {Word::kFlair, "flair darkfluid ssflair"},
    {Word::kStir, "stir"},
    {Word::kInversionRecovery, "tirm tir"},
    {Word::kEchoPlanar, "epi ep2d ep3d"},
    {Word::kT1Sequence, "mprage memprage rage bravo spgr fspgr irspgr irfspgr efgpgr vibe starvibe lava thrive tfl3d"},
    {Word::kGradientEcho, "gre grad fgre fe ffe wffe tffe fl2d fl3d flash medic merge gradient eg mpgr"},
    {Word::kSteadyState, "ciss ci3d fiesta trufi truefisp bffe btfe balanced"},
    {Word::kMp2rage, "mp2rage"},
    {Word::kMp2rageUniform, "uni uniden"},
    {Word::kInversion, "inv inv1 inv2"},
    {Word::kContrast,
     "contrast contr gd gad gado gadolinium gadovist gadavist gadobutrol dotarem clariscan gadoterate magnevist "
     "gadopentetate prohance gadoteridol multihance gadobenate omniscan gadodiamide vueway elucirem gadopiclenol "
     "kontrast kontrastmittel km mdc enhanced injection inj injected injecte contraste contrasto gadolinio cte civ "
     "inject cm kontrastem kontrastu kontrascie contrastmiddel"},
    {Word::kBareC, "c plusc ce"},
    {Word::kPost, "post dopo apres nach pos tardif efter etter"},
    {Word::kPre, "pre nativ native blanco vor voor before antes avant prima basal basale foer foere przed"},
    {Word::kUnenhanced, "unenhanced noncontrast nc minusc plain"},
    {Word::kMaybeAgent, "cont delay delayed iv plusmaybe"},
    {Word::kPostSurgery, "postop postoperative postsurgery"},
    {Word::kDiffusion,
     "dwi dti diff diffusion adc eadc apparent trace tracew tensor tractography colfa dw dwissh dwib diffusionweighted "
     "exponential mddw ivim noddi dki"},
    {Word::kPerfusion,
     "perf perfusion permeability pwi dsc dce dynamic dynamisch dynamique dynamisk dinamico dinamica dyn cbv cbf rcbv "
     "rcbf relcbv "
     "relcbf mtt ttp tmax ktrans gbp pbp"},
    {Word::kLabelling, "asl pcasl pasl"},
    {Word::kFunctional, "fmri bold func functional rest resting task"},
    {Word::kSusceptibility, "swi swan venobold hemo hemosid qsm susceptibility minip"},
    {Word::kAngiography,
     "mra mrv tof angio angiography veno venography tricks twist inhance csfflow venc velocity cine flow"},
    {Word::kSpectroscopy, "si csi mrsi spectro spectroscopy mrs svs"},
    {Word::kLocalizer,
     "localizer localiser localizers locator loc reperage scout aascout aahead survey topogram planning 3plane 3pl "
     "threeplane "
     "triplane"},
    {Word::kFieldMap, "b0 b1 fieldmap fieldmapping fmap shim shimming field"},
    {Word::kReformat, "reformat reformatted rfmt ref reform oblique3d collection"},
    {Word::kProjection, "mip projection"},
    {Word::kSubtraction,
     "sub subtr subtraction subtract subtracted subs substraction soustraction sustraccion substraccion sottrazione "
     "subtracao"},
    {Word::kPhase, "phase pha phasemap"},
    {Word::kFatImage, "fatimage"},
    {Word::kMap, "map maps t1map t2map t1rho"},
    {Word::kMapping, "mapping quant quantitation quantitative"},
    {Word::kCalibration, "calibration calib cal coil asset_cal refscan reference senseref sensitivity"},
    {Word::kReport,
     "report screen screensave screenshot save dose summary results result fused fusion color colour segmentation "
     "mask overlay"},
    {Word::kOtherBody,
     "spine cspine tspine lspine lumbar thoracic thorax cervical sacrum neck knee abdomen liver pelvis prostate "
     "shoulder breast heart cardiac wrist ankle foot hip hws bws lws wirbelsaeule hals rachis cou columna cuello "
     "coluna "
     "pescoco rachide colonna collo nek cwk lwk wervelkolom myelo"},
    {Word::kSmallPart, "iac cai orbit orbits orbita orbital sella pituitary hypophyse hypophysis hipofisis ipofisi"},
    {Word::kBrain, "brain brains head heads skull cerebro encefalo schaedel crane neuro"},
    {Word::kPlane,
     "ax axial axials axi tra transversal transverse trans cor coronal sag sagittal sagi obl oblique 3d 2d"},
    {Word::kSequence,
     "se tse fse ir tfe space cube vista frfse grase propeller blade haste ssfse tfl wats fs fat fatsat sat "
     "sense ssh sh ffs spir spair dixon iso w weighted wt wtd high hr res thin vol volume"},
    {Word::kWith, "with mit avec con com met"},
    {Word::kWithout, "without wo non no ohne sans senza sin sem zonder o bez utan uten uden"},
    {Word::kWithAndWithout, "wwo wow wowith"},
    {Word::kSurgery, "op operative operativ surgery surgical surg resection biopsy rt treatment radiation"},
    {Word::kMpr, "mpr mprs"},
    {Word::kWrap, "wrap oversampling os fov direction enc encode encoding"},
    {Word::kNeutral,
     "and und y right left posterior prescan presat preop preoperative prep perform for stealth stryker nav "
     "neuronav brainlab routine stand standard rapid quick fast stroke seizure new mri mr nr wand mm ms pat p2 "
     "scan slab echo sec double whole tumor tumour protocol nsurg fossa wip filt filtered norm nd fil dis2d "
     "dis3d reg gap in out opp opposed processing proc small large isotropic water average averages coverage recon "
     "start "
     "test part chest last first "
     "range ranges shift heart1 best fit soft left1 ms block local wholebrain gating"},
};

using Vocabulary = std::unordered_map<std::string_view, Word>;

const Vocabulary& Words() {
  static const Vocabulary words = [] {
    Vocabulary map;
    for (const Entry& entry : kVocabulary) {
      std::string_view rest = entry.words;
      while (!rest.empty()) {
        const std::size_t end = rest.find(' ');
        map.emplace(rest.substr(0, end), entry.meaning);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      }
    }
    return map;
  }();
  return words;
}

struct Token {
  std::string text;
  Word meaning = Word::kNeutral;
  bool known = false, letters_before = false, letters_after = false;  ///< unknown letters glued to it
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }

/// Does the writing change case between i - 1 and i (camel case, or STRYKERt1)?
bool CaseBoundary(std::string_view chunk, std::size_t i) {
  const char before = chunk[i - 1], here = chunk[i];
  if (IsLower(before) && IsUpper(here)) return true;
  if (IsUpper(before) && IsUpper(here) && i + 1 < chunk.size() && IsLower(chunk[i + 1])) return true;
  return IsUpper(before) && IsLower(here) && i >= 2 && IsUpper(chunk[i - 2]);
}

/// Splits a run of letters and digits into vocabulary words and rests, by least cost: a known word 1, a number 0.5, an
/// unknown stretch 2 or 3 for one or two letters, else 5 and 0.6 a letter, so that long unknown words are not picked
/// apart for a short one inside.
std::vector<Token> Segment(std::string_view chunk) {
  std::string lower(chunk);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::size_t kLongestWord = 20;
  struct Step {
    double cost = std::numeric_limits<double>::max();
    std::size_t from = 0;
    int kind = 0;  // 0 unknown, 1 word, 2 number
  };
  const std::size_t n = lower.size();
  std::vector<Step> best(n + 1);
  best.at(0).cost = 0;
  for (std::size_t end = 1; end <= n; ++end) {
    const auto offer = [&](std::size_t from, double cost, int kind) {
      if (best[from].cost + cost < best[end].cost) best[end] = {best[from].cost + cost, from, kind};
    };
    for (std::size_t from = end > kLongestWord ? end - kLongestWord : 0; from < end; ++from) {
      const std::string_view piece = std::string_view(lower).substr(from, end - from);
      const bool cuts_number = (from > 0 && IsDigit(lower[from - 1]) && IsDigit(lower[from])) ||
                               (end < n && IsDigit(lower[end]) && IsDigit(lower[end - 1]));
      // "t13d" is T1 3D; any other digit behind T1 makes it something else (T10, T12, b1000).
      const bool dimension = end + 1 < n && (lower[end] == '3' || lower[end] == '2') && lower[end + 1] == 'd';
      if (Words().contains(piece) && (!cuts_number || dimension)) offer(from, 1, 1);
      if (!cuts_number && std::all_of(piece.begin(), piece.end(), IsDigit)) offer(from, 0.5, 2);
    }
    for (std::size_t from = 0; from < end; ++from) {
      if (best[from].kind == 0 && from > 0) continue;
      const std::size_t length = end - from;
      offer(from, length == 1 ? 2 : length == 2 ? 3 : 5 + 0.6 * static_cast<double>(length), 0);
    }
  }
  std::vector<Token> tokens;
  std::vector<std::size_t> starts;
  for (std::size_t end = n; end > 0; end = best[end].from) {
    Token token;
    token.text = lower.substr(best[end].from, end - best[end].from);
    token.known = best[end].kind != 0;
    token.meaning = best[end].kind == 1 ? Words().at(token.text) : best[end].kind == 2 ? Word::kNumber : Word::kNeutral;
    tokens.push_back(std::move(token));
    starts.push_back(best[end].from);
  }
  std::reverse(tokens.begin(), tokens.end());
  std::reverse(starts.begin(), starts.end());
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (CaseBoundary(chunk, starts[i + 1])) continue;
    if (!tokens[i].known) tokens[i + 1].letters_before = true;
    if (!tokens[i + 1].known) tokens[i].letters_after = true;
  }
  // A word found inside unknown letters counts only where chance is unlikely.
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    Token& token = tokens[i];
    const bool is_weight = token.meaning == Word::kT1 || token.meaning == Word::kT2;
    const bool known_word_follows =
        i + 1 < tokens.size() && tokens[i + 1].known && (tokens[i + 1].meaning != Word::kNumber);
    if (token.text == "rage" && token.letters_before) token.meaning = Word::kNeutral;  // MP RAGE, not "reperage"
    const bool plausible = is_weight ? !token.letters_before || known_word_follows || token.text.size() > 2
                                     : (!token.letters_before && !token.letters_after) || token.text.size() >= 4;
    if (!plausible) token.meaning = Word::kNeutral;
  }
  return tokens;
}

std::vector<Token> Tokenize(std::string_view text) {
  const std::string spelled = SpellOutSigns(text);
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < spelled.size();) {
    std::size_t end = i;
    while (end < spelled.size() && std::isalnum(static_cast<unsigned char>(spelled[end])) != 0) ++end;
    if (end == i) {
      ++i;
      continue;
    }
    for (Token& token : Segment(std::string_view(spelled).substr(i, end - i))) tokens.push_back(std::move(token));
    i = end;
  }
  return tokens;
}

bool IsWeighting(Word word) {
  return word == Word::kT1 || word == Word::kT2 || word == Word::kFlair || word == Word::kT1Sequence ||
         word == Word::kProtonDensity;
}

bool IsAgent(Word word) { return word == Word::kContrast || word == Word::kBareC || word == Word::kMaybeAgent; }

/// "BRAIN WWO T1 ...", "brain with T1 ...", "BRAINCONTRASTT1 ...": the examination's name stands in front at many
/// sites. What it says of contrast is true of the examination, not of this series.
void DropExaminationName(std::vector<Token>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (IsWeighting(tokens[i].meaning)) return;
    if (tokens[i].meaning != Word::kBrain) continue;
    for (++i; i < tokens.size(); ++i) {
      const Token& token = tokens[i];
      const bool of_examination = token.meaning == Word::kWith || token.meaning == Word::kWithout ||
                                  token.meaning == Word::kWithAndWithout || token.text == "w" || token.text == "and" ||
                                  token.text == "contrast" || token.text == "cont" || token.text == "contr";
      if (!of_examination) return;
      tokens[i].meaning = Word::kNeutral;
    }
  }
}

/// Settles the words whose meaning depends on their neighbours.
void ApplyContext(std::vector<Token>& tokens) {
  const auto meaning = [&](std::size_t i) { return i < tokens.size() ? tokens[i].meaning : Word::kNeutral; };
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    Token& token = tokens[i];
    const Word next = meaning(i + 1);
    const Word before = i > 0 ? tokens[i - 1].meaning : Word::kNeutral;
    const bool last = i + 1 == tokens.size();
    const std::string next_text = last ? "" : tokens[i + 1].text;
    switch (token.meaning) {
      case Word::kPost:
        if (next == Word::kSurgery) token.meaning = Word::kPostSurgery;
        if (next_text == "fossa" || next_text == "processing" || next_text == "proc") token.meaning = Word::kNeutral;
        break;
      case Word::kPre:
        if (next == Word::kSurgery || next_text == "stealth" || next_text == "sat" || next_text == "scan")
          token.meaning = Word::kNeutral;
        if ((token.text == "voor" || token.text == "before") && !IsAgent(next))
          token.meaning = Word::kNeutral;  // Dutch: "before", and "for"; before surgery
        break;
      case Word::kWith:
        if (last && before != Word::kNeutral) token.meaning = Word::kContrast;
        break;
      case Word::kWithout:
        if (IsAgent(next)) {
          token.meaning = Word::kUnenhanced;
          tokens[i + 1].meaning = Word::kNeutral;
        } else if (token.text == "non" && next_text == "con") {  // NON CON, NONCON
          token.meaning = Word::kUnenhanced;
          tokens[i + 1].meaning = Word::kNeutral;
        } else if (last && (token.text == "wo" || token.text == "without")) {
          token.meaning = Word::kUnenhanced;
        }
        break;
      case Word::kWithAndWithout:
        token.meaning = Word::kMaybeAgent;
        if (IsAgent(next)) tokens[i + 1].meaning = Word::kNeutral;
        break;
      case Word::kMaybeAgent:
        if (before == Word::kPost || before == Word::kPre) token.meaning = Word::kNeutral;
        if (before == Word::kWith || (i > 0 && tokens[i - 1].text == "w")) token.meaning = Word::kContrast;
        break;
      case Word::kBareC:
        if (token.text == "c" && (next == Word::kOtherBody || next_text == "spine")) token.meaning = Word::kNeutral;
        break;
      case Word::kSequence:
        // "T1 AX W": with contrast, or weighted?
        if (last && token.text == "w" && i > 0 && !IsWeighting(before)) token.meaning = Word::kMaybeAgent;
        break;
      case Word::kContrast:
        if (before == Word::kPhase) token.meaning = Word::kAngiography;
        if (token.text == "cm" && before == Word::kNumber) token.meaning = Word::kNeutral;  // 24 cm
        break;
      case Word::kMpr:
        token.meaning = before == Word::kT1 && !next_text.starts_with("range") ? Word::kT1Sequence : Word::kReformat;
        break;
      case Word::kPhase:
        if (next == Word::kWrap || (i > 0 && (tokens[i - 1].text == "in" || tokens[i - 1].text == "no")))
          token.meaning = Word::kNeutral;
        break;
      default:
        break;
    }
  }
}

}  // namespace

WordSet FindWords(std::string_view text) {
  // Descriptions have at most 64 characters (VR LO); a hostile one may not cost more.
  std::vector<Token> tokens = Tokenize(text.substr(0, 128));
  DropExaminationName(tokens);
  ApplyContext(tokens);
  WordSet words;
  for (const Token& token : tokens) words.Add(token.meaning);
  return words;
}

}  // namespace glionode::dicom
