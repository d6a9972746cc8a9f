"""Other vendors' programs against the node, and the node against them: each pair once, plain and under TLS."""

import json
import os
import re
import shutil
import socket

import dicom_tools
from case import FunctionalCase, main
from certificates import Certificates
from dicom_tools import dicom_files, store, study_uid, tool, values
from node import run
from processes import Process, free_port, wait_for


class Interop(FunctionalCase):
    def start(self, process, name, port):
        """Registers a server process of another program, and waits until it listens."""
        server = type("Server", (), {"process": process, "stop": lambda self: self.process.stop()})()
        self.servers.append(server)

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_for(f"{name} to listen", listens, 30, 0.05, process.require_running)

    def dcmqrscp(self, port, hosts=""):
        """An archive; returns the folder of its files. `hosts`: where a C-MOVE may send to."""
        folder = os.path.join(self.folder, "qr")
        os.makedirs(os.path.join(folder, "db"))
        with open(os.path.join(folder, "dcmqrscp.cfg"), "w", encoding="utf-8") as file:
            file.write(f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
                       f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
                       f"AETable BEGIN\nHOSPITAL {folder}/db RW (100, 1024mb) ANY\nAETable END\n")
        self.start(Process("dcmqrscp", [shutil.which("dcmqrscp"), "-c", os.path.join(folder, "dcmqrscp.cfg")], folder),
                   "dcmqrscp", port)
        return os.path.join(folder, "db")

    def storescp(self, port, *options):
        folder = os.path.join(self.folder, "scp")
        os.makedirs(folder)
        self.start(Process("storescp", [shutil.which("storescp"), "-aet", "HOSPITAL", "-od", folder, *options, str(port)],
                           folder), "storescp", port)
        return folder

    def certificates(self):
        return Certificates(os.path.join(self.folder, "tls")).make_all()

    def node_section(self, tls):
        return {"port": 0, "certificate": tls.certificate("node"), "key": tls.key("node"), "ca": tls.certificate("ca")}

    def report_to(self, seed, port, **options):
        """A node whose results go to `port`; when they are there, its outbox rows."""
        server = self.start_node(port, **options)
        folder = self.phantom(seed)
        self.assertEqual(store(server.dicom_port, dicom_files(folder)).refused, [])
        server.wait_study(study_uid(folder), {"reported"})
        return server, server.wait_sent(study_uid(folder))

    def assert_arrived(self, folder, rows):
        """The very objects lie in the other program's folder."""
        files = dicom_files(folder)
        self.assertEqual(sorted(values(files, "SOPInstanceUID").values()), sorted(row["sop_instance_uid"] for row in rows))

    def test_dcmqrscp_gets_results_and_echo(self):
        port = free_port()
        database = self.dcmqrscp(port)
        server, rows = self.report_to(81, port, peer={"deliver": "all"})
        self.assert_arrived(database, rows)
        self.assertIn("answered in", run("echo", "HOSPITAL", "--config", server.configuration).stdout)
        said = json.loads(run("echo", "HOSPITAL", "--config", server.configuration, "--json").stdout)
        self.assertEqual((said["ae_title"], said["ok"]), ("HOSPITAL", True))

    def test_dcmqrscp_moves_a_study_to_the_node(self):
        """A C-MOVE at the archive: it calls the node as any PACS that forwards."""
        node = self.start_node()
        port = free_port()
        self.dcmqrscp(port, f"node = (GLIONODE, 127.0.0.1, {node.dicom_port})\n")
        files = dicom_files(self.phantom(82))
        self.assertEqual(store(port, files, called="HOSPITAL").refused, [])
        uid = study_uid(os.path.dirname(files[0]))
        tool("movescu", "-v", "-S", "-aet", "TEST", "-aec", "HOSPITAL", "-aem", "GLIONODE", "-k",
             "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}", "127.0.0.1", port)
        node.wait_study(uid, {"reported"})
        self.assertEqual(node.get("/api/v1/status")["instances"], len(files))
        self.assert_serving(node)

    def test_storescp_gets_results_plain(self):
        port = free_port()
        folder = self.storescp(port)
        _, rows = self.report_to(83, port, peer={"deliver": "all"})
        self.assert_arrived(folder, rows)

    def test_storescp_gets_results_under_tls(self):
        tls, port = self.certificates(), free_port()
        folder = self.storescp(port, "+tls", tls.key("pacs"), tls.certificate("pacs"), "+cf", tls.certificate("ca"), "-rc")
        _, rows = self.report_under_tls(84, port, tls)
        self.assert_arrived(folder, rows)

    def report_under_tls(self, seed, port, tls):
        """The study comes in under TLS with storescu, because the peer is bound to its certificate."""
        server = self.start_node(port, peer={"deliver": "all", "tls": True, "certificate_name": "PACS"},
                                 sections={"dicom.tls": self.node_section(tls)})
        folder = self.phantom(seed)
        files = dicom_files(folder)
        tool("storescu", "-nh", "-aet", "HOSPITAL", "-aec", "GLIONODE", "+tls", tls.key("pacs"), tls.certificate("pacs"),
             "+cf", tls.certificate("ca"), "127.0.0.1", server.tls_port, *files)
        server.wait_study(study_uid(folder), {"reported"})
        return server, server.wait_sent(study_uid(folder))

    def test_dcmsend_storescu_and_echoscu(self):
        """DCMTK's senders, plain; every object that they have in the phantom arrives with the same bytes."""
        server = self.start_node(sections={"study": {"incomplete_wait_seconds": 600}})
        files = dicom_files(self.phantom(85))
        half = len(files) // 2
        done = tool("dcmsend", "-v", "-aet", "HOSPITAL", "-aec", "GLIONODE", "127.0.0.1", server.dicom_port, *files[:half])
        self.assertRegex(done.stdout, rf"with status SUCCESS *: *{half}")
        self.assertEqual(store(server.dicom_port, files[half:]).refused, [])
        self.assertEqual(server.get("/api/v1/status")["instances"], len(files))
        worked, said = dicom_tools.echo(server.dicom_port)
        self.assertTrue(worked, said)
        self.assert_serving(server)

    def test_ae_titles_with_blanks_and_control_characters(self):
        """Blanks around an AE title mean nothing (PS3.5 6.2); control characters are no AE title of anybody."""
        server = self.start_node()
        for calling, called in (("HOSPITAL  ", "GLIONODE"), (" HOSPITAL", " GLIONODE  ")):
            worked, said = dicom_tools.echo(server.dicom_port, calling, called)
            self.assertTrue(worked, said)
        for calling in ("HOSPITAL\t", "HOSP\nITAL", "HOSPITAL\x7f", "hospital"):
            self.assertFalse(dicom_tools.echo(server.dicom_port, calling)[0], repr(calling))
        self.assertEqual(server.metric('glionode_refusals_total{reason="unknown_ae"}') +
                         server.metric('glionode_refusals_total{reason="bad_ae"}'), 4)
        refused = [line for line in server.process.log_text().splitlines() if "refused" in line]
        self.assertTrue(all(re.fullmatch(r"[\x20-\x7e]*", line) for line in refused), refused)
        self.assert_serving(server)


if __name__ == "__main__":
    main()
