"""What must be refused, and how: clearly, at the sender's cost alone, with nothing half-written."""

import os
import re
import shutil
import socket
import time

from case import FunctionalCase, main
from dicom_tools import (CuttingProxy, copy_study, dicom_files, echo, modify, series_of, store, study_uid, values)
from node import BUNDLE, Node, run
from processes import Failure, wait_for

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


class Refusals(FunctionalCase):
    def role_files(self, folder):
        """{role: files} of a study, by SeriesDescription as `glionode roles` judges."""
        import json
        roles = json.loads(run("roles", folder, "--json").stdout)["roles"]
        series = series_of(folder)
        return {role: series[chosen["series_uid"]] for role, chosen in roles.items() if chosen}

    def assert_never_reported(self, server, uid, seconds=5):
        """For longer than all waiting times of the test's configuration: no result, nothing to send."""
        def results():
            record = server.study(uid) or {}
            return record.get("decision"), record.get("revision") or 0, len(server.outbox(uid))
        self.assertEqual(server.stays(seconds, results), (None, 0, 0))

    # --- on the port

    def test_not_dicom_on_the_port(self):
        server = self.start_node()
        for rubbish in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(100000), b"\x01\x00" + b"\xff" * 4 + b"\x00" * 64,
                        b"\x01\x00\x00\x00\x00\x04abcd", b""):
            with socket.create_connection(("127.0.0.1", server.dicom_port), 10) as connection:
                connection.settimeout(30)
                try:
                    connection.sendall(rubbish)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
                except OSError:  # the node may have closed first: reset, broken pipe, not connected
                    pass
        self.assert_serving(server)

    def test_silent_connections_do_not_keep_others_out(self):
        server = self.start_node(sections={"dicom": {"connect_seconds": 2}})
        silent = [socket.create_connection(("127.0.0.1", server.dicom_port), 10) for _ in range(40)]
        worked, said = echo(server.dicom_port)
        self.assertTrue(worked, said)
        for connection in silent:  # each is closed by the node, not by us
            connection.settimeout(30)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionError:
                pass
            connection.close()
        self.assert_serving(server)

    def test_unknown_calling_ae(self):
        server = self.start_node()
        worked, said = echo(server.dicom_port, calling="STRANGER")
        self.assertFalse(worked)
        self.assertRegex(said, r"(?i)calling ae")
        folder = self.phantom(31)
        sent = store(server.dicom_port, dicom_files(folder)[:3], calling="STRANGER")
        self.assertEqual(sent.acknowledged, [])
        self.assertIsNone(server.study(study_uid(folder)))
        self.assertIn("unknown_ae", server.request("/metrics")[1])
        self.assert_serving(server)

    def test_wrong_called_ae(self):
        server = self.start_node()
        worked, said = echo(server.dicom_port, called="SOMEONE_ELSE")
        self.assertFalse(worked)
        self.assertRegex(said, r"(?i)called ae")
        self.assert_serving(server)

    def test_wrong_address(self):
        """The AE title is right, the address is not one that the peer may call from."""
        server = self.start_node(peer={"deliver": "none", "from": ["10.99.0.0/16"]})
        worked, said = echo(server.dicom_port)
        self.assertFalse(worked, said)
        server.process.require_running()
        self.assertEqual(server.request("/live")[0], 200)
        self.assertIn("wrong_address", server.request("/metrics")[1])

    # --- objects

    def test_object_cut_off_on_the_way(self):
        """The connection breaks in the middle of an object: nothing of it stays, and it can be sent again."""
        server = self.start_node(sections={"study": {"incomplete_wait_seconds": 600}})
        files = dicom_files(self.phantom(32))[:1]
        proxy = CuttingProxy(server.dicom_port, os.path.getsize(files[0]) * 2 // 3)
        self.addCleanup(proxy.close)
        sent = store(proxy.port, files)
        self.assertTrue(proxy.cut.is_set(), sent.text)
        self.assertEqual(sent.acknowledged, [])
        uid = values(files, "StudyInstanceUID")[files[0]]
        wait_for("staging to be empty", lambda: not server.staged(), 30)
        self.assertEqual([name for name in server.data_files() if name.endswith(".dcm")], [])
        self.assertIsNone(server.study(uid))
        self.assertEqual(store(server.dicom_port, files).refused, [])
        self.assert_serving(server)

    def test_uid_with_path_tricks(self):
        server = self.start_node()
        folder = copy_study(self.phantom(33), os.path.join(self.folder, "tricks"))
        bad, good = dicom_files(folder)[:2]
        # storescu checks UIDs a little itself; the data set's own study UID it does not look at.
        modify([bad], StudyInstanceUID="../../../../tmp/glionode-evil")
        before = set(server.data_files())
        sent = store(server.dicom_port, [bad, good])
        self.assertEqual(sent.acknowledged, [good], sent.text)
        self.assertFalse(os.path.exists("/tmp/glionode-evil"))
        new = [name for name in set(server.data_files()) - before if name.endswith(".dcm")]
        self.assertEqual(len(new), 1, new)
        self.assert_serving(server)

    # --- studies

    def test_study_without_t2(self):
        server = self.start_node()
        folder = copy_study(self.phantom(34), os.path.join(self.folder, "no-t2"))
        for file in self.role_files(folder)["t2"]:
            os.remove(file)
        sent = store(server.dicom_port, dicom_files(folder))
        self.assertEqual(sent.refused, [], sent.text)
        record = server.wait_study(study_uid(folder), {"reported"})
        self.assertEqual(record["decision"], "not evaluable")
        self.assertEqual(record["reasons"], ["missing_role"])
        self.assertIsNone(record["roles"]["t2"])
        self.assertIsNone(record["result"]["probability_of_necrosis"])
        self.assert_serving(server)

    def test_series_with_a_missing_slice(self):
        server = self.start_node()
        folder = copy_study(self.phantom(35), os.path.join(self.folder, "gap"))
        files = self.role_files(folder)["t1"]
        os.remove(files[len(files) // 2])
        sent = store(server.dicom_port, dicom_files(folder))
        self.assertEqual(sent.refused, [], sent.text)
        record = server.wait_study(study_uid(folder), {"reported"})
        self.assertEqual(record["decision"], "not evaluable")
        self.assertIn("incomplete_series", record["reasons"])
        self.assertIsNone(record["result"]["probability_of_necrosis"])
        self.assert_serving(server)

    def test_a_ct_study_is_kept_and_not_evaluated(self):
        server = self.start_node()
        folder = copy_study(self.phantom(36), os.path.join(self.folder, "ct"))
        files = dicom_files(folder)[:6]
        modify(files, SOPClassUID=CT_IMAGE, Modality="CT")
        sent = store(server.dicom_port, files)
        self.assertEqual(sent.refused, [], sent.text)
        self.assertEqual(len([name for name in server.data_files() if name.endswith(".dcm")]), len(files))
        self.assert_never_reported(server, study_uid(folder))
        self.assert_serving(server)

    def test_study_that_no_rule_accepts(self):
        server = self.start_node(accept=[{"StudyDescription": "(?i)nothing is called like this"}])
        folder = self.phantom(37)
        sent = store(server.dicom_port, dicom_files(folder))
        self.assertEqual(sent.refused, [], sent.text)
        record = server.wait_study(study_uid(folder), {"ignored"})
        self.assertTrue(record["why"])
        self.assert_never_reported(server, study_uid(folder), 3)
        self.assert_serving(server)

    def test_two_patients_in_one_study(self):
        """Promise 5: a study whose images name two patients is parked; nothing is sent under either name."""
        server = self.start_node(peer={"deliver": "all"})
        folder = copy_study(self.phantom(38), os.path.join(self.folder, "mixed"))
        modify(self.role_files(folder)["t2"], PatientID="SOMEBODY-ELSE", PatientName="Else^Somebody")
        uid = study_uid(folder)
        sent = store(server.dicom_port, dicom_files(folder))
        self.assertEqual(sent.refused, [], sent.text)
        record = server.wait_study(uid, {"parked"})
        self.assertRegex(record["why"], r"(?i)mixed_identity|identit|patient")
        self.assertNotIn("SOMEBODY-ELSE", record["why"])
        self.assert_never_reported(server, uid, 3)
        self.assertNotIn("SOMEBODY-ELSE", server.process.log_text())
        self.assert_serving(server)

    # --- configuration and bundle

    def test_configuration_with_three_mistakes(self):
        path = os.path.join(self.folder, "bad.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write('[node]\nae_title = "GLIONODE"\ndata_dir = "data"\n\n[dicom]\nprot = 11112\nmax_associations = "many"\n\n'
                       f'[model]\nbundle = "{BUNDLE}"\n\n[[peer]]\nae_title = "PACS"\nhost = "127.0.0.1"\n')
        checked = run("check", "--config", path, check=False)
        self.assertEqual(checked.returncode, 2, checked.stdout + checked.stderr)
        said = checked.stdout + checked.stderr
        for line, word in ((6, "prot"), (7, "max_associations"), (12, "deliver")):
            self.assertRegex(said, rf"bad\.toml:{line}:\d+: .*{word}")
        self.assertIn("port", said)  # what was probably meant
        served = run("serve", "--config", path, check=False, timeout=30)
        self.assertEqual(served.returncode, 2, served.stdout + served.stderr)
        self.assertNotIn("ready", served.stdout)

    def bundle_copy(self):
        target = os.path.join(self.folder, "bundle")
        shutil.copytree(BUNDLE, target)
        return target

    def assert_refused_bundle(self, bundle, expected):
        """Promise 10: such a node does not start, or is not ready and says why; it sends nothing."""
        server = Node(self.folder, 9, peer={"deliver": "none"}, bundle=bundle)
        self.servers.append(server)
        try:
            server.start(wait_ready=False)
        except Failure as problem:
            self.assertIn(server.process.process.returncode, (2, 3), problem)
            self.assertRegex(str(problem), expected)
            return

        def said():
            status, text = server.request("/ready")
            self.assertEqual(status, 503, text)
            return re.search(expected, text)
        wait_for(f"/ready to say {expected}", said, 60)
        folder = self.phantom(39)
        self.assertEqual(store(server.dicom_port, dicom_files(folder)).refused, [])  # images are safe with it all the same
        self.assert_never_reported(server, study_uid(folder), 4)
        self.assert_serving(server)

    def test_missing_bundle(self):
        self.assert_refused_bundle(os.path.join(self.folder, "no-such-bundle"), r"no-such-bundle")

    def test_altered_weights(self):
        bundle = self.bundle_copy()
        weights = os.path.join(bundle, "weights.safetensors")
        with open(weights, "r+b") as file:
            file.seek(os.path.getsize(weights) - 1000)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        self.assert_refused_bundle(bundle, r"weights\.safetensors|weights_sha256|hash")

    def test_altered_reference_answer(self):
        """The weights are whole, but the bundle's stored answer is not what they give."""
        bundle = self.bundle_copy()
        import json
        path = os.path.join(bundle, "bundle.json")
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        content["reference"]["probability_of_necrosis"] = (content["reference"]["probability_of_necrosis"] + 0.5) % 1.0
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file)
        self.assert_refused_bundle(bundle, r"(?i)reference")

    # --- stopping

    def test_second_node_on_the_same_data_folder(self):
        server = self.start_node()
        second = Node(self.folder, 9, name="second", peer={"deliver": "none"},
                      sections={"node": {"data_dir": server.data}})
        self.servers.append(second)
        with self.assertRaises(Failure):
            second.start()
        self.assertNotEqual(second.process.process.wait(30), 0)
        self.assert_serving(server)

    def test_terminated_node_ends_well(self):
        server = self.start_node()
        begun = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begun, 20)


if __name__ == "__main__":
    main()
