"""Proof of storage: Storage Commitment with Orthanc and with an archive of ours that misbehaves, C-FIND with dcmqrscp."""

import os
import shutil

from archive import Archive, report_event
from case import FunctionalCase, main
from dicom_tools import dicom_files, store, study_uid
from orthanc import Orthanc
from processes import Process, free_port, wait_for


class Commitment(FunctionalCase):
    def archive(self, commitment):
        archive = Archive(commitment)
        self.addCleanup(archive.close)
        return archive

    def report(self, seed, port, **peer):
        """A node whose results of a phantom go to `port`."""
        server = self.start_node(port, peer={"deliver": "all", **peer})
        folder = self.phantom(seed)
        self.assertEqual(store(server.dicom_port, dicom_files(folder)).refused, [])
        uid = study_uid(folder)
        server.wait_study(uid, {"reported"})
        return server, uid

    def states(self, server, uid):
        return {row["state"] for row in server.outbox(uid)}

    def wait_state(self, server, uid, state, seconds=60):
        def probe():
            rows = server.outbox(uid)
            return rows if rows and all(row["state"] == state for row in rows) else None
        return wait_for(f"the outbox to be {state}", probe, seconds, 0.05, server.process.require_running)

    def test_orthanc_commits(self):
        """Orthanc takes the request, and reports on an association of its own to the node's port."""
        pacs = Orthanc(self.folder, push=False)
        self.servers.append(pacs)
        pacs.start()
        server = self.start_node(pacs.dicom_port, peer={"deliver": "all", "confirm": "commitment"})
        pacs.know_node(server.dicom_port)
        folder = self.phantom(71)
        self.assertEqual(store(server.dicom_port, dicom_files(folder)).refused, [])
        uid = study_uid(folder)
        server.wait_study(uid, {"reported"})
        rows = self.wait_state(server, uid, "confirmed")
        self.assertTrue(all("storage commitment" in row["last_status"] for row in rows), rows)
        self.assertEqual(server.metric('glionode_proofs_total{outcome="confirmed"}'), len(rows))
        self.assertEqual(server.metric("glionode_outbox_unproven"), 0)
        self.assertEqual(server.metric('glionode_outbox{state="confirmed"}'), len(rows))
        self.assert_serving(server)

    def test_report_on_the_same_association(self):
        archive = self.archive("same")
        server, uid = self.report(72, archive.port, confirm="commitment")
        rows = self.wait_state(server, uid, "confirmed")
        archive.wait(lambda a: a.answers == [0])
        self.assertEqual(sorted(uid for uid, _ in archive.stored), sorted(row["sop_instance_uid"] for row in rows))

    def test_report_after_a_restart_and_reports_that_are_not_ours(self):
        """The transaction is kept: a report that comes after kill -9 confirms; others change nothing."""
        archive = self.archive("silent")
        server, uid = self.report(73, archive.port, confirm="commitment")
        transaction, objects = archive.wait(lambda a: a.transactions)[0]
        self.assertEqual(self.states(server, uid), {"sent"})
        server.kill()
        server.start()
        stranger = report_event(b"2.25.42", objects)
        self.assertEqual(Archive.bring_report(server.dicom_port, *stranger), 0x0115)
        self.assertEqual(Archive.bring_report(server.dicom_port, 3, report_event(transaction, objects)[1]), 0x0113)
        self.assertEqual(self.states(server, uid), {"sent"})
        # Who wants the node to be the archive is not served; who leaves role selection out is.
        self.assertIsNone(Archive.bring_report(server.dicom_port, *report_event(transaction, objects), role=(1, 0)))
        self.assertEqual(Archive.bring_report(server.dicom_port, *report_event(transaction, objects[:1]), role=None), 0)
        wait_for("one object to be confirmed", lambda: self.states(server, uid) == {"sent", "confirmed"}, 30)
        self.assertEqual(Archive.bring_report(server.dicom_port, *report_event(transaction, objects)), 0)
        self.wait_state(server, uid, "confirmed")
        self.assertEqual(Archive.bring_report(server.dicom_port, *report_event(transaction, objects)), 0)
        self.assertEqual(len(archive.stored), len(objects), "sent once")

    def test_without_a_report_the_same_bytes_are_sent_again(self):
        archive = self.archive("silent")
        server, uid = self.report(74, archive.port, confirm="commitment", confirm_seconds=4)
        count = len(server.outbox(uid))
        stored = archive.wait(lambda a: len(a.stored) >= 2 * count and a.stored)
        self.assertEqual(sorted(stored[:count]), sorted(stored[count:2 * count]), "the same UIDs and bytes")
        first, _ = archive.transactions[0]
        self.assertEqual(self.states(server, uid) & {"confirmed"}, set())
        self.assertGreaterEqual(server.metric('glionode_proofs_total{outcome="timed_out"}'), count)
        # Late, and all the same a proof.
        objects = archive.transactions[0][1]
        self.assertEqual(Archive.bring_report(server.dicom_port, *report_event(first, objects)), 0)
        self.wait_state(server, uid, "confirmed")

    def test_what_the_archive_lost_is_sent_again(self):
        archive = self.archive("missing")
        server, uid = self.report(75, archive.port, confirm="commitment")
        archive.wait(lambda a: a.answers)
        count = len(server.outbox(uid))
        archive.commitment = "same"
        self.wait_state(server, uid, "confirmed")
        self.assertEqual(sorted(archive.stored[:count]), sorted(archive.stored[count:]))
        self.assertEqual(server.metric('glionode_proofs_total{outcome="denied"}'), count)

    def test_find_at_dcmqrscp(self):
        """C-FIND lists what it holds; an object that is gone from its index is not confirmed."""
        folder = os.path.join(self.folder, "qr")
        os.makedirs(os.path.join(folder, "db"))
        port = free_port()
        with open(os.path.join(folder, "dcmqrscp.cfg"), "w", encoding="utf-8") as file:
            file.write(f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
                       f"HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
                       f"AETable BEGIN\nHOSPITAL {folder}/db RW (100, 1024mb) ANY\nAETable END\n")
        qr = Process("dcmqrscp", [shutil.which("dcmqrscp"), "-c", os.path.join(folder, "dcmqrscp.cfg")], folder)
        qr_server = type("Server", (), {"process": qr, "stop": lambda self: qr.stop()})()
        self.servers.append(qr_server)
        server, uid = self.report(76, port, confirm="find")
        rows = self.wait_state(server, uid, "confirmed")
        self.assertTrue(all("lists it (C-FIND)" in row["last_status"] for row in rows), rows)

    def test_find_where_the_archive_drops_objects(self):
        """Success to C-STORE, but nothing is listed: never confirmed."""
        archive = self.archive("silent")  # its answer to C-FIND is Success without a match
        server, uid = self.report(77, archive.port, confirm="find")
        wait_for("the first question", lambda: any("does not list it" in row["last_status"] for row in server.outbox(uid)), 30)
        self.assertEqual(self.states(server, uid), {"sent"})


if __name__ == "__main__":
    main()
