#pragma once
#include <dcmtk/dcmdata/dctk.h>

namespace glionode::dicom::testing {

inline void PutUids(DcmDataset& dataset, const char* sop_class = UID_MRImageStorage) {
  dataset.putAndInsertString(DCM_SOPClassUID, sop_class);
  dataset.putAndInsertString(DCM_SOPInstanceUID, "1.2.3.4");
  dataset.putAndInsertString(DCM_StudyInstanceUID, "1.2.3");
  dataset.putAndInsertString(DCM_SeriesInstanceUID, "1.2.3.1");
}

}  // namespace glionode::dicom::testing
