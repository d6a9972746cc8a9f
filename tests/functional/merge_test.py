"""A patient is merged in the PACS: whatever the moment, nothing stays or arrives under an identity that is not his."""

import json
import os
import signal

from case import FunctionalCase, main
from node import run
from processes import free_port, wait_for

NEW_ID = "MERGED-0001"


class Merge(FunctionalCase):
    def merge(self, pacs, study):
        """The patient gets another ID in the PACS, with everything of his and all UIDs kept, as a merge does. Returns Orthanc's
        new name for the study."""
        patient = pacs.get(f"/studies/{study}/patient")["ID"]
        pacs.request(f"/patients/{patient}/modify", json.dumps({
            "Replace": {"PatientID": NEW_ID}, "Keep": ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"], "Force": True,
            "KeepSource": False, "Synchronous": True}).encode())
        studies = pacs.get("/studies")
        self.assertEqual(len(studies), 1, studies)
        return studies[0]

    def begin(self, seed, sections=None, peer=None):
        pacs, server = self.start_hospital({"stable_age": 3600, "push": False}, sections=sections)
        if peer:
            server.peers[0].update(peer)
            self.reload(server)
        studies, _ = pacs.upload_folder(self.phantom(seed))
        study = next(iter(studies))
        pacs.send(study)
        return pacs, server, study, pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]

    def reload(self, server):
        server.write_configuration()
        os.kill(server.process.pid, signal.SIGHUP)

    def assert_only_the_new_identity(self, pacs, reports):
        """No patient but the merged one, and as many reports of ours in his study as said."""
        patients = [pacs.get(f"/patients/{patient}")["MainDicomTags"]["PatientID"] for patient in pacs.get("/patients")]
        self.assertEqual(patients, [NEW_ID])
        study = pacs.get("/studies")[0]
        found = pacs.results(study)[0]
        self.assertEqual(len(found), reports)
        for instance in pacs.instances(study):
            self.assertEqual(pacs.get(f"/instances/{instance}/simplified-tags")["PatientID"], NEW_ID)
        return found

    def text(self, pacs, report):
        path = os.path.join(self.folder, "sr.dcm")
        with open(path, "wb") as file:
            file.write(pacs.file(report))
        return run("report", path).stdout

    def test_merge_before_the_report(self):
        pacs, server, study, uid = self.begin(61, {"study": {"quiet_seconds": 3600, "max_wait_seconds": 7200}})
        wait_for("the study", lambda: server.study(uid), 30)
        pacs.send(self.merge(pacs, study))
        server.sections["study"]["quiet_seconds"] = 1
        self.reload(server)
        self.assertEqual(server.wait_study(uid, {"reported"})["revision"], 1)
        server.wait_sent(uid)
        self.assert_only_the_new_identity(pacs, reports=1)

    def test_merge_while_the_pacs_cannot_be_reached(self):
        closed = free_port()
        pacs, server, study, uid = self.begin(62, peer={"port": closed})
        server.wait_study(uid, {"reported"})
        rows = wait_for("an attempt", lambda: (lambda rows: rows and all(row["attempts"] > 0 for row in rows) and rows)(server.outbox(uid)), 60)
        pacs.send(self.merge(pacs, study))
        wait_for("the second revision", lambda: server.study(uid)["revision"] == 2, 120)
        server.peers[0]["port"] = pacs.dicom_port
        self.reload(server)
        old = {row["sop_instance_uid"] for row in rows}

        def done():
            now = server.outbox(uid)
            new = [row for row in now if row["sop_instance_uid"] not in old]
            return new and all(row["state"] == "sent" for row in new) and now
        now = wait_for("the results under the new identity", done, 120)
        self.assertEqual({row["state"] for row in now if row["sop_instance_uid"] in old}, {"withdrawn"})
        report = self.assert_only_the_new_identity(pacs, reports=1)[0]
        self.assertNotIn("Replaces the report", self.text(pacs, report))

    def test_merge_after_the_report(self):
        pacs, server, study, uid = self.begin(63)
        server.wait_study(uid, {"reported"})
        server.wait_sent(uid)
        wait_for("the report in the PACS", lambda: pacs.results(study)[0], 30)
        pacs.send(self.merge(pacs, study))
        wait_for("the second revision", lambda: server.study(uid)["revision"] == 2, 120)
        server.wait_sent(uid)
        # The PACS carried the first report over to the merged patient; the second one says what it replaces and why.
        reports = self.assert_only_the_new_identity(pacs, reports=2)
        texts = " ".join(" ".join(self.text(pacs, report) for report in reports).split())
        self.assertIn("decision unchanged", texts)
        self.assertIn("the patient identity was corrected", texts)


if __name__ == "__main__":
    main()
