"""What a hospital's sender may rely on: a Success is kept, whatever happens next; who does not get one, hears why."""

import hashlib
import os
import random
import socket
import sqlite3
import struct
import subprocess
import threading
import time

from case import FunctionalCase, main
from processes import TIME_FACTOR, wait_for
from raw_dicom import (EXPLICIT, IMPLICIT, MR_IMAGE, VERIFICATION, Caller, Refused, associate_request, data_pdu, mr_data_set, pdu,
                       store_command)

KILLS = int(os.environ.get("GLIONODE_KILLS", "4"))  # how often test_kill_at_random_moments kills the node; 50 for a release
OUT_OF_RESOURCES, BAD_DATA_SET, WRONG_CLASS, BAD_UID = 0xA700, 0xC000, 0xA900, 0x0117
NEVER = [{"StudyDescription": "nothing is called like this"}]


class Receive(FunctionalCase):
    def setUp(self):
        super().setUp()
        self.uids = 0

    def new_study(self):
        self.uids += 1
        return f"1.2.826.0.1.3680043.2.1125.{os.getpid()}.{time.time_ns()}.{self.uids}"

    def rows(self, server):
        """{file: sha256} of the index, read beside the running node."""
        server.get("/api/v1/status")  # who asks the node sees everything that was answered before
        with sqlite3.connect(f"file:{server.data}/index.sqlite?mode=ro", uri=True, timeout=30) as index:
            return dict(index.execute("SELECT file, sha256 FROM instances"))

    def stored(self, server):
        return {name for name in server.data_files() if name.startswith("images/")}

    def assert_index_equals_files(self, server, sent):
        """Every file has its row, every row its file, and every file holds exactly what was sent under its UID."""
        wait_for("the sweep to end", lambda: server.get("/api/v1/status")["sweep"] == "done", 60)
        rows, files = self.rows(server), self.stored(server)
        self.assertEqual(set(rows), files)
        for name in files:
            uid = os.path.basename(name)[:-len(".dcm")]
            with open(os.path.join(server.data, name), "rb") as file:
                content = file.read()
            self.assertTrue(content.endswith(sent[uid]), f"{name} is not what was sent")
            self.assertEqual(rows[name], hashlib.sha256(sent[uid]).hexdigest(), name)
        self.assertEqual(server.staged(), [])

    # --- kept

    def test_kill_at_random_moments(self):
        """kill -9 while 576 instances are pushed: what got Success is there with the same bytes, nothing is half-written,
        and the index equals the files."""
        server = self.start_node(accept=NEVER)
        sent, pixels, seed = {}, os.urandom(2 * 128 * 128), random.randrange(1 << 30)
        choose = random.Random(seed)
        print(f"seed {seed}")
        for turn in range(KILLS):
            study, acknowledged, at = self.new_study(), [], choose.randrange(577)
            reached = threading.Event()
            if at == 0:
                reached.set()

            def push(study=study, acknowledged=acknowledged, at=at, reached=reached):
                try:
                    with Caller(server.dicom_port) as caller:
                        for number in range(1, 577):
                            uid = f"{study}.{number}"
                            sent[uid] = mr_data_set(uid, study, study + ".0", number, 128, 128, pixels)
                            if caller.store(uid, sent[uid]) == 0:
                                acknowledged.append(uid)
                            if len(acknowledged) >= at:
                                reached.set()
                except (ConnectionError, OSError):
                    pass
                finally:
                    reached.set()
            sender = threading.Thread(target=push)
            sender.start()
            reached.wait(120 * TIME_FACTOR)
            time.sleep(choose.random() * 0.01)  # anywhere in the middle of an object
            server.kill()
            sender.join()
            self.assertGreaterEqual(len(acknowledged), at)
            server.start(wait_ready=False)
            self.assert_index_equals_files(server, sent)
            stored = {os.path.basename(name)[:-len(".dcm")] for name in self.stored(server)}
            self.assertEqual([uid for uid in acknowledged if uid not in stored], [], f"turn {turn}, killed after {at}")
        self.assert_serving(server)

    def test_two_peers_disagree_about_an_image(self):
        """Other bytes under a UID are kept beside the old ones; from another peer it is a conflict, counted and shown."""
        server = self.start_node(accept=NEVER)
        server.peers.append({"ae_title": "OTHER", "host": "127.0.0.1", "port": 9, "deliver": "none"})
        server.stop()
        server.start()
        study = self.new_study()
        uid = study + ".1"
        first, second = (mr_data_set(uid, study, study + ".0", 1, 16, 16, bytes([value]) * 512) for value in (1, 2))
        for calling, data_set in (("HOSPITAL", first), ("HOSPITAL", first), ("OTHER", second)):
            with Caller(server.dicom_port, calling) as caller:
                self.assertEqual(caller.store(uid, data_set), 0)
                caller.release()
        self.assertEqual(len(self.stored(server)), 2, "the resend of the same bytes is no file")
        shown = server.get(f"/api/v1/studies/{study}")
        self.assertEqual(shown["instances"], 1)
        versions = shown["conflicts"][0]["versions"]
        self.assertEqual([(version["peer"], version["current"]) for version in versions], [("HOSPITAL", False), ("OTHER", True)])
        for version, data_set in zip(versions, (first, second)):
            with open(os.path.join(server.data, version["file"]), "rb") as file:
                self.assertTrue(file.read().endswith(data_set))
        metrics = server.request("/metrics")[1]
        self.assertIn("glionode_instance_conflicts_total 1", metrics)
        self.assertIn("glionode_resends_total 1", metrics)

    def test_old_studies_of_a_migration_are_kept_and_ignored(self):
        """Years of old studies in one association: all acknowledged, none evaluated, no job."""
        server = self.start_node(accept=[{"max_age_days": 14}])
        studies = [self.new_study() for _ in range(40)]
        with Caller(server.dicom_port) as caller:
            for study in studies:
                for number in (1, 2, 3):
                    uid = f"{study}.{number}"
                    self.assertEqual(caller.store(uid, mr_data_set(uid, study, study + ".0", number, 16, 16, date="20150301")), 0)
            caller.release()
        wait_for("all studies to be judged", lambda: server.get("/api/v1/status")["studies"].get("ignored") == len(studies), 60)
        status = server.get("/api/v1/status")
        self.assertEqual(status["studies"], {"ignored": len(studies)})
        self.assertEqual(status["jobs"], {"ready": 0, "done": 0, "failed": 0})
        self.assertEqual(status["instances"], 3 * len(studies))
        self.assertEqual(server.workers(), [])

    # --- the disk

    def small_disk(self, megabytes):
        """A folder on a file system of its own."""
        folder = os.path.join(self.folder, "disk")
        os.makedirs(folder)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest("a file system can be mounted by root only: " + mounted.stderr.decode().strip())

        def unmount():
            for server in self.servers:
                server.stop()
            subprocess.run(["umount", "-l", folder], check=True)
        self.addCleanup(unmount)
        return folder

    def push_until(self, caller, sent, acknowledged, refused, most=200):
        """Pushes images of 1 MiB until one is refused; its status."""
        study = self.new_study()
        for number in range(1, most):
            uid = f"{study}.{number}"
            sent[uid] = mr_data_set(uid, study, study + ".0", number, 512, 1024, os.urandom(1 << 20))
            status = caller.store(uid, sent[uid])
            if status != 0:
                refused.append(uid)
                return status
            acknowledged.append(uid)
        return 0

    def full_disk(self, min_free_gib):
        """Fills the node's disk over the network, then makes room again. Yields nothing; the shared way of two tests."""
        disk = self.small_disk(64)
        filler = os.path.join(disk, "filler")
        with open(filler, "wb") as file:
            file.write(bytes(20 << 20))
        server = self.start_node(accept=NEVER, sections={"node": {"data_dir": os.path.join(disk, "data")},
                                                         "storage": {"min_free_gib": min_free_gib}})
        sent, acknowledged, refused = {}, [], []
        with Caller(server.dicom_port) as caller:
            self.assertEqual(self.push_until(caller, sent, acknowledged, refused), OUT_OF_RESOURCES)
            self.assertEqual(self.push_until(caller, sent, acknowledged, refused), OUT_OF_RESOURCES, "and again: it is a clear answer")
            self.assertGreater(len(acknowledged), 5)
            self.assertEqual(server.staged(), [])
            if min_free_gib > 0:
                with self.assertRaises(Refused) as refusal:
                    Caller(server.dicom_port)
                self.assertEqual(refusal.exception.args[0], (2, 3, 1), "transient: come again")
                self.assertEqual(server.request("/ready")[0], 503)
            os.remove(filler)
            again = refused[0]

            def taken():
                return caller.store(again, sent[again]) == 0
            wait_for("the node to recover by itself", taken, 30)
            acknowledged.append(again)
            caller.release()
        with Caller(server.dicom_port) as caller:
            self.assertEqual(caller.echo(), 0)
        self.assert_index_equals_files(server, sent)
        stored = {os.path.basename(name)[:-len(".dcm")] for name in self.stored(server)}
        self.assertEqual(stored, set(acknowledged), "what was refused left nothing, what was acknowledged is there")
        self.assertIn("A700", server.process.log_text())
        server.stop()
        server.start()
        self.assert_index_equals_files(server, sent)

    def test_an_object_that_would_take_the_reserve_is_given_up_on_the_way(self):
        """Room for it there is, but only in the reserve; what came of it goes at once, and a smaller one has its place."""
        server = self.start_node(accept=NEVER, sections={"node": {"data_dir": os.path.join(self.small_disk(96), "data")},
                                                         "storage": {"min_free_gib": 0.04}})
        study = self.new_study()
        with Caller(server.dicom_port) as caller:
            for number, rows, expected in ((1, 6144, OUT_OF_RESOURCES), (2, 512, 0)):  # 72 and 6 MiB; 41 MiB are the reserve
                uid = f"{study}.{number}"
                status = caller.store(uid, mr_data_set(uid, study, study + ".0", number, rows, 6144))
                self.assertEqual(status, expected, server.process.log_text())
                self.assertEqual(server.staged(), [])
            caller.release()
        self.assertEqual(len(self.stored(server)), 1)

    def test_disk_below_the_reserve(self):
        self.full_disk(0.02)

    def test_disk_full_to_the_last_byte(self):
        self.full_disk(0)

    # --- bad input

    def test_silent_callers_do_not_slow_down_others(self):
        server = self.start_node(sections={"dicom": {"connect_seconds": 60}})
        silent = [socket.create_connection(("127.0.0.1", server.dicom_port), 10) for _ in range(100)]
        try:
            best = 10.0
            for _ in range(20):
                begun = time.monotonic()
                with Caller(server.dicom_port) as caller:
                    self.assertEqual(caller.echo(), 0)
                    caller.release()
                best = min(best, time.monotonic() - begun)
            self.assertIn("glionode_connections_open 100", server.request("/metrics")[1], "they all hang still")
            self.assertLess(best, 0.1 * TIME_FACTOR)  # the best of 20: a busy machine is not the node's fault
        finally:
            for connection in silent:
                connection.close()
        self.assert_serving(server)

    def test_one_byte_a_second_does_not_stretch_a_deadline(self):
        server = self.start_node(sections={"dicom": {"connect_seconds": 2, "message_seconds": 2}})
        study = self.new_study()
        message = data_pdu(3, True, True, store_command(MR_IMAGE, study + ".1", 1))
        for begun_well in (False, True):
            caller = Caller(server.dicom_port, associate=begun_well)
            text = message if begun_well else associate_request()
            sent = 0
            with self.assertRaises(OSError):
                for sent in range(60):
                    caller.send(text[sent:sent + 1])
                    caller.socket.settimeout(1)
                    try:
                        if not caller.socket.recv(1) or begun_well:
                            raise ConnectionError("cut")
                    except TimeoutError:
                        pass
            self.assertLess(sent, 30, "it would have gone on")
            caller.close()
        wait_for("both time-outs to be counted", lambda: 'glionode_refusals_total{reason="timeout"} 2' in server.request("/metrics")[1], 30)
        self.assert_serving(server)

    def test_hostile_messages_cost_their_sender_alone(self):
        server = self.start_node(accept=NEVER)
        study = self.new_study()
        uid, good = study + ".1", None
        good = mr_data_set(uid, study, study + ".0", 1, 64, 64)
        store = data_pdu(3, True, True, store_command(MR_IMAGE, uid, 1))
        hostile = {
            "a PDU of 4 GiB": struct.pack(">BBI", 4, 0, 0xffffffff) + good,
            "a fragment of 4 GiB": struct.pack(">BBIIBB", 4, 0, 1000, 0xffffffff, 3, 3) + bytes(994),
            "a fragment longer than its PDU": pdu(4, struct.pack(">IBB", 5000, 3, 3) + bytes(100)),
            "a context never accepted": data_pdu(9, True, True, store_command(MR_IMAGE, uid, 1)) + data_pdu(9, False, True, good),
            "a data set on another context": store + data_pdu(1, False, True, good),
            "an abort in mid-fragment": store + struct.pack(">BBIIBB", 4, 0, 10006, 10002, 3, 0) + good[:5000] + pdu(7, bytes(4)),
            "an abort between fragments": store + data_pdu(3, False, False, good[:5000]) + pdu(7, bytes(4)),
            "a UID of 65 characters": data_pdu(3, True, True, store_command(MR_IMAGE, "1." + "2" * 63, 1)) + data_pdu(3, False, True, good),
            "noise": store + os.urandom(100000),
            "no SOP class": data_pdu(3, True, True, store_command("", uid, 1)) + data_pdu(3, False, True, good)}
        for what, bytes_of in hostile.items():
            with self.subTest(what):
                caller = Caller(server.dicom_port)
                try:
                    caller.send(bytes_of)
                    caller.socket.shutdown(socket.SHUT_WR)
                    while caller.socket.recv(65536):
                        pass
                except OSError:  # the node may have cut us already: reset, broken pipe, not connected
                    pass
                finally:
                    caller.close()
                self.assertEqual(self.stored(server), set())
                wait_for("its association to end", lambda: "glionode_associations_open 0" in server.request("/metrics")[1], 30)
                self.assert_serving(server)

    def test_objects_that_are_not_what_they_say(self):
        """Each gets its status, leaves nothing, and the next object on the association is taken."""
        server = self.start_node(accept=NEVER, sections={"dicom": {"max_instance_bytes": 1 << 20}})
        study = self.new_study()
        uid = study + ".1"
        good = mr_data_set(uid, study, study + ".0", 1, 64, 64)
        with Caller(server.dicom_port) as caller:
            for what, name, data_set, status in (
                    ("another instance than the command's", study + ".2", good, WRONG_CLASS),
                    ("another class", uid, mr_data_set(uid, study, study + ".0", 1, 64, 64, sop_class="1.2.840.10008.5.1.4.1.1.2"),
                     WRONG_CLASS),
                    ("no SOP class inside", uid, good.replace(b"\x08\x00\x16\x00", b"\x08\x00\x17\x00", 1), BAD_DATA_SET),
                    ("pixel data cut short", uid, good[:-2000], BAD_DATA_SET),
                    ("cut in the header", uid, good[:300], BAD_DATA_SET),
                    ("noise", uid, os.urandom(20000), BAD_DATA_SET),
                    ("past max_instance_bytes", uid, mr_data_set(uid, study, study + ".0", 1, 1024, 1024), 0xC002),
                    ("path in the UID", "../../1.2.3", good, BAD_UID),
                    ("slash in the UID", "1.2/3", good, BAD_UID),
                    ("NUL in the UID", "1.2.3\0.4", good, None),
                    ("a study UID with a path", uid, good.replace(study.encode(), b"../" * (len(study) // 3) + b"./"[:len(study) % 3]),
                     BAD_DATA_SET)):
                with self.subTest(what):
                    answer = caller.store(name, data_set)
                    if status is None:
                        self.assertNotEqual(answer, 0)
                    else:
                        self.assertEqual(f"{answer:04X}", f"{status:04X}")
                    self.assertEqual(self.stored(server), set())
                    self.assertEqual(server.staged(), [])
            self.assertEqual(caller.store(uid, good), 0)
            caller.release()
        self.assertEqual(len(self.stored(server)), 1)
        self.assert_serving(server)

    def test_ae_titles(self):
        """Blanks around an AE title mean nothing (PS3.5 6.2); a control character is no AE title of anybody."""
        server = self.start_node()
        Caller(server.dicom_port, "HOSPITAL  ", "GLIONODE   ").close()
        Caller(server.dicom_port, " HOSPITAL", " GLIONODE").close()
        for calling, called in (("HOSPITAL\n", "GLIONODE"), ("HOSP\x1b[2JITAL", "GLIONODE"), ("HOSPITAL", "GLIO\0NODE"), ("", "GLIONODE")):
            with self.assertRaises(Refused, msg=repr((calling, called))):
                Caller(server.dicom_port, calling, called, ((VERIFICATION, (IMPLICIT,)), (MR_IMAGE, (EXPLICIT,))))
        self.assertNotIn("\x1b", server.process.log_text())
        self.assert_serving(server)


if __name__ == "__main__":
    main()
