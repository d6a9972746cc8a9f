#pragma once
#include "inference/volumes/phantom_scanner.h"

#include <string>
#include <vector>

namespace glionode::volumes {

/// Phantoms that a model was not made for, to see that it says so. The class stays as drawn; it means nothing here.
///   inverted        bright is dark
///   proton_density  T1 and T1ce taken with a long TR: hardly any T1 contrast
///   flair           the T2 series has its liquor suppressed, and says nothing of it
///   no_skull        the brain alone, as skull-stripping tools leave it
///   solid           another kind of lesion: large, homogeneous, at the skull, no cavity, no oedema
///   cyst            another kind of lesion: liquid with a thin enhancing wall, no oedema
///   t2_as_t1        the T1 series shows T2 images
///   t1_as_t2        the T2 series shows T1 images
const std::vector<std::string>& PhantomShifts();

/// These change nothing if `shift` is empty. They are called in this order, around the rendering.
void ShiftAnatomy(const std::string& shift, Anatomy& anatomy);
void ShiftProtocols(const std::string& shift, std::map<Role, Protocol>& protocols);
void ShiftVolumes(const std::string& shift, std::map<Role, Volume>& volumes);

}  // namespace glionode::volumes
