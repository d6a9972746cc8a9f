#include "dicom/secondary_capture.h"

#include "config/error.h"
#include "dicom/ascii_text.h"
#include "dicom/capture_pages.h"
#include "dicom/capture_panels.h"
#include "dicom/source_context.h"
#include "dicom/uid.h"

#include <algorithm>

namespace glionode::dicom {
namespace {

/// A face can be recognised in a view from the side or the front, hardly in an axial slice.
bool ShowsFace(const std::vector<SliceView>& views) {
  return std::any_of(views.begin(), views.end(), [](const SliceView& view) { return view.plane != Plane::kAxial; });
}

/// SC image module and SC equipment (PS3.3 A.8.1, C.8.6).
void PutCaptureModules(DcmItem& target, const ReportContent& content, int page, bool with_map, bool shows_face) {
  PutText(target, DCM_ImageType, "DERIVED\\SECONDARY");
  PutText(target, DCM_BodyPartExamined, "BRAIN");  // no paired part: so Laterality, which says nothing here, stays away
  PutText(target, DCM_ConversionType, "WSD");
  PutText(target, DCM_DateOfSecondaryCapture, content.content_date);
  PutText(target, DCM_TimeOfSecondaryCapture, content.content_time);
  PutText(target, DCM_SecondaryCaptureDeviceManufacturer, "glionode");
  PutText(target, DCM_SecondaryCaptureDeviceManufacturerModelName, "glionode");
  PutText(target, DCM_SecondaryCaptureDeviceSoftwareVersions, Truncate(FoldToAscii(content.software), 64));
  PutText(target, DCM_BurnedInAnnotation, "YES");
  PutText(target, DCM_RecognizableVisualFeatures, shows_face ? "YES" : "NO");
  target.insertEmptyElement(DCM_PatientOrientation);  // a montage lies in no patient space
  PutText(target, DCM_DerivationDescription,
          "Page " + std::to_string(page) + ": slices reformatted from the source images, with text" +
              (with_map ? " and the activation map of model " : "; model ") + FoldToAscii(content.bundle_name) + " " +
              FoldToAscii(content.bundle_version) + ". NOT FOR CLINICAL USE.");
  PutCode(target, DCM_DerivationCodeSequence, "113072", "DCM", "Multiplanar reformatting");
  for (const ReportedSeries& series : content.series)
    for (const ReferencedInstance& instance : series.instances) {
      DcmItem& item = AppendItem(target, DCM_SourceImageSequence);
      PutText(item, DCM_ReferencedSOPClassUID, instance.sop_class_uid);
      PutText(item, DCM_ReferencedSOPInstanceUID, instance.sop_instance_uid);
      PutCode(item, DCM_PurposeOfReferenceCodeSequence, "121322", "DCM", "Source image for image processing operation");
    }
}

void PutPixels(DcmItem& target, Canvas& canvas) {
  const auto number = [&](const DcmTagKey& tag, int value) {
    if (target.putAndInsertUint16(tag, static_cast<Uint16>(value)).bad())
      throw Error(ErrorCode::kInternal, "cannot describe the capture's pixels");
  };
  number(DCM_SamplesPerPixel, 3);
  PutText(target, DCM_PhotometricInterpretation, "RGB");
  number(DCM_PlanarConfiguration, 0);
  number(DCM_Rows, canvas.Height());
  number(DCM_Columns, canvas.Width());
  number(DCM_BitsAllocated, 8);
  number(DCM_BitsStored, 8);
  number(DCM_HighBit, 7);
  number(DCM_PixelRepresentation, 0);
  const std::vector<std::uint8_t> rgb = canvas.Rgb();
  if (target.putAndInsertUint8Array(DCM_PixelData, rgb.data(), static_cast<unsigned long>(rgb.size())).bad())
    throw Error(ErrorCode::kInternal, "cannot put the capture's pixels into its object");
}

EncodedObject WritePage(const ReportContent& content, const SourceContext& source, Canvas& canvas, int page,
                        bool with_map, bool shows_face, const std::filesystem::path& folder) {
  EncodedObject object;
  object.file = folder / ("sc-" + std::to_string(page) + ".dcm");
  object.sop_class_uid = UID_SecondaryCaptureImageStorage;
  object.sop_instance_uid = NamedUid(content.input_key + "|sc|" + object.sop_class_uid + "|" + std::to_string(page));
  object.series_uid = NamedUid(content.input_key + "|sc-series|" + object.sop_class_uid + "|0");

  DcmFileFormat output;
  DcmDataset& dataset = *output.getDataset();
  source.CopyPatientAndStudy(dataset);
  OwnObject own;
  own.sop_class_uid = object.sop_class_uid;
  own.sop_instance_uid = object.sop_instance_uid;
  own.series_uid = object.series_uid;
  own.modality = "OT";
  own.series_description = ResultSeriesDescription(content, true);
  own.series_number = 9002;
  own.instance_number = page;
  PutOwnAttributes(dataset, content, own);
  PutCaptureModules(dataset, content, page, with_map, shows_face);
  PutText(dataset, DCM_LossyImageCompression, source.IsLossy() ? "01" : "00");
  PutPixels(dataset, canvas);
  canvas.SavePng(folder / ("capture-" + std::to_string(page) + ".png"));
  SaveObject(output, object.file);
  return object;
}

}  // namespace

std::vector<EncodedObject> WriteCaptures(const ReportContent& content, const CaptureViews& views,
                                         const std::filesystem::path& source_file,
                                         const std::filesystem::path& folder) {
  const SourceContext source(source_file);
  RequireComplete(content, source);
  const bool evaluable = IsEvaluable(content);
  std::vector<EncodedObject> objects;
  Canvas first = evaluable ? DrawResultPage(content, views) : DrawNotEvaluablePage(content, views);
  objects.push_back(WritePage(content, source, first, 1, evaluable, ShowsFace(views.main), folder));
  if (!views.mosaic.empty()) {
    Canvas second = DrawMosaicPage(content, views);
    objects.push_back(WritePage(content, source, second, 2, evaluable, ShowsFace(views.mosaic), folder));
  }
  return objects;
}

}  // namespace glionode::dicom
