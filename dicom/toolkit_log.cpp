#include "dicom/toolkit_log.h"

#include <dcmtk/oflog/oflog.h>

namespace glionode::dicom {

void SilenceToolkit() { OFLog::configure(OFLogger::OFF_LOG_LEVEL); }

}  // namespace glionode::dicom
