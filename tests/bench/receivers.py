"""The receivers that bench/receive.py compares, the images that they get, and who sends them."""

import os
import subprocess
import threading
import time

from node import Node
from orthanc import Orthanc
from processes import Failure, Process, free_port
from raw_dicom import dicom_file, mr_data_set

NODELAY = {"TCP_NODELAY": "1"}
DISCARD = 9  # nobody listens there


def file_system(folder):
    """Kind and options of the file system that holds `folder`, and whether it keeps a journal (ext4 only)."""
    best = ("", "", "", "")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            device, point, kind, options = line.split()[:4]
            if os.path.abspath(folder).startswith(point) and len(point) >= len(best[1]):
                best = (device, point, kind, options)
    text = f"{best[2]} ({best[3]})"
    if best[2] == "ext4":
        journal = os.path.isdir("/proc/fs/jbd2") and any(name.startswith(os.path.basename(os.path.realpath(best[0])) + "-")
                                                         for name in os.listdir("/proc/fs/jbd2"))
        text += ", with a journal" if journal else ", WITHOUT a journal: syncs are cheaper than on a usual disk"
    return text


def run_of(arguments, environment=None):
    done = subprocess.run([str(word) for word in arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=600,
                          env=dict(os.environ, **(environment or {})), check=False)
    if done.returncode != 0:
        raise Failure(f"{arguments[0]} ended with status {done.returncode}: {(done.stdout + done.stderr)[-500:]}")


class Images:
    """Sets of MR files of 128 KiB, never the same UID twice: no receiver may answer from what it has."""

    def __init__(self, folder):
        self.folder, self.sets = folder, 0
        self.pixels = os.urandom(131072)

    def make(self, count, date="20260102"):
        """Writes a set: one study of `count` images; its folder."""
        self.sets += 1
        folder = os.path.join(self.folder, f"set-{self.sets}")
        os.makedirs(folder)
        study = f"1.2.826.0.1.3680043.2.1125.{os.getpid()}.{time.time_ns()}.{self.sets}"
        for number in range(1, count + 1):
            uid = f"{study}.1.{number}"
            with open(os.path.join(folder, f"{number:05d}"), "wb") as out:
                out.write(dicom_file(uid, mr_data_set(uid, study, study + ".1", number, pixels=self.pixels, date=date)))
        return folder


# --- receivers: each has `name`, `port`, `called`, stop()

class Storescp:
    def __init__(self, folder, tuned, fork=False, tls=None):
        self.called = "ANY-SCP"
        self.name = "storescp" + (", TCP_NODELAY=1" if tuned else "")
        files = os.path.join(folder, f"storescp-{tuned}-{fork}")
        os.makedirs(files)
        self.port = free_port()
        options = (["--fork"] if fork else []) + (tls_options(tls, "node") if tls else [])
        self.process = Process("storescp", ["storescp", "+B", *options, "-od", files, str(self.port)], folder,
                               NODELAY if tuned else None)

    def stop(self):
        self.process.stop()


class Dcmqrscp:
    def __init__(self, folder):
        self.called = "QRSCP"
        self.name = "dcmqrscp, TCP_NODELAY=1"
        files = os.path.join(folder, "dcmqrscp")
        os.makedirs(files)
        self.port = free_port()
        config = os.path.join(files, "dcmqrscp.cfg")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"NetworkTCPPort = {self.port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
                      f"HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
                      f"AETable BEGIN\nQRSCP {files} RW (500, 10gb) ANY\nAETable END\n")
        self.process = Process("dcmqrscp", ["dcmqrscp", "-c", config], folder, NODELAY)

    def stop(self):
        self.process.stop()


class OrthancReceiver:
    called = "HOSPITAL"

    def __init__(self, folder, tuned, tls=None):
        self.name = "Orthanc" + (", TCP_NODELAY=1" if tuned else "")
        kept = os.environ.pop("TCP_NODELAY", None)
        if tuned:
            os.environ.update(NODELAY)
        try:
            self.server = Orthanc(folder, push=False, name=f"orthanc-{tuned}",
                                  tls=tls and (tls.key("node"), tls.certificate("node"), tls.certificate("ca"))).start()
        finally:
            os.environ.pop("TCP_NODELAY", None)
            if kept:
                os.environ["TCP_NODELAY"] = kept
        self.port = self.server.dicom_port

    def stop(self):
        self.server.stop()


class NodeReceiver:
    """The node. No accept rule: nothing is computed while it is measured."""
    name, called = "glionode", "GLIONODE"

    def __init__(self, folder, name="node", **options):
        options.setdefault("accept", [{"StudyDescription": "(?i)nothing is called like this"}])
        sections = {"log": {"level": "info"}, "study": {"quiet_seconds": 60}, **options.pop("sections", {})}
        self.node = Node(folder, DISCARD, name=name, peer={"deliver": "none"}, sections=sections, **options).start()
        self.port = self.node.tls_port or self.node.dicom_port

    def stop(self):
        self.node.stop()


def tls_options(tls, name):
    return ["+tls", tls.key(name), tls.certificate(name), "+cf", tls.certificate("ca")]


def send(receiver, folders, tuned, tls=None):
    """Runs one dcmsend a folder, at once; the seconds that all of them took. Under TLS storescu: dcmsend has none."""
    begun = time.monotonic()
    failures = []

    def one(folder):
        try:
            sender = ["storescu", "-R", *tls_options(tls, "pacs")] if tls else ["dcmsend"]
            run_of([*sender, "-q", "-aet", "HOSPITAL", "-aec", receiver.called, "+sd", "127.0.0.1", receiver.port, folder],
                   NODELAY if tuned else None)
        except Exception as problem:  # noqa: BLE001  (told below, by the thread that asked)
            failures.append(problem)
    threads = [threading.Thread(target=one, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.monotonic() - begun
