#!/usr/bin/env python3
"""How fast and how small the receiver is, beside storescp, dcmqrscp and Orthanc. Run by ./run bench receive.

  receive.py [--only PART,...] [--repeats N] [--folder DIR]

PART: one (one sender), eight (eight senders), short (associations of one instance), tls (one and eight senders under TLS), echoes,
large, migration, startup.
--folder: where all receivers keep their files (default: a folder under out/, on the disk of the checkout). Rates are instances a
second over the whole run of dcmsend, the best of N turns (3); the receivers take turns, so that a busy machine slows all of them.
What was made is removed at the end: ext4 without a journal passes over inodes that were freed in the last minute, one by one.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from bench_rows import Report  # noqa: E402  (the folder above must be in the path first)
from certificates import Certificates  # noqa: E402
from processes import Failure, raise_on_signals, wait_for  # noqa: E402
from raw_dicom import ENHANCED_MR_IMAGE, Caller, dicom_file, element, mr_data_set  # noqa: E402
from receivers import Dcmqrscp, Images, NodeReceiver, OrthancReceiver, Storescp, file_system, run_of, send  # noqa: E402

PARTS = ("one", "eight", "short", "tls", "echoes", "large", "migration", "startup")


class Bench:
    def __init__(self, report, folder, repeats):
        self.report, self.folder, self.repeats = report, folder, repeats
        self.images = Images(os.path.join(folder, "images"))

    def rates(self, receivers, count, senders, tuned, repeats=None, tls=None):
        """{receiver name: best instances a second}"""
        best = {}
        for _ in range(repeats or self.repeats):
            for receiver in receivers:
                folders = [self.images.make(count // senders) for _ in range(senders)]
                best[receiver.name] = max(best.get(receiver.name, 0), count / send(receiver, folders, tuned, tls))
        return best

    def started(self, makers):
        servers = []
        try:
            for make in makers:
                servers.append(make())
            time.sleep(0.5)  # storescp and dcmqrscp say nothing when they listen
        except BaseException:
            for server in servers:
                server.stop()
            raise
        return servers

    def one(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        servers = self.started([lambda: NodeReceiver(folder), lambda: Storescp(folder, False), lambda: Storescp(folder, True),
                                lambda: Dcmqrscp(folder), lambda: OrthancReceiver(folder, False),
                                lambda: OrthancReceiver(folder, True)])
        try:
            node, storescp, storescp_tuned, dcmqrscp, orthanc, orthanc_tuned = servers
            for count in (192, 576):
                # Those that wait 40 ms an object are measured once: they do not vary.
                slow = self.rates([storescp, orthanc], count, 1, False, 1)
                shipped = self.rates([node], count, 1, False)
                tuned = self.rates([node, storescp_tuned, dcmqrscp, orthanc_tuned], count, 1, True)
                ours, own = shipped[node.name], tuned[node.name]
                text = f"{count} instances, dcmsend as shipped"
                for peer in (storescp, orthanc):
                    goal = "at least 30 times the peer" if peer is storescp else ""
                    self.report.add(text, ours, "1/s", peer.name, slow[peer.name], goal, ours >= 30 * slow[peer.name])
                self.report.add(text, ours, "1/s", "itself with a tuned sender", own, "within 25 % of the peer", ours >= 0.75 * own)
                text = f"{count} instances, dcmsend with TCP_NODELAY=1"
                for peer, factor in ((storescp_tuned, 0.5), (orthanc_tuned, 1.5), (dcmqrscp, None)):
                    goal = f"at least {factor} times the peer" if factor else ""
                    self.report.add(text, own, "1/s", peer.name, tuned[peer.name], goal, bool(factor) and own >= factor * tuned[peer.name])
        finally:
            for server in servers:
                server.stop()

    def eight(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        servers = self.started([lambda: NodeReceiver(folder), lambda: Storescp(folder, True, True)])
        try:
            for tuned, text in ((False, "as shipped"), (True, "with TCP_NODELAY=1")):
                one = self.rates(servers[:1], 576, 1, tuned)
                eight = self.rates(servers if tuned else servers[:1], 576, 8, tuned)
                ours, alone = eight["glionode"], one["glionode"]
                self.report.add(f"576 instances, 8 senders {text}", ours, "1/s", "itself with 1 sender", alone,
                                "at least 1.5 times the peer", ours >= 1.5 * alone)
                if tuned:
                    peer = servers[1].name
                    self.report.add(f"576 instances, 8 senders {text}", ours, "1/s", peer + " --fork", eight[peer])
        finally:
            for server in servers:
                server.stop()

    def short(self, count=1000):
        """Associations of one instance."""
        folder = tempfile.mkdtemp(dir=self.folder)
        servers = self.started([lambda: NodeReceiver(folder), lambda: Storescp(folder, True)])
        try:
            rates = {}
            for server in servers:
                study = f"1.2.826.0.1.3680043.2.1125.{time.time_ns()}"
                begun = time.monotonic()
                for number in range(1, count + 1):
                    uid = f"{study}.{number}"
                    with Caller(server.port, called=server.called) as caller:
                        status = caller.store(uid, mr_data_set(uid, study, study + ".1", number, pixels=self.images.pixels))
                        if status != 0:
                            raise Failure(f"{server.name} answered {status:04X}")
                        caller.release()
                rates[server.name] = count / (time.monotonic() - begun)
            peer = servers[1].name
            self.report.add(f"{count} associations of one instance", rates["glionode"], "1/s", peer, rates[peer])
        finally:
            for server in servers:
                server.stop()

    def tls(self):
        """One and eight senders under TLS with certificates on both sides."""
        folder = tempfile.mkdtemp(dir=self.folder)
        tls = Certificates(os.path.join(folder, "certificates")).make_all()
        section = {"port": 0, "certificate": tls.certificate("node"), "key": tls.key("node"), "ca": tls.certificate("ca")}
        servers = self.started([lambda: NodeReceiver(folder, sections={"dicom.tls": section}), lambda: Storescp(folder, True, True, tls),
                                lambda: OrthancReceiver(folder, True, tls), lambda: Storescp(folder, False, True, tls)])
        try:
            node, storescp, orthanc, storescp_shipped = servers
            for count in (192, 576):
                slow = self.rates([storescp_shipped], count, 1, False, 1, tls)
                shipped = self.rates([node], count, 1, False, None, tls)
                tuned = self.rates([node, storescp, orthanc], count, 1, True, None, tls)
                ours, own = shipped[node.name], tuned[node.name]
                text = f"{count} instances under TLS, storescu as shipped"
                self.report.add(text, ours, "1/s", storescp_shipped.name, slow[storescp_shipped.name], "at least 30 times the peer",
                                ours >= 30 * slow[storescp_shipped.name])
                self.report.add(text, ours, "1/s", "itself with a tuned sender", own, "within 25 % of the peer", ours >= 0.75 * own)
                text = f"{count} instances under TLS, storescu with TCP_NODELAY=1"
                for peer, factor in ((storescp, 0.5), (orthanc, 1.5)):
                    self.report.add(text, own, "1/s", peer.name, tuned[peer.name], f"at least {factor} times the peer",
                                    own >= factor * tuned[peer.name])
            eight = self.rates([node, storescp], 576, 8, True, None, tls)
            text = "576 instances under TLS, 8 senders with TCP_NODELAY=1"
            self.report.add(text, eight[node.name], "1/s", "itself with 1 sender", own, "at least 1.5 times the peer",
                            eight[node.name] >= 1.5 * own)
            self.report.add(text, eight[node.name], "1/s", storescp.name + " --fork", eight[storescp.name])
        finally:
            for server in servers:
                server.stop()

    def echoes(self, count=20000):
        """What stays behind after many associations: nothing."""
        folder = tempfile.mkdtemp(dir=self.folder)
        node = NodeReceiver(folder).node

        def echo(times):
            for _ in range(times):
                with Caller(node.dicom_port) as caller:
                    if caller.echo() != 0:
                        raise Failure("C-ECHO failed")
                    caller.release()

        def facts():
            pid = node.process.pid
            wait_for("the last association to end", lambda: 'glionode_connections_open 0' in node.request("/metrics")[1], 30)
            time.sleep(0.3)
            with open(f"/proc/{pid}/status", encoding="utf-8") as text:
                status = dict(line.split(":", 1) for line in text)
            with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
                return {"resident MiB": int(status["VmRSS"].split()[0]) / 1024, "threads": int(status["Threads"]),
                        "maps": len(maps.readlines()), "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}
        try:
            echo(100)
            before = facts()
            begun = time.monotonic()
            echo(count - 100)
            seconds = time.monotonic() - begun
            after = facts()
            for fact, value in after.items():
                self.report.add(f"{count} C-ECHO associations, {fact} at the end", value, "", "after the first 100", before[fact],
                                "within 5 % of the peer", value <= 1.05 * before[fact])
            self.report.add("C-ECHO associations", (count - 100) / seconds, "1/s")
        finally:
            node.stop()

    def large(self, callers=32, frames=512):
        """Enhanced MR objects of 128 MiB on many associations at once."""
        folder = tempfile.mkdtemp(dir=self.folder)
        node = NodeReceiver(folder).node
        frame = self.images.pixels * 2  # 256 x 512 x 16 bit
        peak, statuses, done = [0.0], [], threading.Event()

        def watch():
            while not done.wait(0.02):
                with open(f"/proc/{node.process.pid}/status", encoding="utf-8") as status:
                    text = next(line for line in status if line.startswith("VmRSS"))
                peak[0] = max(peak[0], int(text.split()[1]) / 1024)

        def one(number):
            study = f"1.2.826.0.1.3680043.2.1125.{time.time_ns()}.{number}"
            uid = study + ".1.1"
            head = mr_data_set(uid, study, study + ".1", rows=256, columns=512, frames=frames, pixels=b"", sop_class=ENHANCED_MR_IMAGE)
            head = head[:-12] + element(0x7fe00010, "OW", b"")[:8] + (len(frame) * frames).to_bytes(4, "little")
            with Caller(node.dicom_port, timeout=600) as caller:
                statuses.append(caller.store(uid, [head, *[frame] * frames], ENHANCED_MR_IMAGE))
                caller.release()
        watcher = threading.Thread(target=watch)
        try:
            with open(f"/proc/{node.process.pid}/status", encoding="utf-8") as status:
                idle = int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024
            watcher.start()
            threads = [threading.Thread(target=one, args=(number,)) for number in range(callers)]
            begun = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds = time.monotonic() - begun
            done.set()
            watcher.join()
            if statuses != [0] * callers:
                raise Failure(f"{callers} objects were sent; statuses: {statuses}")
            size = callers * frames * len(frame) / 2**20
            self.report.add(f"{callers} associations at once, objects of {frames} frames, {size / callers:.0f} MiB: resident at most",
                            peak[0], "MiB", "itself, idle", idle, "under 300 MiB", peak[0] < 300)
            self.report.add("the same, data received", size / seconds, "MiB/s")
        finally:
            done.set()
            node.stop()

    def migration(self, studies=24, images=24):
        """Old studies, forwarded in a night: as fast as new ones, kept, ignored, no job."""
        folder = tempfile.mkdtemp(dir=self.folder)
        server = NodeReceiver(folder, accept=[{"max_age_days": 14}], sections={"study": {"quiet_seconds": 1}})
        node = server.node
        try:
            best = {}
            for _ in range(self.repeats):
                for date, kind in (("20150301", "old"), (time.strftime("%Y%m%d"), "new")):
                    folders = [self.images.make(images, date) for _ in range(studies if kind == "old" else 1)]
                    if kind == "old":
                        begun = time.monotonic()
                        run_of(["dcmsend", "-q", "-aet", "HOSPITAL", "-aec", "GLIONODE", "+sd", "+r", "127.0.0.1", server.port, *folders])
                        seconds, count = time.monotonic() - begun, studies * images
                    else:
                        folders += [self.images.make(studies * images - images, date)]
                        seconds, count = send(server, folders[1:], False), studies * images - images
                    best[kind] = max(best.get(kind, 0), count / seconds)
                    for made in folders:
                        shutil.rmtree(made)
            self.report.add(f"{studies} old studies in one association, dcmsend as shipped", best["old"], "1/s", "itself, one new study",
                            best["new"], "within 25 % of the peer", best["old"] >= 0.75 * best["new"])
        finally:
            node.stop()


    def startup(self, instances=100000, studies=500):
        """From the program's start to its `ready` line with a full data folder, beside an empty one."""
        folder = tempfile.mkdtemp(dir=self.folder)
        node = NodeReceiver(folder).node
        try:
            def start():
                best = 1e9
                for _ in range(self.repeats):
                    node.stop()
                    begun = time.monotonic()
                    node.start(wait_ready=False)
                    best = min(best, time.monotonic() - begun)
                return best
            empty = start()
            node.stop()
            self.fill(node.data, instances, studies)
            full = start()
            begun = time.monotonic()
            wait_for("the sweep to end", lambda: "glionode_sweep_running 0" in node.request("/metrics")[1], 300)
            swept = time.monotonic() - begun
            self.report.add(f"start to `ready` with {instances} instances", full, "s", "itself, empty", empty, "under 3 s", full < 3)
            self.report.add("the same: all files looked at, in the background", swept, "s")
        finally:
            node.stop()

    def fill(self, data, instances, studies):
        """Instances in index and folders as if they had been received; the files are links to a few (ext4 takes 65,000)."""
        template = dicom_file("1.2.3", mr_data_set("1.2.3", "1.2", "1.2.1", rows=8, columns=8))
        with contextlib.closing(sqlite3.connect(os.path.join(data, "index.sqlite"))) as connection, connection as index:
            for study in range(studies):
                uid = f"1.2.826.0.1.3680043.2.1125.5.{study + 1}"
                where = os.path.join("images", hashlib.sha256(uid.encode()).hexdigest()[:2], uid)
                os.makedirs(os.path.join(data, where))
                first = os.path.join(data, where, f"{uid}.0.dcm")
                rows = []
                for number in range(instances // studies):
                    file = os.path.join(where, f"{uid}.{number}.dcm")
                    if number:
                        os.link(first, os.path.join(data, file))
                    else:
                        with open(first, "wb") as out:
                            out.write(template)
                    rows.append((f"{uid}.{number}", uid, uid + ".1", file))
                index.executemany(
                    "INSERT INTO instances (sop_instance_uid, version, current, kind, study_uid, series_uid, sop_class_uid, "
                    "transfer_syntax_uid, file, sha256, bytes, from_ae, received_at, identity, header_json) "
                    "VALUES (?, 1, 1, 'candidate', ?, ?, '1.2', '1.2', ?, 'x', 1, 'PACS', 1, 'P', '{}')", rows)
                index.execute("INSERT INTO studies VALUES (?, 'ignored', 'PACS', 1, 1, 0, 'no rule', 0, 1, 1)", (uid,))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", default=os.path.join(ROOT, "out", "bench"))
    options = parser.parse_args()
    wanted = options.only.split(",")
    if not set(wanted) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    raise_on_signals()
    missing = [tool for tool in ("dcmsend", "storescu", "storescp", "dcmqrscp", "openssl") if not shutil.which(tool)]
    if missing:
        print(f"missing: {', '.join(missing)} (Debian package dcmtk)", file=sys.stderr)
        return 3
    if "GLIONODE_BINARY" not in os.environ:
        for words in (["--preset", "release"], ["--build", "--preset", "release", "--target", "glionode"]):
            subprocess.run(["cmake", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    os.makedirs(options.folder, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="receive-", dir=options.folder)
    disk = file_system(folder)
    print(f"Files on {disk}\n")
    report = Report(os.path.join(ROOT, "out", "bench", "receive.json"))
    try:
        bench = Bench(report, folder, options.repeats)
        for part in wanted:
            getattr(bench, part)()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.write(file_system=disk) else 1


if __name__ == "__main__":
    sys.exit(main())
