"""A functional case with tiny studies and the stand-in program (no network to compute): what is tested is everything around."""

import os

if "GLIONODE_STANDIN_BINARY" in os.environ:
    os.environ["GLIONODE_BINARY"] = os.environ["GLIONODE_STANDIN_BINARY"]
    os.environ["GLIONODE_BUNDLE"] = os.path.dirname(os.path.abspath(__file__))  # never opened

from case import FunctionalCase  # noqa: E402  (node.py reads the environment when it is imported)
from dicom_tools import dicom_files, store, tool  # noqa: E402
from node import run  # noqa: E402
from orthanc import Orthanc  # noqa: E402

SR = "1.2.840.10008.5.1.4.1.1.88."


class LifeCase(FunctionalCase):
    def setUp(self):
        super().setUp()
        self.studies = {}

    def study(self, number):
        """(Study Instance UID, its files) of a tiny study."""
        if number not in self.studies:
            folder = os.path.join(self.folder, "tiny")
            line = tool(os.environ["GLIONODE_TINY_STUDIES"], folder, "life", number, 1).stdout.splitlines()[0]
            files = [file for part in ("t1", "t2", "t1ce") for file in dicom_files(os.path.join(folder, str(number), part))]
            self.studies[number] = (line.split("\t")[1], files)
        return self.studies[number]

    def send(self, server, number, calling="HOSPITAL"):
        uid, files = self.study(number)
        sent = store(server.dicom_port, files, calling=calling)
        self.assertEqual(sent.refused, [], sent.text)
        return uid

    def pacs(self):
        pacs = Orthanc(self.folder, stable_age=3600, push=False)
        self.servers.append(pacs)
        return pacs.start()

    def order(self, server, *words, check=True):
        return run(*words, "--config", server.configuration, check=check)

    def reports(self, pacs):
        """UIDs of the structured reports in the PACS."""
        return sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in pacs.get("/instances?expand")
                      if pacs.get(f"/instances/{instance['ID']}/simplified-tags")["SOPClassUID"].startswith(SR))
