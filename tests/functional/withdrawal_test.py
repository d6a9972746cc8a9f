"""Taking back: our own report by `glionode withdraw`, and images by a rejection note that arrives."""

import json
import os
import subprocess

from case import FunctionalCase, main
from dicom_tools import series_of, store, tool, values
from node import ROOT, run
from processes import wait_for

KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"


class Withdrawal(FunctionalCase):
    def report(self, seed):
        pacs, server = self.start_hospital({"stable_age": 3600, "push": False})
        folder = self.phantom(seed)
        studies, _ = pacs.upload_folder(folder)
        study, instances = next(iter(studies.items()))
        uid = pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
        pacs.send(study)
        server.wait_study(uid, {"reported"})
        server.wait_sent(uid)
        return pacs, server, folder, study, uid, set(instances)

    def reject(self, title, images):
        note = os.path.join(self.folder, f"note-{title}.dcm")
        done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests", "support", "pydicom_tools.py"), "reject", note, title, *images],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + "\n(Debian package: python3-pydicom)")
        return note

    def test_withdraw_sends_a_rejection_note_once(self):
        pacs, server, _, study, uid, known = self.report(71)
        sent = {row["sop_instance_uid"] for row in server.outbox(uid)}
        done = run("withdraw", uid, "--reason", "patient-safety", "--text", "wrong bundle", "--config", server.configuration, "--json")
        self.assertEqual(json.loads(done.stdout)["peers"], ["HOSPITAL"])
        server.wait_sent(uid)
        note = wait_for("the note in the PACS", lambda: [key for key, value in pacs.instances(study).items() if value["sop_class"] == KEY_OBJECT], 30)
        self.assertEqual(len(note), 1)
        path = os.path.join(self.folder, "ko.dcm")
        with open(path, "wb") as file:
            file.write(pacs.file(note[0]))
        said = tool("dsrdump", "+Pl", path).stdout
        self.assertIn("Rejected for Patient Safety Reasons", said)
        self.assertIn("wrong bundle", said)
        dump = tool("dcmdump", "+L", path).stdout
        for instance in sent:
            self.assertIn(instance, dump)
        checked = tool("dciodvfy", "-new", path, check=False).stdout
        self.assertEqual([line for line in checked.splitlines() if line.startswith("Error")], [], checked)
        # A second order is refused; the note that comes back with the study starts nothing.
        again = run("withdraw", uid, "--reason", "quality", "--config", server.configuration, check=False)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("withdrawn already", again.stderr)
        pacs.send(study)
        self.assertEqual(server.stays(3, lambda: (server.study(uid)["revision"], len(server.outbox(uid)))), (1, len(sent) + 1))
        self.assertTrue(server.study(uid)["withdrawn"])

    def test_rejected_images_open_a_revision_without_them(self):
        pacs, server, folder, study, uid, known = self.report(72)
        series = {values(files[:1], "SeriesDescription")[files[0]]: files for files in series_of(folder).values()}
        t2 = next(files for name, files in series.items() if "T2" in name and "FLAIR" not in name)
        sent = store(server.dicom_port, [self.reject("113001", t2)])
        self.assertEqual(sent.refused, [], sent.text)
        record = wait_for("the second revision", lambda: (lambda study: study["revision"] == 2 and study)(server.study(uid)), 120)
        self.assertEqual(record["decision"], "not evaluable")
        self.assertIn("missing_role", record["reasons"])
        server.wait_sent(uid)
        # The same images once more change nothing: they stay rejected.
        store(server.dicom_port, t2)
        self.assertEqual(server.stays(5, lambda: server.study(uid)["revision"]), 2)

    def test_note_that_comes_before_the_images(self):
        folder = self.phantom(73)
        server = self.start_node()
        images = [file for files in series_of(folder).values() for file in files]
        store(server.dicom_port, [self.reject("113037", images)])
        sent = store(server.dicom_port, images)
        self.assertEqual(sent.refused, [], sent.text)
        uid = next(iter(values(images[:1], "StudyInstanceUID").values()))
        self.assertIn("rejection notes", server.wait_study(uid, {"ignored", "parked"})["why"])


if __name__ == "__main__":
    main()
