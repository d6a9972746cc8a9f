#pragma once

namespace glionode::dicom {

/// Silences DCMTK's own messages on standard error: on a damaged file they can quote a patient's attributes (design
/// promise 8). What went wrong reaches our callers as Error texts. Call once, before other threads start.
void SilenceToolkit();

}  // namespace glionode::dicom
