#pragma once
// Internal to dicom/: Cairo types stay in this folder.
#include <cairo/cairo.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace glionode::dicom {

/// Red, green, blue, 0..1.
struct Color {
  double red = 0, green = 0, blue = 0;
};

/// Okabe and Ito's set, told apart with every common colour vision deficiency, on black.
namespace palette {
inline constexpr Color kBackground = {0, 0, 0};
inline constexpr Color kText = {0.96, 0.96, 0.96};
inline constexpr Color kDim = {0.72, 0.72, 0.72};
inline constexpr Color kFrame = {0.35, 0.35, 0.35};
inline constexpr Color kRecurrence = {0.90, 0.62, 0.00};
inline constexpr Color kNecrosis = {0.34, 0.71, 0.91};
inline constexpr Color kWarning = {0.94, 0.89, 0.26};
}  // namespace palette

struct Box {
  double x = 0, y = 0, width = 0, height = 0;
};

struct TextStyle {
  double size = 20;  ///< pixels; nothing below 18 on a page of 1024, so that half its size can still be read
  Color color = palette::kText;
  bool bold = false;
};

enum class Align { kLeft, kCentre, kRight };

using Surface = std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)>;
/// An ARGB32 surface. Throws Error{kInternal} when there is no memory for it.
Surface MakeSurface(int width, int height);

/// A page of pixels with the few things that a capture draws. Origin top left, y grows downwards, units are pixels.
/// Threads: one object per thread.
class Canvas {
 public:
  /// Throws Error{kMissingPart} when the system has no font to draw with.
  Canvas(int width, int height);

  void Fill(const Box& box, Color color, double alpha = 1);
  void Frame(const Box& box, Color color, double line_width = 1.5);
  void Hatch(const Box& box, Color color);
  void Line(double x1, double y1, double x2, double y2, Color color, double line_width = 2);
  void Triangle(double tip_x, double tip_y, double size, Color color);  ///< pointing down to its tip
  /// Draws `picture` scaled into `box` (smoothly; the caller keeps the aspect ratio).
  void Picture(cairo_surface_t* picture, const Box& box);

  double TextWidth(const std::string& text, const TextStyle& style);
  /// One line; `y` is the base line. Outlined letters are readable on any picture.
  void Text(double x, double y, const std::string& text, const TextStyle& style, Align align = Align::kLeft,
            bool outlined = false);
  /// One line that shrinks, then is cut, to fit `width`. All text is UTF-8.
  void FittedText(double x, double y, double width, const std::string& text, TextStyle style,
                  Align align = Align::kLeft);
  /// Breaks at spaces; at most `max_lines`, the last one ending in "..." if there is more. Returns the base line that
  /// would follow.
  double Paragraph(double x, double y, double width, const std::string& text, const TextStyle& style, int max_lines);
  /// How many lines Paragraph would need.
  int LineCount(double width, const std::string& text, const TextStyle& style);

  int Width() const { return width_; }
  int Height() const { return height_; }
  /// RGB, 8 bit, row by row, colour by pixel.
  std::vector<std::uint8_t> Rgb();
  void SavePng(const std::filesystem::path& file);

 private:
  void SetColor(Color color, double alpha = 1);
  void SetFont(const TextStyle& style);
  std::vector<std::string> Lines(double width, const std::string& text, const TextStyle& style);
  /// Bytes of the longest beginning of `text` (UTF-8, cut between characters) that fits, at least one character.
  std::size_t FittingBytes(double width, const std::string& text, const TextStyle& style);
  std::string Shortened(double width, const std::string& text, const TextStyle& style);  ///< and "..." behind it

  int width_, height_;
  Surface surface_;
  std::unique_ptr<cairo_t, decltype(&cairo_destroy)> context_;
};

}  // namespace glionode::dicom
