"""Threads that push studies: whole, interleaved, resent, late, corrected, from two PACS. What becomes of a study follows from
the seed and its number, whichever thread pushes it."""

import os
import queue
import random
import subprocess
import threading
import time
import traceback
import urllib.error

import senders
from hospital import PEERS
from processes import Failure

MOST_UNDER_WAY = 80  # studies: more wait outside until the node has reported some
MADE_AT_ONCE = 30


class Pushers:
    """`threads` of them. push() hands out work; stop() lets nothing new begin."""

    def __init__(self, hospital, seed, folder, threads):
        self.hospital, self.seed, self.folder = hospital, seed, folder
        self.book = senders.Book()
        self.studies, self.done = [], 0  # begun; the node was told all of
        self.ended = 0  # that the node has reported, parked or given up, when it was last asked
        self.give_up = False
        self.last_made = 0
        self.work = queue.Queue()
        self.lock = threading.Lock()
        self.active = 0
        self.threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def push(self, count):
        """Makes `count` studies more and hands them out, never more than MOST_UNDER_WAY at once. Returns when each was
        pushed, or after stop()."""
        while count > 0 and not self.give_up:
            now = min(count, MADE_AT_ONCE)
            made = senders.make_studies(os.path.join(self.folder, "studies"), self.seed, self.last_made + 1, now)
            self.last_made += now
            count -= now
            for study in made:
                while not self.give_up and self._under_way() >= MOST_UNDER_WAY:
                    time.sleep(0.1)
                self.work.put(study)
        while not self.give_up and (self.work.unfinished_tasks > 0):
            time.sleep(0.05)

    def stop(self, seconds):
        """Lets pushes that are under way end; what was not begun is dropped. Those that do not end in this time are hangs."""
        self.give_up = True
        try:
            while True:
                self.work.get_nowait()
                self.work.task_done()
        except queue.Empty:
            pass
        deadline = time.monotonic() + seconds
        while self.active > 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.active > 0:
            self.hospital.hangs += self.active
            print(f"chaos: {self.active} pushes hang", flush=True)

    def whole(self):
        return [study for study in self.studies if study.sent_completely]

    def _under_way(self):
        if self.work.qsize() + self.active + self.done - self.ended >= MOST_UNDER_WAY:
            try:
                states = self.hospital.node.get("/api/v1/status")["studies"]
                self.ended = sum(states.get(name, 0) for name in ("reported", "parked", "failed", "ignored"))
            except (OSError, Failure, ValueError, KeyError):
                pass  # it is down: what it said last holds
        return self.work.qsize() + self.active + self.done - self.ended

    def _run(self, lane):
        report = os.path.join(self.folder, f"dcmsend-{lane}.txt")
        while True:
            study = self.work.get()
            with self.lock:
                self.active += 1
                self.studies.append(study)
            try:
                self._push(study, report)
            except Exception:  # pylint: disable=broad-except
                self.hospital.hangs += 1
                traceback.print_exc()
            finally:
                with self.lock:
                    self.active -= 1
                    self.done += study.sent_completely
                self.work.task_done()

    def _until_acknowledged(self, study, files, how, report):
        left = list(files)
        while left and not self.give_up:
            try:
                if how == "orthanc":
                    acknowledged = senders.by_orthanc(self.hospital.pacs, left)
                elif how == "dcmsend":
                    acknowledged = senders.by_dcmsend(self.hospital.into.port, left, "ROUTER", report)
                else:
                    acknowledged = senders.by_storescu(self.hospital.into.port, left, "MODALITY")
            except (Failure, OSError, ValueError, urllib.error.URLError, subprocess.TimeoutExpired):
                time.sleep(0.3)
                continue
            self.book.write(study, acknowledged)
            left = [file for file in left if file not in set(acknowledged)]
            if left:
                time.sleep(0.2)
        return not left

    def _push(self, study, report):
        rng = random.Random(f"{self.seed}-{study.number}")
        how = list(PEERS.values())[study.number % len(PEERS)]
        images = study.files("t1", "t2", "t1ce")
        interleaved, variant, wait = rng.random(), rng.random(), rng.uniform(0, 4)
        if interleaved < 0.3 and how != "orthanc":
            # Interleaved: two associations bring the series of one study at once.
            whole = []
            other = threading.Thread(target=lambda: whole.append(
                self._until_acknowledged(study, study.files("t2"), "storescu", "")), daemon=True)
            other.start()
            whole.append(self._until_acknowledged(study, study.files("t1", "t1ce"), how, report))
            other.join()
            study.sent_completely = len(whole) == 2 and all(whole)
        else:
            study.sent_completely = self._until_acknowledged(study, images, how, report)
        if not study.sent_completely or variant >= 0.6:
            return
        time.sleep(wait)
        if variant < 0.15:  # the same once more
            self._until_acknowledged(study, images, how, report)
        elif variant < 0.3:  # a late series
            self._until_acknowledged(study, study.files("late"), how, report)
        elif variant < 0.45:  # the same study from another PACS
            self._until_acknowledged(study, images, "dcmsend" if how == "storescu" else "storescu", report)
        elif how != "orthanc":  # Orthanc keeps the first bytes of a UID
            study.corrected = self._until_acknowledged(study, study.files("corrected"), how, report)
            study.sent_completely = study.corrected
