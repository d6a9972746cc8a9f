"""What the node keeps, and for how long: backups, a damaged index, deleting, the audit trail."""

import json
import os
import shutil
import stat
import tempfile
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

from life_case import LifeCase  # first: it chooses the program
from case import main
from dicom_tools import tool
from processes import wait_for


class Keep(LifeCase):
    def test_backup_restore_and_verify(self):
        """A backup of the running node, twice; restored elsewhere it verifies, and sends nothing again."""
        pacs = self.pacs()
        server = self.start_node(pacs.dicom_port, peer={})
        uid = self.send(server, 1)
        server.wait_study(uid, {"reported"})
        server.wait_sent(uid)
        copy = os.path.join(self.folder, "copy")
        self.order(server, "backup", copy)
        # The node took no part in it: under its unit it may write to its data folder alone.
        self.assertNotIn("POST /api/v1/backup", server.process.log_text())
        second = self.send(server, 2)
        server.wait_study(second, {"reported"})
        server.wait_sent(second)
        self.order(server, "backup", copy)
        self.assertIn("every file is as it was stored", self.order(server, "verify").stdout)
        before = self.reports(pacs)
        server.stop()
        self.assertIn("every file is as it was stored", self.order(server, "verify").stdout)  # without a node, too
        shutil.rmtree(server.data)
        shutil.copytree(copy, server.data)
        server.start()
        self.assertIn("every file is as it was stored", self.order(server, "verify").stdout)
        for study in (uid, second):
            self.assertEqual(server.study(study)["state"], "reported")
            self.assertEqual({row["state"] for row in server.outbox(study)}, {"sent"})
        self.assertEqual(self.reports(pacs), before)
        victim = next(name for name in server.data_files() if name.startswith("images/"))
        os.remove(os.path.join(server.data, victim))
        done = self.order(server, "verify", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{victim} is not there", done.stdout)

    def test_a_backup_of_a_dead_node_holds_what_had_no_place_yet(self):
        """What was acknowledged and lies in staging/ when a node is killed goes into a backup that is made before its next
        start, and has its place where that backup is started."""
        server = self.start_node()
        uid = self.send(server, 1)
        server.wait_study(uid, {"reported"})
        stored = [name for name in server.data_files() if name.startswith("images/")]
        server.stop()
        # As kill -9 between the answer and the placing leaves it: the same bytes, still under the name of their arrival.
        with tempfile.TemporaryDirectory() as kept:
            for name in stored:
                shutil.copy2(os.path.join(server.data, name), os.path.join(kept, os.path.basename(name)))
            shutil.rmtree(server.data)
            server.start()
            server.kill()
            for number, name in enumerate(sorted(os.listdir(kept))):
                shutil.copy2(os.path.join(kept, name), os.path.join(server.data, "staging", f"in-{number + 1}.part"))
        copy = os.path.join(self.folder, "copy")
        self.order(server, "backup", copy)
        shutil.rmtree(server.data)
        shutil.copytree(copy, server.data)
        server.start()
        wait_for("the images to be known", lambda: (server.study(uid) or {}).get("state") == "reported", 60)
        self.assertEqual(sorted(name for name in server.data_files() if name.startswith("images/")), stored)
        self.assertEqual(server.staged(), [])

    def test_a_damaged_index_is_made_anew(self):
        """Found at start, set aside, made anew from images and results: the same report, and only it."""
        pacs = self.pacs()
        server = self.start_node(pacs.dicom_port, peer={})
        uid = self.send(server, 1)
        server.wait_study(uid, {"reported"})
        server.wait_sent(uid)
        before = self.reports(pacs)
        self.order(server, "pause", "HOSPITAL")
        server.stop()
        index = os.path.join(server.data, "index.sqlite")
        size = os.path.getsize(index)
        with open(index, "r+b") as file:
            file.seek(4096)
            file.write(b"\x5a" * (size - 4096))
        server.start()
        self.assertIn("the index is damaged", server.process.log_text())
        self.assertTrue(any(name.startswith("index.sqlite.damaged-") for name in server.data_files()))
        record = server.wait_study(uid, {"reported"})
        self.assertEqual((record["revision"], record["state"]), (1, "reported"))
        self.assertEqual({row["state"] for row in server.outbox(uid)}, {"sent"})
        self.assertTrue(self.order(server, "resume", "HOSPITAL").stdout)
        self.assertIn("HOSPITAL was paused before the index was made anew", server.process.log_text())
        self.send(server, 1)
        server.stays(4, lambda: server.study(uid)["revision"])
        self.assertEqual(self.reports(pacs), before)

    def test_delete_a_study_and_a_patient(self):
        server = self.start_node()
        uids = [self.send(server, number) for number in (1, 2)]
        for uid in uids:
            server.wait_study(uid, {"reported"})
        self.order(server, "delete", uids[0], "--why", "the patient asked for it")
        self.assertIsNone(server.study(uids[0]))
        self.order(server, "delete", "--patient", "CHAOS-life-2")
        self.assertIsNone(server.study(uids[1]))
        self.assertEqual([name for name in server.data_files() if name.startswith(("images/", "results/"))], [])
        self.assertNotEqual(self.order(server, "delete", uids[0], check=False).returncode, 0)
        with open(os.path.join(server.data, "audit", "audit.xml"), encoding="utf-8") as trail:
            deleted = [line for line in trail if '"110105"' in line]
        self.assertEqual(len(deleted), 2)
        self.assertIn("the patient asked for it", deleted[0])

    def post(self, server, path, body):
        """Status of an order to the API, as any program may send it."""
        request = urllib.request.Request(f"http://127.0.0.1:{server.admin_port}/api/v1/{path}", data=json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            return refusal.code

    def test_delete_takes_a_study_or_a_patient_and_never_both(self):
        server = self.start_node()
        uids = [self.send(server, number) for number in (1, 2)]
        for uid in uids:
            server.wait_study(uid, {"reported"})
        self.assertEqual(self.post(server, "delete", {"study_uid": uids[0], "patient_id": "CHAOS-life-2"}), 400)
        self.assertEqual(self.post(server, "delete", {}), 400)
        for uid in uids:
            self.assertEqual(server.study(uid)["state"], "reported")

    def test_the_audit_trail_names_who_was_identified(self):
        """Whom a body names is text; who ordered is the caller. Orders of every kind are there, refused ones too."""
        server = self.start_node()
        uid = self.send(server, 1)
        server.wait_study(uid, {"reported"})
        self.assertEqual(self.post(server, "pause", {"peer": "HOSPITAL", "user": "boss"}), 200)
        self.assertEqual(self.post(server, f"studies/{uid}/rerun", {}), 200)
        self.assertEqual(self.post(server, "studies/1.2.3/release", {"reason": "seen"}), 404)
        self.assertEqual(self.post(server, "reload", {}), 200)
        self.assertEqual(self.post(server, "delete", {"study_uid": uid, "user": "boss"}), 200)
        with open(os.path.join(server.data, "audit", "audit.xml"), encoding="utf-8") as trail:
            messages = [ElementTree.fromstring(line) for line in trail]
        orders = {}
        for message in messages:
            text = message.findtext("EventIdentification/EventOutcomeDescription") or ""
            if text.startswith("order: ") or message.find("EventIdentification/EventID").get("csd-code") == "110105":
                orders[text] = [who.get("UserID") for who in message.findall("ActiveParticipant")
                                if who.get("UserIsRequestor") == "true"]
        self.assertEqual(orders, dict.fromkeys([
            "order: pause; peer: HOSPITAL; user, as the caller says: boss", "order: rerun",
            "order: release; reason: seen; refused with status 404", "order: reload", "deleted by an administrator",
            "order: delete; user, as the caller says: boss"], ["local"]))

    def test_the_audit_trail_tells_what_happened(self):
        """Start, transfers, a stranger, an order, stop: each a message that parses, in a file that only the owner reads."""
        server = self.start_node()
        self.send(server, 1)
        self.assertNotEqual(tool("echoscu", "-aet", "STRANGER", "-aec", "GLIONODE", "127.0.0.1", server.dicom_port,
                                 check=False).returncode, 0)
        self.order(server, "pause", "HOSPITAL")
        server.stop()
        path = os.path.join(server.data, "audit", "audit.xml")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="utf-8") as trail:
            messages = [ElementTree.fromstring(line) for line in trail]
        codes = [(message.find("EventIdentification/EventID").get("csd-code"),
                  getattr(message.find("EventIdentification/EventTypeCode"), "attrib", {}).get("csd-code")) for message in messages]
        for expected in (("110100", "110120"), ("110102", None), ("110104", None), ("110113", "110126"), ("110113", "110132"),
                         ("110100", "110121")):
            self.assertIn(expected, codes)
        done = next(message for message, code in zip(messages, codes) if code[0] == "110104")
        self.assertEqual(done.find("ParticipantObjectIdentification/SOPClass").get("NumberOfInstances"), "24")
        self.assertNotIn("CHAOS-life-1", server.process.log_text())  # the trail may name a patient, the log must not


if __name__ == "__main__":
    main()
