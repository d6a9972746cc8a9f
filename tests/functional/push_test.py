"""The main job: a PACS pushes a study by itself; report and captures come back, once."""

import os
import re

import dicom_tools
from case import FunctionalCase, main
from node import run
from processes import wait_for


class Push(FunctionalCase):
    def bring_back(self, folder):
        """The study of `folder` into Orthanc, and its results out of it."""
        pacs, server = self.start_hospital()
        studies, _ = pacs.upload_folder(folder)
        self.assertEqual(len(studies), 1)
        study, instances = next(iter(studies.items()))
        uid = pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
        record = server.wait_study(uid, {"reported"})
        rows = server.wait_sent(uid)
        known = set(instances)
        reports, captures = wait_for("results in the PACS", lambda: (lambda found: found[0] and found[1] and
                                     len(found[0]) + len(found[1]) == len(rows) and found[:2])(pacs.results(study, known)), 60)
        return pacs, server, study, uid, known, record, reports, captures

    def report_text(self, pacs, report):
        path = os.path.join(self.folder, "sr.dcm")
        with open(path, "wb") as file:
            file.write(pacs.file(report))
        return run("report", path).stdout

    def test_phantom_comes_back_exactly_once(self):
        """Promise 2: however often the PACS calls the study stable, one report and one set of captures."""
        pacs, server, study, uid, known, record, reports, captures = self.bring_back(self.phantom(11))
        self.assertIn(record["decision"], ("recurrence", "necrosis", "indeterminate"))
        self.assertEqual(record["reasons"], [])
        self.assertEqual(len(reports), 1)
        self.assertGreaterEqual(len(captures), 1)
        text = self.report_text(pacs, reports[0])
        self.assertIn("NOT FOR CLINICAL USE", text)
        self.assertRegex(text, r"(?i)recurrence|necrosis")
        self.assertNotRegex(text, r"(?i)\bpositive\b")

        # Our own results landed: stable again, all pushed again. Then twice more by new stable events, once by hand.
        first = sorted(known)[0]
        wait_for("another stable event", lambda: pacs.stable_events(study) >= 2, 60)
        pacs.wait_pushed(2)
        pacs.make_stable_again(study, first)
        pacs.make_stable_again(study, first)
        pacs.send(study)
        jobs = pacs.wait_pushed(5)
        self.assertEqual({job["state"] for job in jobs}, {"Success"}, jobs)
        self.assertGreaterEqual(pacs.stable_events(study), 4)

        def results():
            now = pacs.results(study, known)
            return sorted(now[0]), sorted(now[1]), sorted(row["sop_instance_uid"] for row in server.outbox(uid))
        found = server.stays(6, results)
        self.assertEqual(found[0], sorted(reports))
        self.assertEqual(found[1], sorted(captures))
        self.assertEqual(len(found[2]), len(reports) + len(captures))
        self.assertEqual(server.wait_study(uid, {"reported"})["revision"], 1)
        self.assert_serving(server)

    def test_real_study_is_not_decided_by_the_phantom_bundle(self):
        """Promise 6 on a patient's images: right series, everything computed, no answer shown."""
        pacs, _, study, _, _, record, reports, captures = self.bring_back(self.real_study())
        roles = {name: chosen["description"] for name, chosen in record["roles"].items()}
        self.assertEqual(roles, {"t1": "T1 AX", "t1ce": "MRHR T1 AX POST GAD", "t2": "MRHR T2 AX"})
        self.assertEqual(record["decision"], "not evaluable")
        self.assertEqual(record["reasons"], ["out_of_domain", "phantom_model"])
        result = record["result"]
        self.assertIsNone(result["probability_of_necrosis"])
        self.assertIsNone(result["probability_of_recurrence"])
        self.assertTrue(0 <= result["withheld_probability"] <= 1)
        self.assertEqual(len(reports), 1)
        self.assertGreaterEqual(len(captures), 1)
        text = self.report_text(pacs, reports[0])
        self.assertIn("NOT FOR CLINICAL USE", text)
        self.assertRegex(text, r"(?i)not evaluable")
        # The withheld number must not be readable anywhere: neither as a fraction nor as a percentage with decimals.
        self.assertNotIn(f"{result['withheld_probability']:.3f}", text)
        self.assertIsNone(re.search(r"(?i)probability[^.\n]*\d+ ?%", text), text)
        # Same patient and study as the images.
        tags = pacs.get(f"/instances/{reports[0]}/simplified-tags")
        self.assertEqual(tags["PatientID"], "TCGA-FG-6692")
        self.assertEqual(pacs.get(f"/instances/{reports[0]}/study")["ID"], study)
        self.assertEqual(pacs.get(f"/instances/{captures[0]}/study")["ID"], study)

    def test_early_start_needs_a_count_of_the_images(self):
        """Two complete studies, alike but for one thing: the headers of the second say how many images there are. It starts as
        soon as its association has ended; the first waits for the quiet time, because a stack without a gap may be half of one."""
        server = self.start_node(sections={"study": {
            "quiet_seconds": 900, "max_wait_seconds": 3600, "settle_seconds": 1, "early_start": True}})
        uncounted = dicom_tools.copy_study(self.phantom(13), os.path.join(self.folder, "uncounted"))
        dicom_tools.tool("dcmodify", "-nb", "-imt", "-ea", "ImagesInAcquisition", *dicom_tools.dicom_files(uncounted))
        counted = self.phantom(14)
        for folder in (uncounted, counted):
            files = dicom_tools.dicom_files(folder)
            sent = dicom_tools.store(server.dicom_port, files)
            self.assertEqual(sent.refused, [], sent.text)
        record = server.wait_study(dicom_tools.study_uid(counted), {"reported"})
        self.assertEqual(record["reasons"], [])
        self.assertEqual(server.study(dicom_tools.study_uid(uncounted))["state"], "receiving")

    def test_results_reach_a_pacs_that_was_away(self):
        """Results are made once, kept, and sent when the PACS answers again: the same objects."""
        pacs, server = self.start_hospital({"stable_age": 60, "push": False})
        studies, _ = pacs.upload_folder(self.phantom(12))
        study, instances = next(iter(studies.items()))
        uid = pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
        pacs.send(study)
        pacs.process.process.send_signal(19)  # SIGSTOP: its port is open, and nobody answers
        try:
            server.wait_study(uid, {"reported"})
            rows = wait_for("the outbox", lambda: server.outbox(uid), 30)
            self.assertTrue(all(row["state"] == "pending" for row in rows), rows)
        finally:
            pacs.process.process.send_signal(18)  # SIGCONT
        sent = server.wait_sent(uid, 180)
        self.assertEqual(sorted(row["sop_instance_uid"] for row in sent), sorted(row["sop_instance_uid"] for row in rows))
        reports, captures, _ = pacs.results(study, set(instances))
        self.assertEqual((len(reports), len(reports) + len(captures)), (1, len(rows)))


if __name__ == "__main__":
    main()
