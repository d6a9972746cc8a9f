#pragma once
#include <string>

namespace glionode {

/// A coded concept: value, coding scheme designator, meaning (PS3.3 8.8).
struct ReportCode {
  std::string value, scheme, meaning;
};

/// The coded answers of the report: the one table of codes whose licence or taste may differ from site to site (SNOMED
/// CT outside DICOM's free subset needs a national licence), so that a site can put others in their place by [codes].
/// Concepts that the templates of PS3.16 prescribe are fixed and stand in dicom/sr_tree.cpp.
struct ReportCodes {
  ReportCode finding = {"108369006", "SCT", "Neoplasm"};  ///< neutral: the node has not established a glioma
  ReportCode finding_site = {"12738006", "SCT", "Brain"};
  ReportCode region = {"69536005", "SCT", "Head"};  ///< of the images: CID 4031 holds the head, not the brain
  ReportCode recurrence = {"25173007", "SCT", "Recurrent tumor"};
  ReportCode necrosis = {"445145001", "SCT", "Radionecrosis"};
  ReportCode indeterminate = {"114011", "DCM", "Value indeterminate"};
  ReportCode not_evaluable = {"NOTEVALUABLE", "99GLIONODE", "Not evaluable"};
  /// The better (24587-8,LN,"MR Brain WO and W contrast IV") is no member of CID 100, which validators check.
  ReportCode procedure = {"25056-3", "LN", "MRI unspecified body region"};
};

}  // namespace glionode
