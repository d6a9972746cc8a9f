#pragma once
// Internal to dicom/: it shows DCMTK types, so no other folder includes it.
#include "dicom/dataset_text.h"
#include "dicom/header_reader.h"

namespace glionode::dicom {

/// Position, orientation, spacing, rescale and volume key of every frame: from the top level of a classic object, from
/// the functional groups of an enhanced one (per-frame before shared, PS3.3 C.7.6.16). Empty if there is no image plane
/// anywhere.
std::vector<FrameGeometry> ReadGeometry(DcmItem& dataset, int frames);

/// Adds, under classic keywords, the acquisition attributes that an enhanced object keeps in its shared or first-frame
/// functional groups (RepetitionTime, EchoTime, InversionTime, FlipAngle, ScanningSequence ...). What the top level
/// says already stays as it is.
void LiftFunctionalGroups(DcmItem& dataset, TextReader& text, std::map<std::string, std::string>& attributes);

}  // namespace glionode::dicom
