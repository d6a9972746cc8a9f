#!/usr/bin/env python3
"""./run chaos --seed S --seconds T: several PACS push small studies while everything around the node breaks. Ends with
one line, `kills=N studies=N lost=N missing=N duplicate=N misfiled=N hangs=N`, and fails if any but the first two is not 0."""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import books  # noqa: E402
import senders  # noqa: E402
from node import BINARY, Node  # noqa: E402
from orthanc import Orthanc  # noqa: E402
from pdu_proxy import PduProxy  # noqa: E402
from processes import Failure, Process, raise_on_signals, wait_for  # noqa: E402

PEERS = {"HOSPITAL": "orthanc", "MODALITY": "storescu", "ROUTER": "dcmsend"}
MIB_A_STUDY = 12  # images, objects and pictures in the node's folder, with room for a revision
MOST_IN_MEMORY = 400  # studies; more go to the ordinary disk, which is not filled
SETTLE_SECONDS = 240  # how long the end may take when nothing breaks any more: longer is a hang


class SteadyOrthanc(Orthanc):
    """May be stopped and started again on the same ports, with what it holds."""

    def again(self):
        self.stop()
        for _ in range(20):
            self.process = Process(self.name, [*self.command], self.folder)
            try:
                wait_for("the PACS to answer", self._answers, 60, alive=self.process.require_running)
                return
            except Failure:
                self.stop()
        raise Failure("the PACS did not come back")

    def start(self):
        super().start()
        self.command = list(self.process.process.args)
        return self


class Hospital:
    """The node with everything around it."""

    def __init__(self, folder, rng, disk):
        self.rng, self.lock = rng, threading.RLock()
        self.kills = self.starts = self.hangs = 0
        self.stopping = False
        self.pacs = SteadyOrthanc(folder, stable_age=36000, push=False)
        self.pacs.start()
        self.out = PduProxy(self.pacs.dicom_port, rng)  # node -> PACS
        self.faults = os.path.join(folder, "vfs-fault")
        self.disk = disk
        os.environ["GLIONODE_VFS_FAULTS"] = self.faults
        os.environ["GLIONODE_STANDIN_MS"] = "150"
        data = os.path.join(disk, "data") if disk else os.path.join(folder, "data")
        self.node = Node(folder, self.out.port, peer_ae="HOSPITAL", bundle=folder, sections={
            "node": {"data_dir": data, "drain_seconds": 3}, "log": {"level": "info"},
            "study": {"quiet_seconds": 2, "incomplete_wait_seconds": 3600, "max_wait_seconds": 7200},
            "storage": {"min_free_gib": 0.002}, "housekeeping": {"keep_images_days": 0, "free_gib": 0}})
        self.node.peers = [{"ae_title": name, "host": "127.0.0.1", "port": self.out.port, "deliver": "all"} for name in PEERS]
        self.node.start()
        self.into = PduProxy(self.node.dicom_port, rng)  # senders -> node
        self.pacs.know_node(self.into.port)

    def start_node(self):
        """Until it runs again: with a full disk or a failing index it may refuse to start, in words."""
        with self.lock:
            deadline = time.monotonic() + 120
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
                    time.sleep(0.3)

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


class Breaker:
    """Breaks one thing after the other, in the order of its seed, each for a moment. In the main thread: servers end with
    the thread that started them (PR_SET_PDEATHSIG)."""

    def __init__(self, hospital, rng, until):
        self.hospital, self.rng, self.until = hospital, rng, until
        self.done = {}

    def run(self):
        acts = [self.kill_node] * 6 + [self.kill_worker] * 4 + [self.stop_node, self.proxies, self.proxies, self.proxies,
                                                                self.answers, self.answers, self.pacs_away, self.pacs_restart,
                                                                self.index_fails, self.index_fails, self.reload, self.reload]
        if self.hospital.disk:
            acts += [self.fill_disk, self.fill_disk]
        while time.monotonic() < self.until:
            act = self.rng.choice(acts)
            try:
                act()
                self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
                self.hospital.ensure_node()
            except Exception:  # pylint: disable=broad-except
                self.hospital.hangs += 1
                traceback.print_exc()
            time.sleep(self.rng.uniform(0.1, 1.2))

    def kill_node(self):
        with self.hospital.lock:
            self.hospital.node.kill()
            self.hospital.kills += 1
            time.sleep(self.rng.uniform(0, 0.3))
            self.hospital.start_node()

    def kill_worker(self):
        for pid in self.hospital.node.workers()[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
                self.hospital.kills += 1
            except ProcessLookupError:
                pass

    def stop_node(self):
        with self.hospital.lock:
            process = self.hospital.node.process
            process.process.terminate()
            try:
                process.process.wait(30)
            except subprocess.TimeoutExpired:
                self.hospital.hangs += 1
                print("chaos: SIGTERM did not end the node within 30 s", flush=True)
            self.hospital.node.stop()
            self.hospital.start_node()

    def proxies(self):
        proxy = self.rng.choice([self.hospital.into, self.hospital.out])
        proxy.mode = self.rng.choice(["delay", "cut", "cut", "corrupt", "refuse"])
        time.sleep(self.rng.uniform(0.5, 3))
        proxy.mode = "pass"

    def answers(self):
        self.hospital.out.mode = self.rng.choice([0xA700, 0xA700, 0xC000, 0xA778])
        time.sleep(self.rng.uniform(0.5, 2))
        self.hospital.out.mode = "pass"

    def pacs_away(self):
        process = self.hospital.pacs.process
        process.signal_group(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.5, 3))
        process.signal_group(signal.SIGCONT)

    def pacs_restart(self):
        self.hospital.pacs.again()

    def index_fails(self):
        with open(self.hospital.faults, "w", encoding="ascii") as file:
            file.write(self.rng.choice(["busy", "ioerr", "full"]))
        time.sleep(self.rng.uniform(0.2, 1.5))
        os.remove(self.hospital.faults)

    def fill_disk(self):
        filler = os.path.join(self.hospital.disk, "filler")
        try:
            with open(filler, "wb") as file:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
        except OSError:
            pass
        time.sleep(self.rng.uniform(0.5, 2))
        os.remove(filler)

    def reload(self):
        node = self.hospital.node
        with self.hospital.lock:
            good = self.rng.random() < 0.5
            if good:
                node.sections["study"]["quiet_seconds"] = self.rng.choice([1, 2, 3])
                node.write_configuration()
            else:
                with open(node.configuration, "a", encoding="utf-8") as file:
                    file.write("[study\nnonsense = ")
            node.process.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            node.write_configuration()


class Sender(threading.Thread):
    """Makes and pushes one study after the other, each until everything of it was acknowledged. `numbers`: of its
    studies."""

    def __init__(self, name, hospital, seed, numbers, book, rng, folder):
        super().__init__(daemon=True)
        self.name_of_peer, self.hospital, self.numbers, self.book, self.rng = name, hospital, numbers, book, rng
        self.seed, self.folder, self.studies = seed, folder, []
        self.report = os.path.join(folder, f"dcmsend-{name}.txt")
        self.give_up = False

    def run(self):
        for number in self.numbers:
            if self.give_up:
                return
            try:
                study = senders.make_studies(os.path.join(self.folder, "studies"), self.seed, number, 1)[0]
                self.studies.append(study)
                self.push(study)
            except Exception:  # pylint: disable=broad-except
                self.hospital.hangs += 1
                traceback.print_exc()

    def until_acknowledged(self, study, files, how):
        left = list(files)
        while left and not self.give_up:
            try:
                if how == "orthanc":
                    acknowledged = senders.by_orthanc(self.hospital.pacs, left)
                elif how == "dcmsend":
                    acknowledged = senders.by_dcmsend(self.hospital.into.port, left, "ROUTER", self.report)
                else:
                    acknowledged = senders.by_storescu(self.hospital.into.port, left, "MODALITY")
            except (Failure, OSError, urllib.error.URLError, subprocess.TimeoutExpired):
                time.sleep(0.3)
                continue
            self.book.write(study, acknowledged)
            left = [file for file in left if file not in set(acknowledged)]
            if left:
                time.sleep(0.2)
        return not left

    def push(self, study):
        how = PEERS[self.name_of_peer]
        images = study.files("t1", "t2", "t1ce")
        if self.rng.random() < 0.3 and how != "orthanc":
            # Interleaved: two associations bring the series of one study at once.
            other = threading.Thread(target=self.until_acknowledged, args=(study, study.files("t2"), "storescu"), daemon=True)
            other.start()
            whole = self.until_acknowledged(study, study.files("t1", "t1ce"), how)
            other.join()
            whole = whole and not self.give_up
        else:
            whole = self.until_acknowledged(study, images, how)
        study.sent_completely = whole
        if not whole:
            return
        variant = self.rng.random()
        time.sleep(self.rng.uniform(0, 3))
        if variant < 0.15:  # the same once more
            self.until_acknowledged(study, images, how)
        elif variant < 0.3:  # a late series
            self.until_acknowledged(study, study.files("late"), how)
        elif variant < 0.45:  # the same study from another PACS
            self.until_acknowledged(study, images, "dcmsend" if how == "storescu" else "storescu")
        elif variant < 0.6 and how != "orthanc":  # Orthanc keeps the first bytes of a UID
            study.corrected = self.until_acknowledged(study, study.files("corrected"), how)
            study.sent_completely = study.corrected


def order(node, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{node.admin_port}{path}", data=body.encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def settle(hospital, studies):
    """Nothing breaks any more: everything must come to its end. An administrator retries what asks for a person."""
    node = hospital.node
    wanted = {study.uid for study in studies if study.sent_completely}
    last = {}

    def at_rest():
        hospital.ensure_node()
        try:
            if node.request("/ready")[0] != 200:
                return False
            page = node.get("/api/v1/studies?limit=1000")["studies"]
            for entry in page:
                if entry["state"] == "failed":  # the worker was killed at both attempts
                    order(node, "/api/v1/retry", '{"study_uid": "%s"}' % entry["study_uid"])
            for peer in PEERS:
                order(node, "/api/v1/retry", '{"peer": "%s"}' % peer)
            status = node.get("/api/v1/status")
        except (OSError, Failure):
            return False
        states = {entry["study_uid"]: entry for entry in page}
        waiting = [uid for uid in wanted if states.get(uid, {}).get("state") not in ("reported", "parked")]
        unsent = sum(status["outbox"].get(state, 0) for state in ("pending", "dead", "parked"))
        last.update(waiting=waiting, unsent=unsent, outbox=status["outbox"])
        return not waiting and unsent == 0
    try:
        wait_for("everything to come to its end", at_rest, SETTLE_SECONDS, 1)
        # A result that was not sent for may still be under way: quiet time and a job.
        time.sleep(4)
        wait_for("everything to come to its end", at_rest, SETTLE_SECONDS, 1)
    except Failure as problem:
        hospital.hangs += 1
        print(f"chaos: {problem}: {last}", flush=True)


def memory_disk(folder, studies):
    """A small file system of its own, so that it can be filled; None without the right to mount one."""
    if studies > MOST_IN_MEMORY:
        return None
    disk = os.path.join(folder, "disk")
    os.makedirs(disk)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={64 + MIB_A_STUDY * studies}m,mode=0700", "glionode-chaos", disk],
                          capture_output=True, check=False)
    return disk if done.returncode == 0 else None


def chaos(seed, seconds, per_sender, folder, disk):
    rng = random.Random(seed)
    hospital = Hospital(folder, rng, disk)
    book = senders.Book()
    until = time.monotonic() + seconds
    pushing = [Sender(name, hospital, seed, range(first * 10000, first * 10000 + per_sender), book, random.Random(rng.random()), folder)
               for first, name in enumerate(PEERS)]
    breaker = Breaker(hospital, random.Random(rng.random()), until)
    try:
        for sender in pushing:
            sender.start()
        breaker.run()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(sender.is_alive() for sender in pushing):
            time.sleep(0.2)
        for sender in pushing:
            sender.give_up = True
        for sender in pushing:
            sender.join(330)
            if sender.is_alive():
                hospital.hangs += 1
                print(f"chaos: {sender.name_of_peer} hangs in a push", flush=True)
        begun = [study for sender in pushing for study in sender.studies]
        settle(hospital, begun)
        hospital.node.stop()
        verdict = books.compare(hospital.node.data, book, begun, hospital.pacs)
    finally:
        hospital.stop()
    for name, found in vars(verdict).items():
        for line in found[:20]:
            print(f"{name}: {line}")
    print(f"chaos: seed {seed}, {seconds} s, {len(book.acknowledged)} acknowledged instances, node started {hospital.starts + 1} "
          f"times; {', '.join(f'{name} {count}' for name, count in sorted(breaker.done.items()))}"
          + ("" if disk else "; the disk was never full: too many studies for memory, or no right to mount"))
    counts = {"kills": hospital.kills, "studies": sum(study.sent_completely for study in begun), "lost": len(verdict.lost),
              "missing": len(verdict.missing), "duplicate": len(verdict.duplicate), "misfiled": len(verdict.misfiled),
              "hangs": hospital.hangs}
    bad = any(counts[name] for name in ("lost", "missing", "duplicate", "misfiled", "hangs")) or not counts["studies"]
    if bad:
        print(hospital.node.process.log_tail(80), file=sys.stderr)
    print(" ".join(f"{name}={count}" for name, count in counts.items()))
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(prog="./run chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--studies", type=int, help="how many are pushed at most (default: three in two seconds)")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    arguments = parser.parse_args()
    for needed in (BINARY, os.environ.get("GLIONODE_TINY_STUDIES", "")):
        if not os.path.exists(needed):
            print(f"chaos: {needed or 'GLIONODE_TINY_STUDIES'} is not there: ./run chaos builds it", file=sys.stderr)
            return 3
    raise_on_signals()
    folder = tempfile.mkdtemp(prefix="glionode-chaos-")
    per_sender = max(4, (arguments.studies or int(arguments.seconds * 1.5)) // len(PEERS))
    disk = memory_disk(folder, per_sender * len(PEERS))
    try:
        return chaos(arguments.seed, arguments.seconds, per_sender, folder, disk)
    finally:
        if disk and not arguments.keep:
            subprocess.run(["umount", "-l", disk], check=False)
        if arguments.keep:
            print(f"chaos: kept {folder}")
        else:
            subprocess.run(["rm", "-rf", folder], check=False)


if __name__ == "__main__":
    sys.exit(main())
