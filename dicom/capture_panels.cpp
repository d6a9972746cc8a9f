#include "dicom/capture_panels.h"

#include "dicom/ascii_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace glionode::dicom {
namespace {

struct Marks {
  const char *left, *right, *top, *bottom;
};

Marks MarksOf(Plane plane) {
  switch (plane) {
    case Plane::kAxial:
      return {"R", "L", "A", "P"};
    case Plane::kCoronal:
      return {"R", "L", "H", "F"};
    case Plane::kSagittal:
      break;
  }
  return {"A", "P", "H", "F"};
}

/// The largest box of the crop's shape in the middle of `box`.
Box Fit(const Crop& crop, const Box& box) {
  const double scale = std::min(box.width / crop.width, box.height / crop.height);
  const double width = crop.width * scale, height = crop.height * scale;
  return {box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height};
}

/// On a dark plate: a white letter would vanish on a white skull.
void DrawMark(Canvas& canvas, double centre_x, double base_y, const char* letter, double size) {
  canvas.Fill({centre_x - size * 0.5, base_y - size * 0.86, size, size * 1.04}, palette::kBackground, 0.65);
  canvas.Text(centre_x, base_y, letter, {size, palette::kText, true}, Align::kCentre);
}

void DrawMarks(Canvas& canvas, Plane plane, const Box& box, double size) {
  const Marks marks = MarksOf(plane);
  const double middle_x = box.x + box.width / 2, middle_y = box.y + box.height / 2 + size * 0.36;
  DrawMark(canvas, box.x + 3 + size / 2, middle_y, marks.left, size);
  DrawMark(canvas, box.x + box.width - 3 - size / 2, middle_y, marks.right, size);
  DrawMark(canvas, middle_x, box.y + size, marks.top, size);
  DrawMark(canvas, middle_x, box.y + box.height - 6, marks.bottom, size);
}

void DrawLengthScale(Canvas& canvas, const Box& picture, const Crop& crop, double pixel_mm, const Box& box) {
  const double length = 50 / pixel_mm * picture.width / crop.width;
  if (length > box.width * 0.6) return;
  const double x = box.x + 10, y = box.y + box.height - 12;
  canvas.Line(x, y, x + length, y, palette::kBackground, 5);
  canvas.Line(x, y, x + length, y, palette::kText, 2);
  canvas.Text(x, y - 7, "5 cm", {18, palette::kText}, Align::kLeft, true);
}

/// "R 12, A 30, H 40 mm"
std::string PlaceLabel(const std::array<double, 3>& at) {
  static constexpr const char* kSides[][2] = {{"R", "L"}, {"A", "P"}, {"F", "H"}};
  std::string text;
  for (std::size_t axis = 0; axis < 3; ++axis)
    text += (axis > 0 ? ", " : "") + std::string(kSides[axis][at[axis] >= 0 ? 1 : 0]) + " " +
            std::to_string(std::lround(std::abs(at[axis])));
  return text + " mm";
}

std::string PercentLabel(double fraction) { return PercentText(fraction) + " %"; }

}  // namespace

bool IsEvaluable(const ReportContent& content) {
  return content.decision != Decision::kNotEvaluable && content.probability_of_necrosis.has_value();
}

std::string RoleLabel(Role role) {
  switch (role) {
    case Role::kT1:
      return "T1";
    case Role::kT2:
      return "T2";
    case Role::kT1ce:
      return "T1ce";
    case Role::kNone:
    case Role::kUnsure:
      break;
  }
  return "other";
}

std::string DateLabel(const std::string& date) {
  if (date.size() != 8) return date.empty() ? "unknown" : FoldToAscii(date);
  return FoldToAscii(date.substr(0, 4) + "-" + date.substr(4, 2) + "-" + date.substr(6));
}

std::string PositionLabel(const SliceView& view, bool brief) {
  static constexpr std::array<std::array<const char*, 3>, 3> kWords = {
      {{"axial", "H", "F"}, {"coronal", "P", "A"}, {"sagittal", "L", "R"}}};
  const auto& words = kWords[static_cast<std::size_t>(view.plane)];
  if (!std::isfinite(view.position_mm)) return words[0];
  char text[64];
  const char* side = view.position_mm < 0 ? words[2] : words[1];
  if (brief)
    std::snprintf(text, sizeof text, "%s %.0f mm", side, std::abs(view.position_mm));
  else
    std::snprintf(text, sizeof text, "%s, %s %.0f mm", words[0], side, std::abs(view.position_mm));
  return text;
}

double DrawHeader(Canvas& canvas, const ReportContent& content, const std::string& headline) {
  const TextStyle warning{24, palette::kBackground, true};
  const std::string text = "NOT FOR CLINICAL USE";
  const double width = canvas.TextWidth(text, warning) + 28, right = canvas.Width() - kMargin;
  canvas.Fill({right - width, 16, width, 44}, palette::kWarning);
  canvas.Text(right - width / 2, 47, text, warning, Align::kCentre);
  canvas.FittedText(kMargin, 52, right - width - 2 * kMargin, headline, {38, palette::kText, true});
  const std::string revision = RevisionSentence(content);
  if (revision.empty()) return 84;
  return canvas.Paragraph(kMargin, 90, canvas.Width() - 2 * kMargin, revision, {20, palette::kWarning}, 3) - 4;
}

void DrawView(Canvas& canvas, const SliceView& view, const Window& window, const Crop& crop, const Box& box,
              const PanelOptions& options) {
  canvas.Frame(box, palette::kFrame, 1);
  if (!IsDrawable(view.image)) {
    canvas.Text(box.x + box.width / 2, box.y + box.height / 2, "no picture", {20, palette::kDim}, Align::kCentre);
    return;
  }
  const Box picture = Fit(crop, box);
  canvas.Picture(RenderGray(view.image, window, crop).get(), picture);
  if (options.with_map && view.map.size() == view.image.values.size())
    canvas.Picture(RenderMap(view.map, view.image, crop).get(), picture);
  DrawMarks(canvas, view.plane, box, options.mark_size);
  if (options.with_scale) DrawLengthScale(canvas, picture, crop, view.image.pixel_mm, box);
}

void DrawMapScale(Canvas& canvas, const Box& box) {
  const int width = static_cast<int>(box.width);
  for (int i = 0; i < width; ++i) {
    const double value = (i + 0.5) / width;
    const Box column{std::round(box.x) + i, box.y, 1, box.height};
    // On mid grey, as over brain: weak values fade as they do in the picture.
    canvas.Fill(column, {0.35, 0.35, 0.35});
    canvas.Fill(column, MapColor(value), MapOpacity(value));
  }
  canvas.Frame(box, palette::kDim, 1);
}

double DrawMapLegend(Canvas& canvas, const CaptureViews& views, const Box& box) {
  double y = canvas.Paragraph(box.x, box.y + 20, box.width, "Map of what speaks for " + FoldToAscii(views.map_class),
                              {20, palette::kText, true}, 2);
  DrawMapScale(canvas, {box.x, y - 8, box.width, 20});
  y += 34;
  canvas.Text(box.x, y, "none", {18, palette::kDim});
  canvas.Text(box.x + box.width, y, "most", {18, palette::kDim}, Align::kRight);
  if (!views.peak_outside_brain) return y;
  y = canvas.Paragraph(box.x, y + 34, box.width, PeakWarning(views), {20, palette::kWarning, true}, 5);
  return canvas.Paragraph(box.x, y + 6, box.width,
                          views.through_lesion ? "The slices go through the largest part that enhances instead."
                                               : "The slices go through the middle of the head instead.",
                          {20, palette::kText}, 4) -
         26;
}

std::string PeakWarning(const CaptureViews& views) {
  return "Peak outside the brain (" + PlaceLabel(views.peak_mm) + "): do not rely on this map.";
}

void DrawProbabilityBar(Canvas& canvas, const ReportContent& content, const Box& box) {
  const double necrosis = std::clamp(*content.probability_of_necrosis, 0.0, 1.0);
  const double printed = std::lround(100 * necrosis) / 100.0;
  const double low = std::clamp(content.abstain_low, 0.0, 1.0), high = std::clamp(content.abstain_high, low, 1.0);
  const auto place = [&](double fraction) { return box.x + fraction * box.width; };
  const double right = box.x + box.width, text_y = box.y + 26, bar_y = box.y + 62, bar_height = 34;
  canvas.Text(box.x, text_y, "Recurrence " + PercentLabel(1 - printed), {28, palette::kRecurrence, true});
  canvas.Text(right, text_y, "Necrosis " + PercentLabel(printed), {28, palette::kNecrosis, true}, Align::kRight);
  canvas.Text((box.x + right) / 2, text_y, "estimated probability (scale: of necrosis)", {20, palette::kDim},
              Align::kCentre);

  canvas.Fill({box.x, bar_y, place(low) - box.x, bar_height}, palette::kRecurrence);
  canvas.Fill({place(high), bar_y, right - place(high), bar_height}, palette::kNecrosis);
  const Box band{place(low), bar_y, place(high) - place(low), bar_height};
  canvas.Fill(band, {0.25, 0.25, 0.25});
  canvas.Hatch(band, {0.42, 0.42, 0.42});
  canvas.Frame({box.x, bar_y, box.width, bar_height}, palette::kText, 1.5);
  const double marker = place(necrosis);
  canvas.Line(marker, bar_y, marker, bar_y + bar_height, palette::kBackground, 8);
  canvas.Line(marker, bar_y - 2, marker, bar_y + bar_height, palette::kText, 4);
  canvas.Triangle(marker, bar_y - 2, 22, palette::kText);

  // Names and limits stand below the bar, where the marker never covers them.
  const TextStyle tick{18, palette::kDim};
  const double tick_y = bar_y + bar_height + 24;
  const double label = 70;  // room for "35 %"
  if (band.x - box.x > label) canvas.Text(box.x, tick_y, "0 %", tick);
  if (right - band.x - band.width > label + 20) canvas.Text(right, tick_y, "100 %", tick, Align::kRight);
  const auto limit = [&](double x, const std::string& text) {
    canvas.Text(std::clamp(x, box.x + 25, right - 25), tick_y, text, tick, Align::kCentre);
  };
  if (band.width > label) {
    limit(band.x, PercentLabel(low));
    limit(band.x + band.width, PercentLabel(high));
  } else {
    limit(band.x + band.width / 2, PercentText(low) + " - " + PercentLabel(high));
  }
  const auto name = [&](const std::string& text, double from, double to, Color color) {
    const TextStyle style{18, color, true};
    if (to - from > canvas.TextWidth(text, style) + 90)
      canvas.Text((from + to) / 2, tick_y, text, style, Align::kCentre);
  };
  name("recurrence", box.x, place(low), palette::kRecurrence);
  name("indeterminate", place(low), place(high), palette::kText);
  name("necrosis", place(high), right, palette::kNecrosis);
}

}  // namespace glionode::dicom
