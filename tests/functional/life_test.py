"""The life of a node: peers that move, hang and are paused, late and corrected studies, stopping, failing workers."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

from life_case import LifeCase  # first: it chooses the program
from case import main
from dicom_tools import dicom_files, store, tool
from node import Node, run
from processes import wait_for


class Life(LifeCase):
    # --- peers

    def test_pause_and_resume(self):
        """A paused peer gets nothing, over a restart too, and `peers` says so; resumed, it gets everything."""
        pacs = self.pacs()
        server = self.start_node(pacs.dicom_port, peer={})
        self.order(server, "pause", "HOSPITAL", "--why", "it moves house")
        uid = self.send(server, 1)
        server.wait_study(uid, {"reported"})
        server.stop()
        server.start()
        self.assertIn("yes", self.order(server, "peers").stdout)
        peer = json.loads(self.order(server, "peers", "--json").stdout)["peers"][0]
        self.assertEqual((peer["ae_title"], peer["paused"], peer["why"]), ("HOSPITAL", True, "it moves house"))
        self.assertGreaterEqual(peer["outbox"]["pending"], 2)
        self.assertEqual(self.reports(pacs), [])
        self.assertEqual(self.order(server, "pause", "NOBODY", check=False).returncode, 2)
        self.assertTrue(json.loads(self.order(server, "resume", "HOSPITAL", "--json").stdout)["was_paused"])
        server.wait_sent(uid)
        self.assertEqual(len(self.reports(pacs)), 1)
        self.assertEqual(self.order(server, "resume", "HOSPITAL", check=False).returncode, 1)
        nothing = self.order(server, "retry", "--peer", "HOSPITAL", "--json", check=False)
        self.assertEqual((nothing.returncode, json.loads(nothing.stdout)), (1, {"retried": 0}))

    def test_a_hanging_peer_holds_up_nobody(self):
        """One peer takes the connection and says nothing; the results of the other one's study leave all the same."""
        pacs = self.pacs()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            server = Node(self.folder, pacs.dicom_port)
            server.peers.append({"ae_title": "SILENT", "host": "127.0.0.1", "port": silent.getsockname()[1], "deliver": "all"})
            self.servers.append(server)
            server.start()
            first = self.send(server, 1, "SILENT")
            server.wait_study(first, {"reported"})
            silent.settimeout(60)
            connection, _ = silent.accept()  # the node waits for it now
            second = self.send(server, 2)
            server.wait_study(second, {"reported"})
            server.wait_sent(second)
            self.assertTrue(all(row["state"] == "pending" for row in server.outbox(first)))
            connection.close()

    def test_a_peer_that_moved_gets_what_waited(self):
        """First a new port by a reload, then a new AE title that was `formerly` the old one."""
        pacs = self.pacs()
        server = self.start_node(9, peer={})
        uid = self.send(server, 1)
        server.wait_study(uid, {"reported"})
        wait_for("a failed try", lambda: all(row["attempts"] > 0 for row in server.outbox(uid)), 30)
        server.peers[0]["port"] = pacs.dicom_port
        self.reload(server)
        self.order(server, "retry", "--peer", "HOSPITAL", "--all")
        server.wait_sent(uid)
        self.order(server, "pause", "HOSPITAL")
        second = self.send(server, 2)
        server.wait_study(second, {"reported"})
        server.peers[0].update(ae_title="NEW_PACS", formerly=["HOSPITAL"])
        self.reload(server)
        rows = server.wait_sent(second)
        self.assertEqual({row["peer"] for row in rows}, {"NEW_PACS"})
        self.assertEqual(len(self.reports(pacs)), 2)

    def reload(self, server):
        server.write_configuration()
        count = server.process.log_text().count("the configuration was reloaded")
        server.process.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: server.process.log_text().count("the configuration was reloaded") > count, 30)

    def test_the_same_study_from_two_pacs(self):
        """Both get the result, once, also the one that sends later; the one with deliver = "none" does not."""
        pacs = self.pacs()
        server = Node(self.folder, pacs.dicom_port)
        server.peers += [{"ae_title": name, "host": "127.0.0.1", "port": pacs.dicom_port, "deliver": deliver}
                         for name, deliver in (("SECOND", "all"), ("SILENT", "none"))]
        self.servers.append(server)
        server.start()
        uid = self.send(server, 1)
        server.wait_study(uid, {"reported"})
        server.wait_sent(uid)
        for peer in ("SECOND", "SILENT"):
            self.send(server, 1, peer)
        wait_for("rows for the second PACS", lambda: any(row["peer"] == "SECOND" for row in server.outbox(uid)), 30)
        rows = server.wait_sent(uid)
        self.assertEqual({row["peer"] for row in rows}, {"HOSPITAL", "SECOND"})
        self.assertEqual(len({row["sop_instance_uid"] for row in rows}) * 2, len(rows))
        record = server.wait_study(uid, {"reported"})
        self.assertEqual(record["revision"], 1)

    # --- what arrives when

    def parts(self, number, *parts):
        self.study(number)
        return [file for part in parts for file in dicom_files(os.path.join(self.folder, "tiny", str(number), part))]

    def test_interleaved_late_and_in_another_syntax(self):
        """Three associations bring one study at once; later a FLAIR comes, then everything again in implicit VR: one report."""
        server = self.start_node(sections={"study": {"quiet_seconds": 2}})
        uid, files = self.study(1)
        refused = []

        def push(part):
            refused.extend(store(server.dicom_port, self.parts(1, part)).refused)
        threads = [threading.Thread(target=push, args=(part,)) for part in ("t1", "t2", "t1ce")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(refused, [])
        server.wait_study(uid, {"reported"})
        self.assertEqual(store(server.dicom_port, self.parts(1, "late")).refused, [])
        server.wait_study(uid, {"reported"})
        other = os.path.join(self.folder, "implicit")
        os.makedirs(other)
        for file in files:
            tool("dcmconv", "+ti", file, os.path.join(other, os.path.relpath(file, self.folder).replace("/", "-")))
        self.assertEqual(store(server.dicom_port, dicom_files(other)).refused, [])
        wait_for("the other versions to be there", lambda: sum(name.endswith(".1.dcm") for name in server.data_files()) == len(files), 30)
        record = server.wait_study(uid, {"reported"})
        server.stays(4, lambda: server.study(uid)["revision"])
        images = len(self.parts(1, "t1", "t2", "t1ce", "late"))
        self.assertEqual((record["revision"], server.get(f"/api/v1/studies/{uid}")["instances"]), (1, images))

    def test_a_correction_while_the_job_runs_is_the_next_revision(self):
        """Images that arrive while the job runs do not disturb it, and are not forgotten: the next report replaces it."""
        pacs = self.pacs()
        os.environ["GLIONODE_STANDIN_MS"] = "3000"
        self.addCleanup(os.environ.pop, "GLIONODE_STANDIN_MS", None)
        server = self.start_node(pacs.dicom_port, peer={})
        uid = self.send(server, 1)
        wait_for("the job to run", lambda: (server.study(uid) or {}).get("state") == "running" and server.workers(), 60, 0.05)
        self.assertEqual(store(server.dicom_port, self.parts(1, "corrected")).refused, [])
        wait_for("the second revision", lambda: server.study(uid)["revision"] == 2, 60)
        server.wait_study(uid, {"reported"})
        server.wait_sent(uid)
        self.assertEqual(len(self.reports(pacs)), 2)
        text = self.order(server, "outbox").stdout
        self.assertNotIn("dead", text)

    # --- the worker

    def faulty_node(self, how, **sections):
        os.environ["GLIONODE_STANDIN"] = how
        self.addCleanup(os.environ.pop, "GLIONODE_STANDIN", None)
        return self.start_node(sections=sections)

    def test_a_poison_study_fails_with_its_reason_and_nothing_else(self):
        server = self.faulty_node("crash")
        uid = self.send(server, 1)
        record = server.wait_study(uid, {"failed"})
        self.assertIn("signal 11", record["why"])
        self.assertEqual(server.get("/api/v1/status")["jobs"]["failed"], 1)
        self.assert_serving(server)
        server.stop()
        os.environ["GLIONODE_STANDIN"] = ""
        server.start()
        self.order(server, "retry", "--study", uid)
        self.assertEqual(server.wait_study(uid, {"reported"})["revision"], 1)

    def test_a_worker_that_takes_all_memory_meets_its_limit(self):
        server = self.faulty_node("memory", model={"memory_limit_mib": 1024})
        record = server.wait_study(self.send(server, 1), {"failed"})
        self.assertIn("memory_limit_mib", record["why"])
        self.assert_serving(server)

    def test_a_gpu_that_is_out_of_memory_is_left_for_the_cpu(self):
        server = self.faulty_node("gpu", model={"device": "auto"})
        record = server.wait_study(self.send(server, 1), {"reported"})
        self.assertEqual(record["result"]["device"], "cpu")
        self.assertIn("glionode_cpu_reruns_total 1", server.request("/metrics")[1])
        self.assertIn("running again on the CPU", server.process.log_text())

    # --- stopping

    def busy_node(self, drain_seconds):
        os.environ["GLIONODE_STANDIN_MS"] = "60000"
        self.addCleanup(os.environ.pop, "GLIONODE_STANDIN_MS", None)
        server = self.start_node(sections={"node": {"drain_seconds": drain_seconds}})
        uid = self.send(server, 1)
        wait_for("the job to run", lambda: server.study(uid)["state"] == "running" and server.workers(), 60, 0.05)
        return server, uid

    def test_sigterm_drains_in_its_time_and_says_what_is_left(self):
        server, uid = self.busy_node(1)
        process = server.process.process
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        text = server.process.log_text()
        self.assertRegex(text, r"left for the next start: 0 waiting jobs, one that was running")
        os.environ["GLIONODE_STANDIN_MS"] = "0"
        server.stop()
        server.start()
        self.assertEqual(server.wait_study(uid, {"reported"})["revision"], 1)

    def test_a_second_sigterm_stops_at_once(self):
        server, _ = self.busy_node(600)
        process = server.process.process
        process.terminate()
        wait_for("the node to say that it stops", lambda: "a second signal stops at once" in server.process.log_text(), 30)
        process.terminate()
        try:
            self.assertEqual(process.wait(30), 1)
        except subprocess.TimeoutExpired:
            self.fail("it went on")

    def test_a_second_node_on_one_data_folder_is_refused(self):
        server = self.start_node()
        other = Node(self.folder, 9, name="other", sections={"node": {"data_dir": server.data}})
        other.write_configuration()
        done = run("serve", "--config", other.configuration, check=False, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("another glionode uses the data folder", done.stderr)
        self.assert_serving(server)

    def test_a_newer_index_is_refused_in_words(self):
        server = self.start_node()
        server.stop()
        index = os.path.join(server.data, "index.sqlite")
        with open(index, "r+b") as file:
            file.seek(60)  # user_version in the header of an SQLite file
            file.write((9999).to_bytes(4, "big"))
        done = run("serve", "--config", server.configuration, check=False, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertTrue(re.search("newer glionode", done.stderr), done.stderr)


if __name__ == "__main__":
    main()
