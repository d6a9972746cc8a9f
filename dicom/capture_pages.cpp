#include "dicom/capture_pages.h"

#include "dicom/ascii_text.h"
#include "dicom/capture_panels.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace glionode::dicom {
namespace {

const SliceView* Find(const std::vector<SliceView>& views, Role role) {
  const auto it = std::find_if(views.begin(), views.end(), [&](const SliceView& view) { return view.role == role; });
  return it == views.end() ? nullptr : &*it;
}

std::map<Role, Window> WindowsByRole(const std::vector<SliceView>& views) {
  std::map<Role, std::vector<const GrayPicture*>> pictures;
  for (const SliceView& view : views)
    if (IsDrawable(view.image)) pictures[view.role].push_back(&view.image);
  std::map<Role, Window> windows;
  for (const auto& [role, list] : pictures) windows[role] = WindowFor(list);
  return windows;
}

/// Views of one size lie on the same grid (T1 and T2 are resampled to T1ce): one crop for all keeps them comparable.
Crop SharedCrop(const std::vector<SliceView>& views, const SliceView& view, std::map<Role, Window>& windows) {
  if (!IsDrawable(view.image)) return {};
  Crop crop = HeadCrop(view.image, windows[view.role]);
  for (const SliceView& other : views) {
    const bool same_grid = other.plane == view.plane && other.image.width == view.image.width &&
                           other.image.height == view.image.height && IsDrawable(other.image);
    if (!same_grid) continue;
    const Crop more = HeadCrop(other.image, windows[other.role]);
    const int right = std::max(crop.x + crop.width, more.x + more.width);
    const int bottom = std::max(crop.y + crop.height, more.y + more.height);
    crop.x = std::min(crop.x, more.x), crop.y = std::min(crop.y, more.y);
    crop.width = right - crop.x, crop.height = bottom - crop.y;
  }
  return crop;
}

std::string SeriesText(const ReportContent& content, Role role) {
  for (const ReportedSeries& series : content.series)
    if (series.role == role) return Truncate(FoldToAscii(series.description), 48);
  return "not found";
}

std::string ModelText(const ReportContent& content) {
  return FoldToAscii(content.bundle_name) + " " + FoldToAscii(content.bundle_version);
}

struct Fact {
  std::string name, value;
  int max_lines = 2;
};

std::vector<Fact> Facts(const ReportContent& content) {
  std::vector<Fact> facts = {{"Study date", DateLabel(content.study_date), 1}, {"Model", ModelText(content), 2}};
  if (!content.intended_use.empty()) facts.push_back({"Model is for", FoldToAscii(content.intended_use), 6});
  facts.push_back({"Model's record",
                   content.evaluation.empty() ? "no evaluation is on record" : FoldToAscii(content.evaluation), 9});
  facts.push_back({"Software", FoldToAscii(content.software), 2});
  return facts;
}

/// Names dim, values bright, one below the other, until `box` is full.
void DrawFacts(Canvas& canvas, const std::vector<Fact>& facts, const Box& box) {
  double y = box.y + 18;
  for (const Fact& fact : facts) {
    const int room = static_cast<int>((box.y + box.height - y - 24) / 26) + 1;
    if (y + 24 > box.y + box.height) return;
    canvas.Text(box.x, y, fact.name, {18, palette::kDim});
    y = canvas.Paragraph(box.x, y + 24, box.width, fact.value, {20, palette::kText}, std::min(room, fact.max_lines)) +
        6;
  }
}

constexpr double kCaption = 54;  ///< height of the two lines above a picture

struct CaptionText {
  std::string title, second;
};

void DrawCaptioned(Canvas& canvas, const std::vector<SliceView>& views, const SliceView* view,
                   std::map<Role, Window>& windows, const Box& box, const CaptionText& caption,
                   const PanelOptions& options) {
  canvas.FittedText(box.x, box.y + 20, box.width, caption.title, {20, palette::kText, true});
  canvas.FittedText(box.x, box.y + 44, box.width, caption.second, {18, palette::kText});
  const Box picture{box.x, box.y + kCaption, box.width, box.height - kCaption};
  if (view == nullptr) {
    canvas.Frame(picture, palette::kFrame, 1);
    canvas.Text(box.x + box.width / 2, picture.y + picture.height / 2, "no picture", {22, palette::kDim},
                Align::kCentre);
    return;
  }
  DrawView(canvas, *view, windows[view->role], SharedCrop(views, *view, windows), picture, options);
}

CaptionText Caption(const ReportContent& content, const SliceView* view, Role role) {
  return {RoleLabel(role) + (view == nullptr ? "" : ", " + PositionLabel(*view, false)), SeriesText(content, role)};
}

bool HasMap(const SliceView& view) { return !view.map.empty() && view.map.size() == view.image.values.size(); }

/// Rows and columns of equal square cells that leave the cells largest.
std::pair<int, int> Grid(int count, double width, double height) {
  std::pair<int, int> best{1, count};
  double largest = 0;
  for (int columns = 1; columns <= count; ++columns) {
    const int rows = (count + columns - 1) / columns;
    const double cell = std::min(width / columns, height / rows);
    if (cell > largest) largest = cell, best = {rows, columns};
  }
  return best;
}

/// The reasons as large as they fit between `y` and `bottom`; what does not fit is counted. Returns the next base line.
double DrawReasons(Canvas& canvas, const ReportContent& content, double y, double bottom) {
  const double width = kPageSize - 2 * kMargin - 34;
  std::vector<std::string> texts;
  for (const Reason& reason : content.reasons) texts.push_back(FoldToAscii(reason.text));
  if (texts.empty()) texts.push_back("no reason was recorded");
  TextStyle style{36, palette::kText, true};
  const auto needed = [&] {
    double sum = 0;
    for (const std::string& text : texts) sum += canvas.LineCount(width, text, style) * style.size * 1.3 + 10;
    return sum;
  };
  while (style.size > 24 && needed() > bottom - y) style.size -= 2;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const int lines = canvas.LineCount(width, texts[i], style);
    const double room = bottom - y - (i + 1 < texts.size() ? 36 : 0);
    if (i > 0 && lines * style.size * 1.3 > room) {
      canvas.Text(kMargin + 34, y, "and " + std::to_string(texts.size() - i) + " more: see the report",
                  {24, palette::kWarning, true});
      return y + 30;
    }
    canvas.Fill({kMargin + 4, y - style.size * 0.55, 14, 14}, palette::kWarning);
    const int most = std::max(1, static_cast<int>(room / (style.size * 1.3)));
    y = canvas.Paragraph(kMargin + 34, y, width, texts[i], style, most) + 10;
  }
  return y;
}

void DrawMosaicFoot(Canvas& canvas, const ReportContent& content, const CaptureViews& views, bool has_map,
                    bool one_role) {
  const double width = kPageSize - 2 * kMargin;
  if (has_map) {
    canvas.Text(kMargin, 952, "Where the model looked (not a lesion outline)", {20, palette::kText, true});
    const double right = kPageSize - kMargin;
    canvas.Text(right - 306, 952, "none", {18, palette::kDim}, Align::kRight);
    DrawMapScale(canvas, {right - 298, 936, 240, 20});
    canvas.Text(right, 952, "most", {18, palette::kDim}, Align::kRight);
    canvas.FittedText(
        kMargin, 980, width,
        views.peak_outside_brain ? PeakWarning(views) : "Map of what speaks for " + FoldToAscii(views.map_class),
        {20, views.peak_outside_brain ? palette::kWarning : palette::kText, views.peak_outside_brain});
  }
  std::string text = "Study date " + DateLabel(content.study_date) + "   ";
  if (one_role && !views.mosaic.empty()) text += RoleLabel(views.mosaic.front().role) + "   ";
  text += ModelText(content);
  if (!content.intended_use.empty()) text += " (" + FoldToAscii(content.intended_use) + ")";
  canvas.FittedText(kMargin, 1008, width, text, {18, palette::kDim});
}

}  // namespace

Canvas DrawResultPage(const ReportContent& content, const CaptureViews& views) {
  Canvas canvas(kPageSize, kPageSize);
  const double top = DrawHeader(canvas, content, "AI: " + DecisionHeadline(content)), bottom = 860;
  std::map<Role, Window> windows = WindowsByRole(views.main);
  const double width = 352, gap = 10, height = (bottom - top - gap) / 2;
  const auto draw = [&](int column, int row, Role role, const CaptionText& caption, bool with_map) {
    const Box box{kMargin + column * (width + gap), top + row * (height + gap), width, height};
    PanelOptions options;
    options.with_map = with_map;
    DrawCaptioned(canvas, views.main, Find(views.main, role), windows, box, caption, options);
  };
  const auto plain = [&](int column, int row, Role role) {
    draw(column, row, role, Caption(content, Find(views.main, role), role), false);
  };
  const SliceView* t1ce = Find(views.main, Role::kT1ce);
  const bool has_map = t1ce != nullptr && HasMap(*t1ce);
  plain(0, 0, Role::kT1ce);
  draw(1, 0, Role::kT1ce,
       has_map ? CaptionText{"Where the model looked", "(not a lesion outline)"}
               : CaptionText{"No map", "the model gave none"},
       has_map);
  plain(0, 1, Role::kT1);
  plain(1, 1, Role::kT2);

  const double side_x = kMargin + 2 * (width + gap) + 8, side_width = kPageSize - kMargin - side_x;
  double side_y = top;
  if (has_map) side_y = DrawMapLegend(canvas, views, {side_x, top, side_width, 0}) + 24;
  DrawFacts(canvas, Facts(content), {side_x, side_y, side_width, bottom - side_y});
  DrawProbabilityBar(canvas, content, {kMargin, bottom + 8, kPageSize - 2 * kMargin, 130});
  canvas.FittedText(
      kPageSize / 2.0, 1014, kPageSize - 2 * kMargin,
      "Assumes an irradiated glioma (not verified) and either recurrence or necrosis, never both or neither.",
      {18, palette::kDim}, Align::kCentre);
  return canvas;
}

Canvas DrawNotEvaluablePage(const ReportContent& content, const CaptureViews& views) {
  Canvas canvas(kPageSize, kPageSize);
  const double width = kPageSize - 2 * kMargin, lowest_pictures = 540;
  double y = DrawHeader(canvas, content, "AI: " + DecisionHeadline(content)) + 30;
  y = canvas.Paragraph(kMargin, y, width,
                       "No statement on recurrence or necrosis is made, because:", {26, palette::kDim}, 2) +
      12;
  y = DrawReasons(canvas, content, y, lowest_pictures - 30);

  std::map<Role, Window> windows = WindowsByRole(views.main);
  const double gap = 12, panel_width = (width - 2 * gap) / 3, panel_height = panel_width + kCaption;
  const double pictures = std::clamp(y + 24, 420.0, lowest_pictures);
  int column = 0;
  for (const Role role : {Role::kT1ce, Role::kT1, Role::kT2}) {
    const SliceView* view = Find(views.main, role);
    DrawCaptioned(canvas, views.main, view, windows,
                  {kMargin + column * (panel_width + gap), pictures, panel_width, panel_height},
                  Caption(content, view, role), {});
    ++column;
  }
  const double foot = std::max(pictures + panel_height + 34, 930.0);
  canvas.FittedText(kMargin, foot, width,
                    "Study date " + DateLabel(content.study_date) + "    Model " + ModelText(content) + "    " +
                        FoldToAscii(content.software),
                    {20, palette::kText});
  if (!content.intended_use.empty())
    canvas.Paragraph(kMargin, foot + 30, width, "The model is for: " + FoldToAscii(content.intended_use),
                     {20, palette::kText}, 2);
  return canvas;
}

Canvas DrawMosaicPage(const ReportContent& content, const CaptureViews& views) {
  Canvas canvas(kPageSize, kPageSize);
  const double top = DrawHeader(canvas, content, "AI: " + DecisionHeadline(content));
  const bool has_map = IsEvaluable(content) && std::any_of(views.mosaic.begin(), views.mosaic.end(), HasMap);
  const bool one_role = std::all_of(views.mosaic.begin(), views.mosaic.end(),
                                    [&](const SliceView& view) { return view.role == views.mosaic.front().role; });
  const double foot_height = has_map ? 96 : 40, width = kPageSize - 2 * kMargin;
  const double height = kPageSize - foot_height - top;
  std::map<Role, Window> windows = WindowsByRole(views.mosaic);
  const auto [rows, columns] = Grid(std::max(1, static_cast<int>(views.mosaic.size())), width, height);
  const double cell_width = width / columns, cell_height = height / rows;
  PanelOptions options;
  options.with_map = has_map;
  options.with_scale = false;
  options.mark_size = 18;
  for (std::size_t i = 0; i < views.mosaic.size(); ++i) {
    const SliceView& view = views.mosaic[i];
    const int row = static_cast<int>(i) / columns, column = static_cast<int>(i) % columns;
    const Box box{kMargin + column * cell_width + 2, top + row * cell_height + 2, cell_width - 4, cell_height - 4};
    DrawView(canvas, view, windows[view.role], SharedCrop(views.mosaic, view, windows), box, options);
    canvas.Text(box.x + 5, box.y + 20, (one_role ? "" : RoleLabel(view.role) + " ") + PositionLabel(view, true),
                {18, palette::kText}, Align::kLeft, true);
  }
  DrawMosaicFoot(canvas, content, views, has_map, one_role);
  return canvas;
}

}  // namespace glionode::dicom
