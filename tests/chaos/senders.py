"""The PACS and modalities that push, and the book of what each was told Success for."""

import hashlib
import io
import json
import os
import re
import subprocess
import threading
import zipfile

from dicom_tools import store, tool

PIXELS = 16 * 16 * 2  # of a tiny study's image: the last bytes of its file, in every uncompressed syntax
SLICES = 8  # of a tiny study's series
META_UID = b"\x02\x00\x03\x00UI"  # (0002,0003) Media Storage SOP Instance UID, in every file's meta information


def picture(path):
    """Hash of an image's pixels."""
    with open(path, "rb") as file:
        file.seek(-PIXELS, os.SEEK_END)
        return hashlib.sha256(file.read()).hexdigest()


def sop_instance_uid(path):
    with open(path, "rb") as file:
        head = file.read(1024)
    at = head.index(META_UID) + len(META_UID)
    return head[at + 2:at + 2 + int.from_bytes(head[at:at + 2], "little")].decode("ascii").rstrip("\0 ")


class Study:
    """One tiny study on disk, and what is to become of it."""

    def __init__(self, folder, number, uid, patient):
        self.folder, self.number, self.uid, self.patient = folder, number, uid, patient
        self.sent_completely = self.corrected = False

    def files(self, *parts):
        return sorted(os.path.join(base, name) for part in parts
                      for base, _, names in os.walk(os.path.join(self.folder, str(self.number), part)) for name in names)


def make_studies(folder, seed, first, count):
    done = subprocess.run([os.environ["GLIONODE_TINY_STUDIES"], folder, str(seed), str(first), str(count)],
                          capture_output=True, text=True, check=True)
    return [Study(folder, int(number), uid, patient)
            for number, uid, patient in (line.split("\t") for line in done.stdout.splitlines())]


class Book:
    """(SOP Instance UID, pixels) that some sender was told Success for. Threads: any."""

    def __init__(self):
        self._lock = threading.Lock()
        self.acknowledged = {}  # (SOP Instance UID, hash of the pixels) -> study number

    def write(self, study, paths):
        for path in paths:
            key = (sop_instance_uid(path), picture(path))
            with self._lock:
                self.acknowledged[key] = study.number


def by_storescu(port, files, calling):
    """Files that were acknowledged."""
    return store(port, files, calling=calling, timeout=300).acknowledged


def by_dcmsend(port, files, calling, report):
    if os.path.exists(report):
        os.remove(report)
    tool("dcmsend", "-nh", "+crf", report, "-to", 10, "-td", 60, "-aet", calling, "-aec", "GLIONODE", "127.0.0.1", port, *files,
         timeout=300, check=False)
    if not os.path.exists(report):
        return []
    acknowledged, current = [], None
    with open(report, encoding="utf-8", errors="replace") as text:
        for line in text:
            name = re.match(r"Filename\s*:\s*(.*)", line)
            if name:
                current = name[1].strip()
            if current and re.match(r"DIMSE Status\s*:\s*0x0000", line):
                acknowledged.append(current)
    return acknowledged


def by_orthanc(pacs, files):
    """Stores the files in the PACS, and has it push all of the study. All or nothing: a failed push is begun anew."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, path in enumerate(files):
            archive.write(path, f"{number}.dcm")
    stored = json.loads(pacs.request("/instances", packed.getvalue()))
    if len(stored) != len(files):
        raise OSError(f"the PACS took {len(stored)} of {len(files)} files")
    pacs.send(stored[0]["ParentStudy"])
    return files
