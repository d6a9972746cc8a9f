"""Other people's software reads what we send: a web viewer's library, pydicom, DCMTK's tools, Orthanc, dcmqrscp."""

import glob
import json
import os
import subprocess

from case import FunctionalCase, main
from dicom_tools import tool
from node import ROOT, run
from orthanc import Orthanc
from processes import Process, free_port, wait_for

MODULES = os.environ.get("GLIONODE_NPM") or os.path.join(ROOT, "build", "npm")


class Readers(FunctionalCase):
    def objects(self, seed):
        """(result.json, report, captures) of a phantom, made without a network."""
        out = os.path.join(self.folder, "out")
        run("classify", self.phantom(seed), "--out", out)
        with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
            return json.load(file), os.path.join(out, "sr.dcm"), sorted(glob.glob(os.path.join(out, "sc-*.dcm")))

    def web_viewer(self, report):
        self.assertTrue(os.path.isdir(os.path.join(MODULES, "node_modules", "dcmjs")), f"dcmjs is not in {MODULES}: ./run test puts it there")
        done = subprocess.run(["node", os.path.join(ROOT, "tests", "npm", "read_report.js"), report, MODULES], capture_output=True,
                              text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_a_web_viewer_and_scripts_read_everything(self):
        result, report, captures = self.objects(81)
        self.check_web_viewer(result, report)
        self.check_scripts(result, report, captures)

    def check_web_viewer(self, result, report):
        """The measurement group is found as OHIF finds it."""
        seen = self.web_viewer(report)
        self.assertEqual(len(seen["groups"]), 1)
        group = seen["groups"][0]
        self.assertTrue(group["trackingIdentifier"])
        self.assertTrue(group["trackingUid"].startswith("2.25."))
        self.assertEqual((group["finding"], group["site"]), ("Neoplasm", "Brain"))
        numbers = {number["of"]: number for number in group["numbers"]}
        self.assertEqual(set(numbers), {"Recurrent tumor", "Radionecrosis"})
        self.assertAlmostEqual(numbers["Radionecrosis"]["value"], result["probability_of_necrosis"], places=3)
        self.assertEqual({number["unit"] for number in group["numbers"]}, {"1"})
        self.assertGreater(seen["images"], 60)
        self.assertIn("AI result:", seen["comment"])

    def check_scripts(self, result, report, captures):
        """pydicom and DCMTK's dsr2html."""
        done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests", "support", "pydicom_tools.py"), "read", report, *captures],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + "\n(Debian packages: python3-pydicom, python3-numpy)")
        read = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(read), 1 + len(captures))
        self.assertAlmostEqual(sum(read[0]["numbers"]), 1, places=6)
        self.assertAlmostEqual(read[0]["numbers"][1], result["probability_of_necrosis"], places=3)
        for capture in read[1:]:
            self.assertEqual(capture["pixels"], [1024, 1024, 3])
        page = tool("dsr2html", "-Er", report).stdout
        self.assertIn("Imaging Measurement Report", page)
        self.assertIn("AI result:", page)
        self.assertIn("NOT FOR CLINICAL USE", page)

    def send_three_times(self, port, called, files):
        for _ in range(3):
            tool("dcmsend", "-v", "-aec", called, "127.0.0.1", port, *files)  # fails when one of them is not taken

    def test_archives_show_our_pixels_and_keep_one_object_after_three_sends(self):
        _, report, captures = self.objects(82)
        self.check_orthanc(report, captures)
        self.check_dcmqrscp(report, captures)

    def check_orthanc(self, report, captures):
        pacs = Orthanc(self.folder, push=False)
        self.servers.append(pacs)
        pacs.start()
        self.send_three_times(pacs.dicom_port, "HOSPITAL", [report, *captures])
        self.assertEqual(len(pacs.get("/instances")), 1 + len(captures))
        study = pacs.get("/studies")[0]
        shown = pacs.results(study)[1]
        self.assertEqual(len(shown), len(captures))
        for instance, file in zip(shown, captures):
            picture = pacs.request(f"/instances/{instance}/preview", accept="image/x-portable-arbitrarymap")
            head, pixels = picture.split(b"ENDHDR\n", 1)
            self.assertIn(b"WIDTH 1024\nHEIGHT 1024\nDEPTH 3", head)
            with open(file, "rb") as stored:
                ours = stored.read()
            self.assertEqual(pixels, ours[-len(pixels):], f"Orthanc shows another picture than {file}")
            self.assertEqual(pacs.file(instance), ours)

    def check_dcmqrscp(self, report, captures):
        archive, port = os.path.join(self.folder, "archive"), free_port()
        os.mkdir(archive)
        configuration = os.path.join(self.folder, "dcmqrscp.cfg")
        with open(configuration, "w", encoding="ascii") as out:
            out.write(f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 8\nHostTable BEGIN\nHostTable END\n"
                      f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nARCHIVE {archive} RW (100, 1024mb) ANY\nAETable END\n")
        server = Process("dcmqrscp", ["dcmqrscp", "-c", configuration], self.folder)
        self.addCleanup(server.stop)
        wait_for("dcmqrscp", lambda: tool("echoscu", "-aec", "ARCHIVE", "127.0.0.1", port, check=False).returncode == 0, 30,
                 alive=server.require_running)
        self.send_three_times(port, "ARCHIVE", [report, *captures])
        for file in [report, *captures]:
            uid = tool("dcmdump", "-q", "-s", "+P", "SOPInstanceUID", file).stdout.split("[")[1].split("]")[0]
            said = tool("findscu", "-v", "-S", "-aec", "ARCHIVE", "-k", "QueryRetrieveLevel=IMAGE", "-k", f"SOPInstanceUID={uid}", "-k", "StudyInstanceUID", "-k",
                        "SeriesInstanceUID", "127.0.0.1", port).stdout
            self.assertEqual(said.count("(Pending)"), 1, said)


if __name__ == "__main__":
    main()
