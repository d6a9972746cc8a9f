"""Base of the functional tests: a temporary folder, servers that are always stopped, and their logs when a test fails."""

import os
import sys
import tempfile
import unittest

import dicom_tools
import node as node_module
from node import Node, make_phantom
from orthanc import Orthanc
from processes import raise_on_signals

SKIPPED = 77  # ctest shows the test as skipped


class FunctionalCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not os.path.exists(node_module.BINARY):
            self.fail(f"{node_module.BINARY} is not there: ./run build makes it")
        self._folder = tempfile.TemporaryDirectory(prefix="glionode-test-")
        self.folder = self._folder.name
        self.servers = []
        self.addCleanup(self._clean)

    def _clean(self):
        outcome = getattr(self, "_outcome", None)
        failed = outcome is not None and not outcome.success
        for server in reversed(self.servers):
            server.stop()
            if failed and server.process:
                print(server.process.log_tail(60), file=sys.stderr)
        self._folder.cleanup()

    def start_node(self, peer_port=9, **options):
        """A node without a PACS behind it (port 9 discards: nobody answers there); it delivers nothing unless told."""
        options.setdefault("peer", {"deliver": "none"})
        server = Node(self.folder, peer_port, **options)
        self.servers.append(server)
        return server.start()

    def start_hospital(self, orthanc=None, **options):
        """Orthanc, which pushes stable studies by itself, and the node that answers to it."""
        pacs = Orthanc(self.folder, **(orthanc or {"stable_age": 1}))
        self.servers.append(pacs)
        pacs.start()
        server = self.start_node(pacs.dicom_port, peer={}, **options)
        pacs.know_node(server.dicom_port)
        return pacs, server

    def phantom(self, seed):
        return make_phantom(os.path.join(self.folder, f"phantom-{seed}"), seed)[0]

    def real_study(self):
        folder = dicom_tools.real_study()
        if not folder:
            self.skipTest("the real study is not here (GLIONODE_TEST_DATA names the folder that holds tcga-fg-6692)")
        return folder

    def assert_serving(self, server):
        """Whatever was done to it: the node lives, answers C-ECHO, and nothing half-written lies about."""
        server.process.require_running()
        self.assertEqual(server.request("/live")[0], 200)
        worked, said = dicom_tools.echo(server.dicom_port)
        self.assertTrue(worked, said)
        self.assertEqual(server.staged(), [])


def main():
    """Runs the tests named on the command line, Class.test_name or all; status 77 when all were skipped."""
    raise_on_signals()
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful() or result.testsRun == 0:
        sys.exit(1)
    sys.exit(SKIPPED if len(result.skipped) == result.testsRun else 0)
