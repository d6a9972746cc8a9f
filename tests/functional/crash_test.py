"""kill -9 at the worst moments: nothing that was acknowledged is lost, nothing is reported twice."""

import os
import signal
import threading

from case import FunctionalCase, main
from dicom_tools import CuttingProxy, dicom_files, echo, store, study_uid
from processes import wait_for


class Crash(FunctionalCase):
    def finish(self, pacs, server, uid, known, study):
        """Waits for the results and checks that there is one report, and stays one."""
        server.wait_study(uid, {"reported"})
        rows = server.wait_sent(uid)
        found = server.stays(5, lambda: [sorted(part) for part in pacs.results(study, known)])
        self.assertEqual(len(found[0]), 1)
        self.assertEqual(len(found[0]) + len(found[1]), len(rows))
        self.assertEqual(server.study(uid)["revision"], 1)
        return rows

    def test_kill_in_mid_push(self):
        """The node dies in the middle of an object. After the restart only what was not acknowledged is sent again: one
        report, over all images."""
        pacs, server = self.start_hospital({"stable_age": 3600, "push": False},
                                           sections={"study": {"quiet_seconds": 2, "incomplete_wait_seconds": 600}})
        folder = self.phantom(21)
        studies, _ = pacs.upload_folder(folder)
        study, instances = next(iter(studies.items()))
        uid, files = study_uid(folder), dicom_files(folder)
        half = sum(os.path.getsize(file) for file in files) // 2
        proxy = CuttingProxy(server.dicom_port, half, server.kill)
        self.addCleanup(proxy.close)
        sent = store(proxy.port, files)
        self.assertTrue(proxy.cut.is_set(), sent.text)
        self.assertGreater(len(sent.acknowledged), 0, sent.text)
        self.assertGreater(len(sent.refused), 0, sent.text)

        server.start()
        stored = server.get(f"/api/v1/studies/{uid}")["instances"]
        self.assertGreaterEqual(stored, len(sent.acknowledged))
        self.assertLessEqual(stored, len(sent.acknowledged) + 1)  # one may be durable with its answer lost
        self.assertEqual(server.staged(), [])
        again = store(server.dicom_port, sent.refused)
        self.assertEqual(again.refused, [], again.text)
        self.finish(pacs, server, uid, set(instances), study)
        self.assertEqual(server.get(f"/api/v1/studies/{uid}")["instances"], len(files))

    def test_kill_in_mid_job(self):
        """The node dies while its worker computes. After the restart the job runs again by itself: one report."""
        pacs, server = self.start_hospital({"stable_age": 3600, "push": False})
        studies, _ = pacs.upload_folder(self.phantom(22))
        study, instances = next(iter(studies.items()))
        uid = pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
        pacs.send(study)
        wait_for("the job to run", lambda: (server.study(uid) or {}).get("state") == "running" and server.workers(), 60, 0.02)
        workers = server.workers()
        server.kill()
        server.start()
        self.finish(pacs, server, uid, set(instances), study)

        def gone():
            return not any(os.path.exists(f"/proc/{pid}") for pid in workers)
        wait_for("the dead node's worker to end", gone, 30)

    def test_kill_between_result_and_sending(self):
        """The node dies with results that were not sent yet. The same objects leave after the restart."""
        pacs, server = self.start_hospital({"stable_age": 3600, "push": False})
        studies, _ = pacs.upload_folder(self.phantom(23))
        study, instances = next(iter(studies.items()))
        uid = pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
        pacs.send(study)
        pacs.process.process.send_signal(signal.SIGSTOP)
        try:
            server.wait_study(uid, {"reported"})
            before = wait_for("the outbox", lambda: server.outbox(uid), 30)
            server.kill()
        finally:
            pacs.process.process.send_signal(signal.SIGCONT)
        server.start()
        rows = self.finish(pacs, server, uid, set(instances), study)
        self.assertEqual(sorted(row["sop_instance_uid"] for row in rows), sorted(row["sop_instance_uid"] for row in before))

    def test_receiver_goes_on_when_a_worker_crashes(self):
        """A worker that dies costs one attempt at one job: images are taken meanwhile, the job is tried once more."""
        server = self.start_node()
        folder, other = self.phantom(24), self.phantom(25)
        sent = store(server.dicom_port, dicom_files(folder))
        self.assertEqual(sent.refused, [], sent.text)
        uid = study_uid(folder)
        wait_for("the job to run", lambda: (server.study(uid) or {}).get("state") == "running" and server.workers(), 60, 0.02)
        results = {}
        thread = threading.Thread(target=lambda: results.update(sent=store(server.dicom_port, dicom_files(other))))
        thread.start()
        victims = server.workers()
        self.assertTrue(victims)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        thread.join()
        self.assertEqual(results["sent"].refused, [], results["sent"].text)
        self.assertTrue(echo(server.dicom_port)[0])
        record = server.wait_study(uid, {"reported"})
        self.assertIn(record["decision"], ("recurrence", "necrosis", "indeterminate"))
        self.assertEqual(server.wait_study(study_uid(other), {"reported"})["revision"], 1)
        self.assert_serving(server)


if __name__ == "__main__":
    main()
