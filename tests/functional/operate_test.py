"""What an administrator does on the command line: first configuration, looking at a stopped node, installing, systemd."""

import json
import os
import re
import shutil
import socket
import subprocess
import unittest

from case import FunctionalCase, main
from dicom_tools import dicom_files, store, study_uid
from node import BINARY, BUNDLE, ROOT, Node, run
from processes import Process, wait_for


class Operate(FunctionalCase):
    def test_init_writes_what_check_accepts(self):
        file = os.path.join(self.folder, "glionode.toml")
        run("init", "--yes", "--config", file, "--ae-title", "NODE1", "--port", 11115, "--data-dir", os.path.join(self.folder, "data"),
            "--peer-ae", "PACS", "--peer-host", "10.0.0.1", "--deliver", "none", "--bundle", BUNDLE)
        checked = run("check", "--config", file)
        self.assertIn("no mistakes", checked.stdout)
        self.assertIn("nothing is sent", checked.stdout)  # silent running is said
        again = run("init", "--yes", "--config", file, check=False)
        self.assertEqual(again.returncode, 2)
        self.assertIn("--force", again.stderr)
        bad = os.path.join(self.folder, "bad.toml")
        done = run("init", "--yes", "--config", bad, "--peer-ae", "PACS", "--peer-host", "not a host", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("host", done.stderr)
        self.assertFalse(os.path.exists(bad))
        # Asked: everything but the PACS is taken as offered.
        asked = os.path.join(self.folder, "asked.toml")
        done = subprocess.run([BINARY, "init", "--config", asked, "--bundle", BUNDLE], input="\n\n\nPACS2\n10.0.0.2\n\nall\n\n\n",
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(asked, encoding="utf-8") as text:
            self.assertIn('ae_title = "PACS2"', text.read())
        self.assertIn("glionode check", done.stdout)

    def test_check_connect_shows_a_table(self):
        server = self.start_node()
        server.peers.append({"ae_title": "SELF", "host": "127.0.0.1", "port": server.dicom_port, "deliver": "none"})
        server.write_configuration()
        done = run("check", "--connect", "--config", server.configuration, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"HOSPITAL +127\.0\.0\.1:9 +\S")
        self.assertIn("SELF", done.stdout)

    def test_a_stopped_node_shows_its_studies(self):
        server = self.start_node()
        folder = self.phantom(71)
        store(server.dicom_port, dicom_files(folder))
        uid = study_uid(folder)
        server.wait_study(uid, {"reported"})

        def ask(*words):
            return run(*words, "--config", server.configuration, "--json")
        running = [json.loads(ask(*words).stdout) for words in (("studies",), ("show", uid), ("outbox",))]
        self.assertEqual(running[0]["total"], 1)
        self.assertEqual(json.loads(ask("studies", "--state", "parked").stdout)["total"], 0)
        wrong = run("studies", "--state", "asleep", "--config", server.configuration, check=False)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("receiving", wrong.stderr)
        for words in (("show", uid), ("studies",), ("status",), ("outbox",), ("problems",)):
            text = run(*words, "--config", server.configuration, check=False).stdout
            self.assertTrue(text.strip(), words)
        self.assertIn("T1 with contrast", run("show", uid, "--config", server.configuration).stdout)
        run("outcome", uid, "necrosis", "--date", "2026-05-04", "--standard", "pathology", "--config", server.configuration)
        wrong = run("outcome", uid, "necrosis", "--date", "2126-05-04", "--standard", "pathology", "--config", server.configuration,
                    check=False)
        self.assertEqual(wrong.returncode, 2, wrong.stdout + wrong.stderr)
        self.assertEqual(server.get(f"/api/v1/studies/{uid}/outcomes")["outcomes"][0]["label"], "necrosis")
        bundle = server.get("/api/v1/site-validation")["bundles"][0]
        self.assertEqual((bundle["reported"], bundle["verified"], bundle["too_few"]), (1, 1, True))
        report = os.path.join(self.folder, "site")
        said = run("evaluate", "--from-node", "--config", server.configuration, "--out", report).stdout
        self.assertIn("1 necrosis, 0 recurrence", said)
        self.assertIn(bundle["bias"], said)
        with open(os.path.join(report, "metrics.json")) as file:
            self.assertIn(bundle["sha256"], file.read())
        wrong = run("evaluate", "cohort.csv", "--from-node", "--config", server.configuration, "--out", report, check=False)
        self.assertEqual(wrong.returncode, 2, wrong.stdout + wrong.stderr)
        for more in (["--record"], ["--apparent"], ["--threads", 1], ["--cache", report]):
            wrong = run("evaluate", "--from-node", "--config", server.configuration, "--out", report, *more, check=False)
            self.assertEqual(wrong.returncode, 2, wrong.stdout + wrong.stderr)
            self.assertIn("--from-node takes what the node has answered", wrong.stderr)
        # The bundle that answered is the one that is configured: whether it was trained on the patient is known.
        self.assertEqual((bundle["training_patients_known"], bundle["excluded_training_patients"]), (True, 0))
        run("outcome", uid, "mixed", "--date", "2026-05-05", "--standard", "pathology", "--config", server.configuration)
        wrong = run("evaluate", "--from-node", "--config", server.configuration, "--out", report, check=False)
        self.assertEqual(wrong.returncode, 1, wrong.stdout + wrong.stderr)
        self.assertIn("(mixed, neither or unknown: 1;", wrong.stderr)
        self.assertIn("would be the same", run("rerun", uid, "--config", server.configuration, check=False).stdout)
        server.stop()
        stopped = ask("studies")
        self.assertIn("the node is stopped", stopped.stderr)
        self.assertEqual([json.loads(stopped.stdout), json.loads(ask("show", uid).stdout), json.loads(ask("outbox").stdout)], running)
        self.assertEqual(run("status", "--config", server.configuration, check=False).returncode, 1)
        self.assertEqual(run("show", "1.2.3", "--config", server.configuration, check=False).returncode, 1)

    def test_every_command_has_help_with_an_example(self):
        commands = re.findall(r"^  ([a-z]+) +\S", run("--help").stdout.split("Subcommands:")[1], re.M)
        self.assertGreater(len(commands), 20)
        for command in commands:
            self.assertIn(f"Example: glionode {command}", run(command, "--help").stdout)

    def test_systemd_is_told(self):
        """READY when it accepts, a sign of life in time, STOPPING before it drains (sd_notify(3))."""
        path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(120)
            server = Node(self.folder, 9, peer={"deliver": "none"})
            self.servers.append(server)
            server.write_configuration()
            os.makedirs(server.data, exist_ok=True)
            # The watchdog is meant for one process only: WATCHDOG_PID is left out, so it is whoever reads it.
            server.process = Process("node", [BINARY, "serve", "--config", server.configuration], server.folder,
                                     environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"})
            told = listener.recv(4096).decode()
            self.assertIn("READY=1", told)
            self.assertRegex(told, r"STATUS=ready dicom=\d+ admin=\d+")
            self.assertIn("WATCHDOG=1", listener.recv(4096).decode())
            self.assertIn("WATCHDOG=1", listener.recv(4096).decode())
            server.process.process.terminate()
            seen = ""
            while "STOPPING=1" not in seen:
                seen = listener.recv(4096).decode()
            wait_for("the end", lambda: not server.process.running(), 60)
            self.assertEqual(server.process.process.returncode, 0)

    def test_install_layout(self):
        build = os.path.dirname(os.path.dirname(BINARY))
        if not os.path.exists(os.path.join(build, "cmake_install.cmake")):
            self.skipTest(f"{build} is no build folder")
        prefix = os.path.join(self.folder, "usr")
        # An administrator builds the program and nothing else (./run build): all that is installed must come with it.
        made = subprocess.run(["ninja", "-C", build, "-t", "inputs", "glionode"], capture_output=True, text=True, check=True).stdout.split()
        self.assertIn("glionode_sbom", made)
        done = subprocess.run(["cmake", "--install", build, "--prefix", prefix], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        for name in ("bin/glionode", "share/glionode/models/phantom-resnet10/bundle.json", "share/glionode/glionode.example.toml",
                     "share/glionode/glionode.rules.yml", "lib/systemd/system/glionode.service", "lib/sysusers.d/glionode.conf",
                     "share/doc/glionode/docs/operating.md", "share/doc/glionode/glionode.cdx.json", "share/doc/glionode/LICENSE"):
            self.assertTrue(os.path.exists(os.path.join(prefix, name)), name)
        version = subprocess.run([os.path.join(prefix, "bin", "glionode"), "--version"], capture_output=True, text=True, check=True).stdout
        with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as file:
            self.assertIn(file.read().strip(), version)
        with open(os.path.join(prefix, "share/doc/glionode/glionode.cdx.json"), encoding="utf-8") as file:
            names = {component["name"] for component in json.load(file)["components"]}
        self.assertTrue({"libdcmtk17", "libssl3", "preact"} <= names, names)
        with open(os.path.join(prefix, "lib/systemd/system/glionode.service"), encoding="utf-8") as file:
            unit = file.read()
        for line in ("Type=notify", "ProtectSystem=strict", "NoNewPrivileges=yes", "WatchdogSec=", "User=glionode"):
            self.assertIn(line, unit)
        self.assertNotIn("@CMAKE", unit)
        self.assertNotRegex(unit, "(?m)^ProcSubset=")  # LibTorch reads /proc/cpuinfo
        self.assertIn(f"ExecStart={prefix}/bin/glionode serve ", unit)
        self.assertIn(f"Documentation=file:{prefix}/share/doc/glionode/docs/operating.md", unit)
        # The installed program works by what was installed beside it: its own bundle, not that of the checkout.
        configuration = os.path.join(self.folder, "first.toml")
        installed = os.path.join(prefix, "bin", "glionode")
        for words in (["init", "--yes", "--peer-ae", "PACS", "--peer-host", "127.0.0.1", "--data-dir", os.path.join(self.folder, "data")],
                      ["check"]):
            done = subprocess.run([installed, *words, "--config", configuration], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(configuration, encoding="utf-8") as file:
            self.assertIn(f'bundle = "{prefix}/share/glionode/models/phantom-resnet10"', file.read())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_unit_is_valid_and_confined(self):
        """systemd's own reading of the unit: nothing it does not know, and little that the service could do to the machine."""
        with open(os.path.join(ROOT, "packaging", "glionode.service.in"), encoding="utf-8") as file:
            text = file.read().replace("@CMAKE_INSTALL_FULL_BINDIR@/glionode", BINARY).replace("@CMAKE_INSTALL_FULL_DOCDIR@", ROOT)
        unit = os.path.join(self.folder, "glionode.service")
        with open(unit, "w", encoding="utf-8") as out:
            out.write(text)
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", unit], capture_output=True, text=True, check=False, timeout=60)
        exposure = re.search(r"Overall exposure level for glionode.service: ([0-9.]+)", done.stdout)
        self.assertLessEqual(float(exposure[1]), 2.0, done.stdout + done.stderr)


if __name__ == "__main__":
    main()
