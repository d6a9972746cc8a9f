"""DICOM under TLS: the built node with real certificates, Orthanc and DCMTK's tools at the other end."""

import os
import re
import shutil

import dicom_tools
from case import FunctionalCase, main
from certificates import Certificates
from dicom_tools import dicom_files, tool
from node import run
from orthanc import Orthanc
from processes import wait_for


class Tls(FunctionalCase):
    def setUp(self):
        super().setUp()
        self.tls = Certificates(os.path.join(self.folder, "tls")).make_all()

    def section(self, name="node", **more):
        return {"port": 0, "certificate": self.tls.certificate(name), "key": self.tls.key(name),
                "ca": self.tls.certificate("ca"), **more}

    def start_tls_node(self, peer=None, tls=None, dicom=None, **options):
        return self.start_node(peer={"deliver": "none", **(peer or {})},
                               sections={"dicom": dicom or {}, "dicom.tls": tls or self.section()}, **options)

    def echo(self, port, name, ca="ca"):
        done = tool("echoscu", "-v", "-to", 10, "-aet", "HOSPITAL", "-aec", "GLIONODE", "+tls", self.tls.key(name),
                    self.tls.certificate(name), "+cf", self.tls.certificate(ca), "127.0.0.1", port, check=False)
        return done.returncode == 0, done.stdout

    def refusals(self, server, reason):
        return server.metric(f'glionode_refusals_total{{reason="{reason}"}}')

    def wait_refused(self, server, reason, count):
        wait_for(f"{count} refusals for {reason}", lambda: self.refusals(server, reason) == count, 20)

    def test_a_study_goes_there_and_back_under_tls(self):
        """Orthanc pushes under TLS, and gets its report and captures under TLS, each side with its certificate."""
        pacs = Orthanc(self.folder, stable_age=1, tls=(self.tls.key("pacs"), self.tls.certificate("pacs"),
                                                       self.tls.certificate("ca")))
        self.servers.append(pacs)
        pacs.start()
        server = self.start_node(pacs.dicom_port, peer={"tls": True, "certificate_name": "pacs"},
                                 sections={"dicom": {"plain": False}, "dicom.tls": self.section()})
        self.assertEqual(server.dicom_port, 0)
        checked = run("check", "--config", server.configuration, "--connect")
        self.assertRegex(checked.stdout, r"HOSPITAL .*answered in")
        pacs.know_node(server.tls_port)
        studies, _ = pacs.upload_folder(self.phantom(61))
        study, instances = next(iter(studies.items()))
        uid = pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
        server.wait_study(uid, {"reported"})
        rows = server.wait_sent(uid)
        reports, captures, _ = pacs.results(study, set(instances))
        self.assertEqual((len(reports), len(reports) + len(captures)), (1, len(rows)))
        self.assertRegex(server.process.log_text(), r"from HOSPITAL \(127\.0\.0\.1\) under TLSv1\.[23]")

    def test_refused_certificates(self):
        """Expired, foreign, none at all, and an old protocol: refused, counted by reason, logged; the next is served."""
        server = self.start_tls_node()
        for name, reason, words in (("expired", "tls_expired", "its certificate has expired"),
                                    ("foreign", "tls_foreign", "its certificate is not one that")):
            self.assertFalse(self.echo(server.tls_port, name)[0])
            self.wait_refused(server, reason, 1)
            self.assertIn(words, server.process.log_text())
        tool("openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", check=False)
        self.wait_refused(server, "tls_no_certificate", 1)
        tool("openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0",
             check=False)
        self.wait_refused(server, "tls_version", 1)
        dicom_tools.echo(server.tls_port)  # in clear on the TLS port
        self.wait_refused(server, "tls_not_tls", 1)
        worked, said = self.echo(server.tls_port, "pacs")
        self.assertTrue(worked, said)
        self.assert_serving(server)

    def test_the_node_refuses_a_foreign_archive(self):
        """Results go to nobody whose certificate our authority has not signed; the reason is shown."""
        pacs = Orthanc(self.folder, push=False, tls=(self.tls.key("foreign"), self.tls.certificate("foreign"),
                                                     self.tls.certificate("ca")))
        self.servers.append(pacs)
        pacs.start()
        server = self.start_node(pacs.dicom_port, peer={"tls": True, "certificate_name": "pacs"},
                                 sections={"dicom.tls": self.section()})
        said = run("echo", "HOSPITAL", "--config", server.configuration, check=False)
        self.assertEqual(said.returncode, 1)
        self.assertIn("its certificate is not one that [dicom.tls] ca vouches for", said.stderr)

    def test_bound_to_a_certificate(self):
        server = self.start_tls_node(peer={"certificate_sha256": self.tls.fingerprint("pacs")})
        self.assertTrue(self.echo(server.tls_port, "pacs")[0])
        self.assertFalse(self.echo(server.tls_port, "other_pacs")[0])
        self.wait_refused(server, "wrong_certificate", 1)
        self.assertFalse(dicom_tools.echo(server.dicom_port)[0], "the plain port proves nothing")
        self.wait_refused(server, "no_certificate", 1)

    def test_reload_of_certificates(self):
        """SIGHUP: the new certificate counts for the next caller; a broken one changes nothing; days left are a metric."""
        server = self.start_tls_node()
        self.assertTrue(28 <= server.metric('glionode_certificate_days_left{use="own"}') <= 30)
        self.assertFalse(self.echo(server.tls_port, "pacs", ca="foreign_ca")[0])
        shutil.copyfile(self.tls.certificate("foreign"), self.tls.certificate("node"))
        self.assertIn("not reloaded", server.reload())  # its key does not belong to it
        self.assertIn("is not the key of", server.process.log_text())
        self.assertTrue(self.echo(server.tls_port, "pacs")[0])
        shutil.copyfile(self.tls.key("foreign"), self.tls.key("node"))
        self.assertNotIn("not reloaded", server.reload())
        self.assertTrue(self.echo(server.tls_port, "pacs", ca="foreign_ca")[0])
        self.assertFalse(self.echo(server.tls_port, "pacs", ca="ca")[0])

    def test_check_tells_of_certificates(self):
        server = self.start_tls_node()
        server.stop()
        self.tls.make("node", days=5)
        server.write_configuration()
        checked = run("check", "--config", server.configuration)
        self.assertRegex(checked.stdout, r'glionode\.toml:\d+:1: warning: dicom\.tls: our certificate "node" expires in [45] days')
        self.tls.make("node", days=-1)
        self.assertIn("has expired", run("check", "--config", server.configuration).stdout)
        os.chmod(self.tls.key("node"), 0o644)
        self.assertIn("can be read by everybody", run("check", "--config", server.configuration).stdout)
        shutil.copyfile(self.tls.key("pacs"), self.tls.key("node"))
        checked = run("check", "--config", server.configuration, check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertRegex(checked.stderr, r"glionode\.toml:\d+:1: dicom\.tls\.key: .* is not the key of")

    def test_storescu_under_tls(self):
        server = self.start_tls_node()
        files = dicom_files(self.phantom(62))[:20]
        done = tool("storescu", "-v", "-nh", "-aet", "HOSPITAL", "-aec", "GLIONODE", "+tls", self.tls.key("pacs"),
                    self.tls.certificate("pacs"), "+cf", self.tls.certificate("ca"), "127.0.0.1", server.tls_port, *files)
        self.assertEqual(len(re.findall(r"Received Store Response \(Success\)", done.stdout)), len(files), done.stdout)
        self.assertEqual(len([name for name in server.data_files() if name.endswith(".dcm")]), len(files))
        self.assert_serving(server)


if __name__ == "__main__":
    main()
