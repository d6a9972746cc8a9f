"""What only pydicom does here: run by Debian's interpreter (package python3-pydicom), whatever interpreter runs the tests.

pydicom_tools.py read FILE...               one JSON line a file: what a script of a researcher would take from it
pydicom_tools.py reject FILE TITLE IMAGE... a Key Object that takes the images back (IHE IOCM), as an archive writes it
"""

import json
import sys

TITLES = {"113001": "Rejected for Quality Reasons", "113037": "Rejected for Patient Safety Reasons",
          "113038": "Incorrect Modality Worklist Entry"}


def read(files):
    import pydicom
    for file in files:
        data = pydicom.dcmread(file)
        numbers = []

        def walk(item):
            for child in item.get("ContentSequence", []):
                if child.ValueType == "NUM":
                    numbers.append(float(child.MeasuredValueSequence[0].NumericValue))
                walk(child)
        walk(data)
        str(data)  # every element is decoded
        print(json.dumps({"sop_class": data.SOPClassUID, "patient_name": str(data.PatientName), "numbers": numbers,
                          "pixels": list(data.pixel_array.shape) if "PixelData" in data else None,
                          "description": data.SeriesDescription}))


def reject(target, title, images):
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    source = pydicom.dcmread(images[0], stop_before_pixels=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.59"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    note = FileDataset(target, {}, file_meta=meta, preamble=b"\0" * 128)
    note.is_little_endian, note.is_implicit_VR = True, False
    for keyword in ("SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
                    "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"):
        if keyword in source:
            note[keyword] = source[keyword]
    note.SOPClassUID, note.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    note.SeriesInstanceUID = generate_uid()
    note.Modality, note.SeriesNumber, note.InstanceNumber = "KO", 99, 1
    note.ContentDate, note.ContentTime, note.Manufacturer = "20261121", "120000", "Archive"
    note.ReferencedPerformedProcedureStepSequence = Sequence()
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = title, "DCM", TITLES[title]
    note.ValueType, note.ContinuityOfContent = "CONTAINER", "SEPARATE"
    note.ConceptNameCodeSequence = Sequence([code])
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    note.ContentTemplateSequence = Sequence([template])
    series, items = {}, []
    for image in images:
        data = pydicom.dcmread(image, stop_before_pixels=True)
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
        series.setdefault(data.SeriesInstanceUID, []).append(reference)
        item = Dataset()
        item.RelationshipType, item.ValueType, item.ReferencedSOPSequence = "CONTAINS", "IMAGE", Sequence([reference])
        items.append(item)
    evidence = Dataset()
    evidence.StudyInstanceUID = source.StudyInstanceUID
    evidence.ReferencedSeriesSequence = Sequence()
    for uid, references in series.items():
        entry = Dataset()
        entry.SeriesInstanceUID, entry.ReferencedSOPSequence = uid, Sequence(references)
        evidence.ReferencedSeriesSequence.append(entry)
    note.CurrentRequestedProcedureEvidenceSequence = Sequence([evidence])
    note.ContentSequence = Sequence(items)
    note.save_as(target, write_like_original=False)


if __name__ == "__main__":
    if sys.argv[1] == "read":
        read(sys.argv[2:])
    else:
        reject(sys.argv[2], sys.argv[3], sys.argv[4:])
