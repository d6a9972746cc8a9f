#!/usr/bin/env python3
"""What a loss of power leaves: the node receives a study, evaluates and sends it while strace writes down every write, sync
and rename. The record is played back to many moments; at each, four disks that may be left (only what was synced; all
names but only synced contents; the same with torn objects; everything) must hold every image that was acknowledged until
then, and nothing that was not sent, and the node must start on them and bring the study to one report."""

import argparse
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import senders  # noqa: E402
from dicom_tools import store  # noqa: E402
from node import BINARY, Node  # noqa: E402
from orthanc import Orthanc  # noqa: E402
from processes import Failure, Process, raise_on_signals, wait_for  # noqa: E402
from recorded_disk import TEXT, Disk, Record, apply, plain, strace  # noqa: E402

KINDS = {"synced": ("durable", "durable"), "names": ("now", "durable"), "torn": ("now", "torn"), "all": ("now", "now")}


class RecordedNode(Node):
    """A node under strace."""

    def start(self, wait_ready=True):
        self.write_configuration()
        self.log = os.path.join(self.folder, "strace.log")
        os.makedirs(self.data, exist_ok=True)
        self.process = Process(self.name, strace(self.log) + [BINARY, "serve", "--config", self.configuration], self.folder)
        line = self.process.next_line(120)
        while line is not None and not line.startswith("ready"):
            line = self.process.next_line(120)
        if line is None:
            raise Failure(f"the node does not start under strace:\n{self.process.log_tail()}")
        self.dicom_port, self.admin_port = (int(word.split("=")[1]) for word in line.split()[1:])
        wait_for("the node to be ready", lambda: self.request("/ready")[0] == 200, 120, 0.1, self.process.require_running)
        return self


def configure(folder, pacs, name):
    return {"folder": folder, "peer_port": pacs.dicom_port, "bundle": folder, "name": name,
            "sections": {"log": {"level": "info"}, "study": {"incomplete_wait_seconds": 3600, "max_wait_seconds": 7200},
                         "housekeeping": {"keep_images_days": 0, "free_gib": 0}}}


def record(folder, pacs, study):
    """The recorded calls, and the folder that they are about."""
    node = RecordedNode(**configure(folder, pacs, "recorded"))
    node.start()
    try:
        sent = store(node.dicom_port, study.files("t1", "t2", "t1ce"))
        if sent.refused:
            raise Failure(f"not taken: {sent.text}")
        node.wait_study(study.uid, {"reported"})
        node.wait_sent(study.uid)
    finally:
        node.process.process.terminate()
        node.stop()
    return Record(node.log), node.data


def look(folder, pacs, study, data, told, number, pictures):
    """The mistakes of one image: instances that are not there, a node that does not start, a study without its one report."""
    mistakes = []
    node = Node(**configure(folder, pacs, f"image-{number}"))
    node.sections["node"]["data_dir"] = data
    try:
        node.start()
        # What was acknowledged and has no row yet gets one beside reception.
        wait_for("the sweep", lambda: node.get("/api/v1/status").get("sweep") == "done", 60)
        held = {senders.picture(os.path.join(base, name)) for base, _, names in os.walk(os.path.join(data, "images")) for name in names}
        mistakes += [f"instance {uid} was acknowledged and is not there" for uid in told if pictures[uid] not in held]
        if held - set(pictures.values()):
            mistakes.append("images are there that nobody sent")
        record_of = node.study(study.uid)
        if told and (not record_of or node.get(f"/api/v1/studies/{study.uid}")["instances"] < len(told)):
            mistakes.append(f"{len(told)} instances were acknowledged; the node knows of {record_of}")
        sent = store(node.dicom_port, study.files("t1", "t2", "t1ce"))  # as a PACS whose push failed does
        if sent.refused:
            mistakes.append(f"{len(sent.refused)} images are not taken any more")
        found = node.wait_study(study.uid, {"reported"}, 120)
        node.wait_sent(study.uid, 120)
        if found["revision"] != 1:
            mistakes.append(f"revision {found['revision']}")
    except Failure as problem:
        mistakes.append(str(problem))
    finally:
        node.stop()
    return mistakes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=9, help="how many disks are looked at")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not shutil.which("strace"):
        print("power_loss: strace is not installed (Debian package: strace)", file=sys.stderr)
        return 3
    raise_on_signals()
    folder = os.path.realpath(tempfile.mkdtemp(prefix="glionode-power-"))
    rng, bad, pacs = random.Random(arguments.seed), 0, Orthanc(folder, stable_age=36000, push=False)
    try:
        pacs.start()
        study = senders.make_studies(os.path.join(folder, "studies"), "power", 1, 1)[0]
        pictures = {senders.sop_instance_uid(path): senders.picture(path) for path in study.files("t1", "t2", "t1ce")}
        recorded, root = record(folder, pacs, study)
        # Moments: the whole record, and some between; first and last acknowledgement are near the interesting ones.
        probe, marks, seals = Disk(root), [], []
        for at, call in enumerate(recorded.calls):
            if apply(probe, call):
                marks.append(at + 1)
            if call[0] == "pwrite64" and b"GLIONODE SEAL" in b"".join(plain(text[0]) for text in TEXT.findall(call[1])):
                seals.append(at + 1)  # sealed, and not yet synced
        if len(marks) != len(pictures):
            print(f"power_loss: {len(marks)} answers are in the record, {len(pictures)} were sent", file=sys.stderr)
            return 1
        moments = {marks[0], seals[len(seals) // 2], marks[len(marks) // 2], len(recorded.calls)}
        while len(moments) * len(KINDS) < arguments.images:
            moments.add(rng.randrange(marks[0], len(recorded.calls)))
        disk, told, number = Disk(root), [], 0
        for at, call in enumerate(recorded.calls, 1):
            uid = apply(disk, call)
            if uid:
                told.append(uid)
            if at not in moments:
                continue
            for kind, (names, contents) in KINDS.items():
                number += 1
                data = os.path.join(folder, f"data-{number}")
                disk.image(data, names, contents)
                mistakes = look(folder, pacs, study, data, list(told), number, pictures)
                bad += len(mistakes)
                print(f"moment {at} of {len(recorded.calls)}, {kind}: {len(told)} acknowledged, {'; '.join(mistakes) or 'good'}",
                      flush=True)
                shutil.rmtree(data)
        print(f"images={number} operations={disk.operations} mistakes={bad}")
    finally:
        pacs.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
