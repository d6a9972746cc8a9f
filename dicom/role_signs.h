#pragma once
#include <string>
#include <string_view>

namespace glionode::dicom {

/// Rewrites the signs of a series description that carry meaning as words of the vocabulary of role_words.cpp ("+C",
/// "s/c", "T2*", "i.v.", "w/o"), accents as ASCII and underscores as blanks, before the text is cut at everything that
/// is no letter or digit. Pure.
std::string SpellOutSigns(std::string_view text);

}  // namespace glionode::dicom
