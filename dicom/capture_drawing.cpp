#include "dicom/capture_drawing.h"

#include "config/error.h"

#include <algorithm>
#include <png.h>
#include <sstream>

namespace glionode::dicom {

Surface MakeSurface(int width, int height) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height), &cairo_surface_destroy);
  if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS)
    throw Error(ErrorCode::kInternal, "cannot make a picture of " + std::to_string(width) + " x " +
                                          std::to_string(height) + " pixels for the capture");
  return surface;
}

Canvas::Canvas(int width, int height)
    : width_(width),
      height_(height),
      surface_(MakeSurface(width, height)),
      context_(cairo_create(surface_.get()), &cairo_destroy) {
  Fill({0, 0, static_cast<double>(width), static_cast<double>(height)}, palette::kBackground);
  // Grey antialiasing: colour fringes of subpixel rendering would be burned into the pixels.
  cairo_font_options_t* options = cairo_font_options_create();
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_set_font_options(context_.get(), options);
  cairo_font_options_destroy(options);
  if (TextWidth("Mm", {}) <= 0 || cairo_status(context_.get()) != CAIRO_STATUS_SUCCESS)
    throw Error(ErrorCode::kMissingPart, "no font to draw the capture with: install the package fonts-dejavu-core");
}

void Canvas::SetColor(Color color, double alpha) {
  cairo_set_source_rgba(context_.get(), color.red, color.green, color.blue, alpha);
}

void Canvas::SetFont(const TextStyle& style) {
  cairo_select_font_face(context_.get(), "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context_.get(), style.size);
}

void Canvas::Fill(const Box& box, Color color, double alpha) {
  SetColor(color, alpha);
  cairo_rectangle(context_.get(), box.x, box.y, box.width, box.height);
  cairo_fill(context_.get());
}

void Canvas::Frame(const Box& box, Color color, double line_width) {
  SetColor(color);
  cairo_set_line_width(context_.get(), line_width);
  cairo_rectangle(context_.get(), box.x, box.y, box.width, box.height);
  cairo_stroke(context_.get());
}

void Canvas::Hatch(const Box& box, Color color) {
  cairo_save(context_.get());
  cairo_rectangle(context_.get(), box.x, box.y, box.width, box.height);
  cairo_clip(context_.get());
  for (double x = box.x - box.height; x < box.x + box.width; x += 10)
    Line(x, box.y + box.height, x + box.height, box.y, color, 2);
  cairo_restore(context_.get());
}

void Canvas::Line(double x1, double y1, double x2, double y2, Color color, double line_width) {
  SetColor(color);
  cairo_set_line_width(context_.get(), line_width);
  cairo_move_to(context_.get(), x1, y1);
  cairo_line_to(context_.get(), x2, y2);
  cairo_stroke(context_.get());
}

void Canvas::Triangle(double tip_x, double tip_y, double size, Color color) {
  SetColor(color);
  cairo_move_to(context_.get(), tip_x, tip_y);
  cairo_line_to(context_.get(), tip_x - size * 0.6, tip_y - size);
  cairo_line_to(context_.get(), tip_x + size * 0.6, tip_y - size);
  cairo_close_path(context_.get());
  cairo_fill(context_.get());
}

void Canvas::Picture(cairo_surface_t* picture, const Box& box) {
  cairo_save(context_.get());
  cairo_rectangle(context_.get(), box.x, box.y, box.width, box.height);
  cairo_clip(context_.get());
  cairo_translate(context_.get(), box.x, box.y);
  cairo_scale(context_.get(), box.width / cairo_image_surface_get_width(picture),
              box.height / cairo_image_surface_get_height(picture));
  cairo_set_source_surface(context_.get(), picture, 0, 0);
  // Pictures are magnified here: GOOD is then bilinear, as viewers do it. BEST convolves every pixel with a wide
  // kernel, three quarters of the drawing time for a difference that the eye does not find.
  cairo_pattern_set_filter(cairo_get_source(context_.get()), CAIRO_FILTER_GOOD);
  cairo_pattern_set_extend(cairo_get_source(context_.get()), CAIRO_EXTEND_PAD);
  cairo_paint(context_.get());
  cairo_restore(context_.get());
}

double Canvas::TextWidth(const std::string& text, const TextStyle& style) {
  SetFont(style);
  cairo_text_extents_t extents;
  cairo_text_extents(context_.get(), text.c_str(), &extents);
  return extents.x_advance;
}

void Canvas::Text(double x, double y, const std::string& text, const TextStyle& style, Align align, bool outlined) {
  const double width = TextWidth(text, style);
  if (align == Align::kCentre) x -= width / 2;
  if (align == Align::kRight) x -= width;
  cairo_move_to(context_.get(), x, y);
  if (outlined) {
    cairo_text_path(context_.get(), text.c_str());
    SetColor(palette::kBackground);
    cairo_set_line_width(context_.get(), 5);
    cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
    cairo_stroke_preserve(context_.get());
    SetColor(style.color);
    cairo_fill(context_.get());
    return;
  }
  SetColor(style.color);
  cairo_show_text(context_.get(), text.c_str());
}

void Canvas::FittedText(double x, double y, double width, const std::string& text, TextStyle style, Align align) {
  while (style.size > 18 && TextWidth(text, style) > width) style.size -= 1;
  Text(x, y, TextWidth(text, style) > width ? Shortened(width, text, style) : text, style, align);
}

std::size_t Canvas::FittingBytes(double width, const std::string& text, const TextStyle& style) {
  // In UTF-8, bytes of the form 10xxxxxx go on with a character: a cut there would be no text any more.
  const auto cut_at = [&](std::size_t bytes) {
    while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) ++bytes;
    return std::min(bytes, text.size());
  };
  std::size_t fits = cut_at(1), step = 16;
  // Doubling, then halving: a text of any length costs what one line of it costs.
  while (fits + step < text.size() && TextWidth(text.substr(0, cut_at(fits + step)), style) <= width) {
    fits = cut_at(fits + step);
    step *= 2;
  }
  for (; step > 0; step /= 2)
    while (cut_at(fits + step) > fits && TextWidth(text.substr(0, cut_at(fits + step)), style) <= width)
      fits = cut_at(fits + step);
  return fits;
}

std::string Canvas::Shortened(double width, const std::string& text, const TextStyle& style) {
  return text.substr(0, FittingBytes(width - TextWidth("...", style), text, style)) + "...";
}

std::vector<std::string> Canvas::Lines(double width, const std::string& text, const TextStyle& style) {
  std::vector<std::string> lines;
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    if (word.front() == '%' && !words.empty())
      words.back() += " " + word;  // "83 %" stays on one line
    else
      words.push_back(word);
  }
  std::string line;
  for (std::string word : words) {
    // A word longer than a line is cut where it must be.
    for (std::size_t fits; (fits = FittingBytes(width, word, style)) < word.size(); word = word.substr(fits)) {
      if (!line.empty()) lines.push_back(line), line.clear();
      lines.push_back(word.substr(0, fits));
    }
    const std::string longer = line.empty() ? word : line + " " + word;
    if (!line.empty() && TextWidth(longer, style) > width) {
      lines.push_back(line);
      line = word;
    } else {
      line = longer;
    }
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

int Canvas::LineCount(double width, const std::string& text, const TextStyle& style) {
  return static_cast<int>(Lines(width, text, style).size());
}

double Canvas::Paragraph(double x, double y, double width, const std::string& text, const TextStyle& style,
                         int max_lines) {
  std::vector<std::string> lines = Lines(width, text, style);
  if (static_cast<int>(lines.size()) > max_lines) {
    lines.resize(static_cast<std::size_t>(max_lines));
    if (!lines.empty()) lines.back() = Shortened(width, lines.back(), style);
  }
  for (const std::string& line : lines) {
    Text(x, y, line, style);
    y += style.size * 1.3;
  }
  return y;
}

std::vector<std::uint8_t> Canvas::Rgb() {
  cairo_surface_flush(surface_.get());
  const unsigned char* data = cairo_image_surface_get_data(surface_.get());
  const int stride = cairo_image_surface_get_stride(surface_.get());
  std::vector<std::uint8_t> rgb;
  rgb.reserve(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 3);
  for (int y = 0; y < height_; ++y) {
    // ARGB32 is a native-endian word a pixel (Cairo's cairo_format_t); the page is opaque, so nothing is premultiplied.
    const auto* row = reinterpret_cast<const std::uint32_t*>(
        static_cast<const void*>(data + static_cast<std::ptrdiff_t>(y) * stride));
    for (int x = 0; x < width_; ++x)
      for (const int shift : {16, 8, 0}) rgb.push_back(static_cast<std::uint8_t>(row[x] >> shift));
  }
  return rgb;
}

void Canvas::SavePng(const std::filesystem::path& file) {
  // Not cairo_surface_write_to_png: it compresses with zlib's default level and every filter, which took longer than
  // drawing all pages. The fast setting of libpng writes a page in a fifth of that time, a third larger.
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width_);
  image.height = static_cast<png_uint_32>(height_);
  image.format = PNG_FORMAT_RGB;
  image.flags = PNG_IMAGE_FLAG_FAST;
  if (png_image_write_to_file(&image, file.c_str(), 0, Rgb().data(), 0, nullptr) != 0) return;
  const std::string reason = image.message;  // a short or failing write: libpng's simple interface tells no more
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  throw Error(ErrorCode::kOutOfSpace, "cannot write " + file.string() + ": " + reason);
}

}  // namespace glionode::dicom
