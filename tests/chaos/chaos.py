#!/usr/bin/env python3
"""./run chaos --seed S --seconds T: several PACS push small studies while everything around the node breaks. Ends with
one line, `kills=N studies=N lost=N missing=N duplicate=N misfiled=N hangs=N`, and fails if any but the first two is not 0."""

import argparse
import collections
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import books  # noqa: E402
from breaker import Breaker  # noqa: E402
from footprint import Footprint, compared  # noqa: E402
from hospital import MIB_A_STUDY, Hospital, MemoryDisk  # noqa: E402
from node import BINARY  # noqa: E402
from processes import raise_on_signals  # noqa: E402
from pushers import Pushers  # noqa: E402

WITHOUT_KILLS = 0.2  # share of the time in which one process lives through all the other faults
FIRST_FAULTS = 0.3  # of that: what faults take the first time (threads and buffers for many connections at once) is no growth
LONGEST_PUSH = 330  # s: a sender's own deadlines are over by then
CALM_AT_MOST = 240
FOR_COMPARISON = 600  # fewer studies in all: too few to compare memory, which then is only shown


class Run:
    """One chaos: a calm beginning, faults with kills, a fresh process, faults without kills, and the books."""

    def __init__(self, arguments, folder, disk):
        self.arguments = arguments
        self.total = arguments.studies or max(12, int(arguments.seconds * 1.2))
        # Many, so that memory has settled when it is looked at first.
        self.calm = min(CALM_AT_MOST, max(3, self.total // (20 if self.total < FOR_COMPARISON else 6)))
        self.hospital = Hospital(folder, random.Random(f"{arguments.seed}-proxies"), disk)
        self.pushers = Pushers(self.hospital, arguments.seed, folder, arguments.pushers)
        self.breaker = Breaker(self.hospital, arguments.seed)
        self.begun = time.monotonic()

    def stage(self, text):
        print(f"chaos: {time.monotonic() - self.begun:5.0f} s, {self.hospital.kills} kills, {len(self.pushers.whole())} studies: {text}",
              flush=True)

    def settle(self):
        self.hospital.settle({study.uid for study in self.pushers.whole()})

    def footprint(self, since):
        return Footprint(self.hospital.node, len(self.pushers.whole()) - since)

    def push_calmly(self):
        self.pushers.push(self.calm)
        self.settle()

    def footprint_of_a_fresh_process(self):
        """One that was started on what there is by now, and has worked off a calm stream of studies."""
        self.hospital.node.stop()
        self.hospital.start_node()
        before = len(self.pushers.whole())
        self.stage("pushing calmly to a fresh process")
        self.push_calmly()
        return self.footprint(before)

    def push_while(self, count, seconds, kill):
        feeder = threading.Thread(target=self.pushers.push, args=(count,), daemon=True)
        feeder.start()
        deadline = time.monotonic() + seconds
        while True:  # faults last as long as said; studies that are left over are dropped
            self.breaker.run(max(0.5, deadline - time.monotonic()), kill)
            if time.monotonic() >= deadline:
                break
        self.pushers.stop(LONGEST_PUSH)
        feeder.join()
        self.pushers.give_up = False

    def run(self):
        """(verdict, lines about memory and descriptors, were they good?)"""
        self.stage("pushing calmly")
        self.push_calmly()
        first = self.footprint_of_a_fresh_process()
        self.stage("breaking everything")
        seconds = self.arguments.seconds
        left = self.total - 3 * self.calm
        self.push_while(int(left * (1 - WITHOUT_KILLS)), seconds * (1 - WITHOUT_KILLS), kill=True)
        self.stage("settling")
        self.settle()
        before = len(self.pushers.whole())
        fresh = self.footprint_of_a_fresh_process()
        self.stage("breaking everything but the node's process")
        footprints = []
        for share in (FIRST_FAULTS, 1 - FIRST_FAULTS):
            self.push_while(int(left * WITHOUT_KILLS * share), seconds * WITHOUT_KILLS * share, kill=False)
            self.settle()
            footprints.append(self.footprint(before))
        early, late = footprints
        same_process = late.pid == fresh.pid
        self.stage("comparing the books")
        self.hospital.node.stop()
        verdict = books.compare(self.hospital.node.data, self.pushers.book, self.pushers.studies, self.hospital.pacs)
        over_all, good = compared("fresh processes at the begin and the end of the run", first, fresh)
        within, also_good = compared("one process through faults without kills", early, late)
        if not same_process:
            within += " (it ended by itself between the two)"
        enough = self.total >= FOR_COMPARISON
        return verdict, [over_all, within], not enough or (good and also_good and same_process)

    def report(self, verdict, lines, good):
        for name, found in vars(verdict).items():
            for line in found[:20]:
                print(f"{name}: {line}")
        print(f"chaos: seed {self.arguments.seed}, {time.monotonic() - self.begun:.0f} s, {len(self.pushers.book.acknowledged)} acknowledged "
              f"instances, node started {self.hospital.starts + 1} times; {self.breaker.summary()}"
              + ("" if self.hospital.disk else "; the disk was never full: not enough memory for it, or no right to mount"))
        reasons = collections.Counter(self.hospital.retried.values())
        print("chaos: failed until a person retried: " + ("; ".join(f"{count} x {why}" for why, count in reasons.most_common()) or "none"))
        print("\n".join(lines))
        counts = {"kills": self.hospital.kills, "studies": len(self.pushers.whole()), "lost": len(verdict.lost),
                  "missing": len(verdict.missing), "duplicate": len(verdict.duplicate), "misfiled": len(verdict.misfiled),
                  "hangs": self.hospital.hangs}
        bad = not good or any(counts[name] for name in ("lost", "missing", "duplicate", "misfiled", "hangs")) or not counts["studies"]
        if bad:
            print(self.hospital.node.process.log_tail(80), file=sys.stderr)
        print(" ".join(f"{name}={count}" for name, count in counts.items()), flush=True)
        return 1 if bad else 0

    def close(self):
        self.pushers.give_up = True
        self.hospital.stop()
        self.breaker.close()


def main():
    parser = argparse.ArgumentParser(prog="./run chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120, help="of faults; calm beginning and end come on top")
    parser.add_argument("--studies", type=int, help="how many are pushed at most (default: six in five seconds)")
    parser.add_argument("--pushers", type=int, default=6, help="how many push at once")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    arguments = parser.parse_args()
    for needed in (BINARY, os.environ.get("GLIONODE_TINY_STUDIES", "")):
        if not os.path.exists(needed):
            print(f"chaos: {needed or 'GLIONODE_TINY_STUDIES'} is not there: ./run chaos builds it", file=sys.stderr)
            return 3
    raise_on_signals()
    folder = tempfile.mkdtemp(prefix="glionode-chaos-")
    studies = arguments.studies or int(arguments.seconds * 1.2)
    disk = MemoryDisk(folder, 64 + MIB_A_STUDY * studies).mount()
    try:
        run = Run(arguments, folder, disk)
        try:
            return run.report(*run.run())
        finally:
            run.close()
    finally:
        if disk and not arguments.keep:
            disk.unmount()
        if arguments.keep:
            print(f"chaos: kept {folder}")
        else:
            subprocess.run(["rm", "-rf", folder], check=False)


if __name__ == "__main__":
    sys.exit(main())
