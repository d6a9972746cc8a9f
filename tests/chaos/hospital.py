"""The node under test with everything around it: its PACS, proxies on both sides, and a disk that can be filled."""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request

from node import Node
from orthanc import Orthanc
from pdu_proxy import PduProxy
from processes import TIME_FACTOR, Failure, Process, wait_for

PEERS = {"HOSPITAL": "orthanc", "MODALITY": "storescu", "ROUTER": "dcmsend"}
MIB_A_STUDY = 5  # images, objects and pictures in the node's folder, with room for a revision
HANG_SECONDS = 90  # nothing breaks any more, and nothing has moved for so long: that is a hang


class SteadyOrthanc(Orthanc):
    """May be stopped and started again on the same ports, with what it holds."""

    def _write_configuration(self):
        path = super()._write_configuration()
        with open(path, encoding="utf-8") as file:
            configuration = json.load(file)
        configuration["StorageCompression"] = True  # thousands of captures, which are the same but for a few words
        with open(path, "w", encoding="utf-8") as file:
            json.dump(configuration, file, indent=2)
        return path

    def know_node(self, port, ae_title="GLIONODE"):
        self.node = port, ae_title
        super().know_node(port, ae_title)

    def again(self):
        self.stop()
        for _ in range(20):
            self.process = Process(self.name, [*self.command], self.folder)
            try:
                wait_for("the PACS to answer", self._answers, 60, alive=self.process.require_running)
                self.know_node(*self.node)  # it has this from its REST API, and keeps it in memory only
                return
            except (Failure, OSError):
                self.stop()
        raise Failure("the PACS did not come back")

    def start(self):
        super().start()
        self.command = list(self.process.process.args)
        return self


class MemoryDisk:
    """A small file system of its own, so that it can be full."""

    def __init__(self, folder, mib):
        self.path, self.mib = os.path.join(folder, "disk"), mib
        os.makedirs(self.path)

    def mount(self):
        """self; None without the right to mount, or without the memory."""
        with open("/proc/meminfo", encoding="ascii") as info:
            available = next(int(line.split()[1]) // 1024 for line in info if line.startswith("MemAvailable"))
        if 2 * self.mib > available or not self._mount(f"size={self.mib}m,mode=0700"):
            return None
        return self

    def _mount(self, options):
        command = ["mount", "-t", "tmpfs", "-o", options, "glionode-chaos", self.path]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self):
        """Not a byte is left: the file system ends where it is used to. True if that could be done."""
        for _ in range(20):
            now = os.statvfs(self.path)
            if self._mount(f"remount,size={(now.f_blocks - now.f_bfree) * now.f_frsize}"):
                return True
        return False  # it grew faster than we could look

    def free(self):
        if not self._mount(f"remount,size={self.mib}m"):
            raise Failure("the memory disk does not grow again")

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=False)


class Hospital:
    """`rng`: of the proxies. `disk`: a MemoryDisk, or None."""

    def __init__(self, folder, rng, disk):
        self.lock = threading.RLock()
        self.kills = self.starts = self.hangs = 0
        self.retried = {}  # {study UID: why it had failed}
        self.stopping = False
        self.disk = disk
        self.faults = os.path.join(folder, "vfs-fault")
        os.environ["GLIONODE_VFS_FAULTS"] = self.faults
        os.environ["GLIONODE_STANDIN_MS"] = "60"
        # Without this dcmtk's tools and Orthanc wait 40 ms at every object for an acknowledgement that the proxy delays.
        os.environ["TCP_NODELAY"] = "1"
        self.pacs = SteadyOrthanc(folder, stable_age=36000, push=False)
        self.pacs.start()
        self.out = PduProxy(self.pacs.dicom_port, rng)  # node -> PACS
        data = os.path.join(disk.path if disk else folder, "data")
        self.node = Node(folder, self.out.port, peer_ae="HOSPITAL", bundle=folder, sections={
            "node": {"data_dir": data, "drain_seconds": 3}, "log": {"level": "info"},
            "study": {"quiet_seconds": 1, "incomplete_wait_seconds": 3600, "max_wait_seconds": 7200},
            "storage": {"min_free_gib": 0.002}, "housekeeping": {"keep_images_days": 0, "free_gib": 0}})
        self.node.peers = [{"ae_title": name, "host": "127.0.0.1", "port": self.out.port, "deliver": "all"} for name in PEERS]
        self.node.start()
        self.into = PduProxy(self.node.dicom_port, rng)  # senders -> node
        self.pacs.know_node(self.into.port)

    def start_node(self):
        """Until it runs again: with a full disk or a failing index it may refuse to start, in words. In the main thread:
        servers end with the thread that started them (PR_SET_PDEATHSIG)."""
        with self.lock:
            deadline = time.monotonic() + 120 * TIME_FACTOR
            while not self.stopping:
                try:
                    self.node.start(wait_ready=False)
                    self.starts += 1
                    return
                except Failure as problem:
                    self.node.process.stop()
                    if time.monotonic() > deadline:
                        self.hangs += 1
                        raise Failure(f"the node does not start again: {problem}") from None
                    time.sleep(0.1)

    def ensure_node(self):
        with self.lock:
            if not self.node.process.running() and not self.stopping:
                print(f"chaos: the node had ended by itself: {self.node.process.log_tail(5)}", flush=True)
                self.start_node()

    def stop(self):
        self.stopping = True
        self.node.stop()
        self.pacs.process.signal_group(signal.SIGCONT)
        self.pacs.stop()
        self.out.close()
        self.into.close()

    # --- what an administrator does and sees

    def order(self, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.node.admin_port}{path}", data=json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def all_studies(self, state=""):
        found, query = [], f"&state={state}" if state else ""
        while True:
            page = self.node.get(f"/api/v1/studies?limit=500&offset={len(found)}{query}")["studies"]
            found += page
            if len(page) < 500:
                return found

    def settle(self, wanted):
        """Nothing breaks any more: every study of the UIDs `wanted` must come to its end and be delivered. An administrator
        retries what asks for a person. A hang is counted when nothing has moved for HANG_SECONDS."""
        moved, before, last = time.monotonic(), None, {}
        rests = 0
        while rests < 2:  # twice: a quiet time may be running, or a job that nobody has sent anything of
            self.ensure_node()
            try:
                last = self._state(wanted)
            except (OSError, Failure) as problem:
                last = {"problem": str(problem)}
            rests = rests + 1 if last.get("rest") else 0
            if str(last) != before:
                moved, before = time.monotonic(), str(last)
            elif not rests and time.monotonic() - moved > HANG_SECONDS * TIME_FACTOR:
                self.hangs += 1
                print(f"chaos: nothing has moved for {HANG_SECONDS * TIME_FACTOR:.0f} s: {last}", flush=True)
                return
            time.sleep(3 if rests == 1 else 1)

    def _state(self, wanted):
        if self.node.request("/ready")[0] != 200:
            return {"problem": "not ready"}
        for entry in self.all_studies("failed"):  # the worker was killed at both attempts
            self.retried[entry["study_uid"]] = entry.get("why", "")
            self.order("/api/v1/retry", {"study_uid": entry["study_uid"]})
        for peer in PEERS:
            self.order("/api/v1/retry", {"peer": peer})
        status = self.node.get("/api/v1/status")
        state = {"studies": status["studies"], "outbox": status["outbox"]}
        at_work = sum(status["studies"].get(name, 0) for name in ("ready", "running", "failed"))
        unsent = sum(status["outbox"].get(name, 0) for name in ("pending", "dead", "parked"))
        if at_work == 0 and unsent == 0:
            # A study that was not sent completely waits for the rest.
            ended = {entry["study_uid"] for entry in self.all_studies() if entry["state"] in ("reported", "parked")}
            state["waiting"] = sorted(wanted - ended)[:5]
            state["rest"] = not state["waiting"]
        return state
