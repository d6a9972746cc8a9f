#!/usr/bin/env python3
"""scale.py [--instances N] [--studies N] [--queued N]: what a large index costs. The same node with an empty index and with
one of a million instances in 5,000 studies: time until ready, cost of a received instance, cost of an API page. Then 200
studies that are queued at once: worked off at what rate, and does memory grow? Run by ./run bench scale.
The worker is the stand-in: what is measured is the node around it."""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("GLIONODE_BUILD", "build/release"))
os.environ["GLIONODE_BINARY"] = os.path.join(BUILD, "bin", "glionode_standin")
os.environ["GLIONODE_TINY_STUDIES"] = os.path.join(BUILD, "bin", "tiny_studies")
sys.path[:0] = [os.path.join(ROOT, "tests", "support"), os.path.join(ROOT, "tests", "chaos")]
import senders  # noqa: E402
from dicom_tools import store  # noqa: E402
from node import Node  # noqa: E402
from processes import raise_on_signals, wait_for  # noqa: E402

HEADER = json.dumps({"attributes": {f"Attribute{i}": "value of some length" for i in range(40)}, "geometry": [list(range(20))]})


def fill(data, instances, studies):
    """Rows as a node of many months has them: reported studies, their images removed by housekeeping (no files)."""
    index = sqlite3.connect(os.path.join(data, "index.sqlite"))
    index.execute("PRAGMA synchronous = OFF")
    per_study = instances // studies
    with index:
        for study in range(studies):
            uid = f"1.2.826.{study}"
            index.execute("INSERT INTO studies VALUES (?, 'reported', 'HOSPITAL', ?, ?, 1, '', 1, ?, ?)",
                          (uid, 1700000000000 + study, 1700000000000 + study, per_study, per_study))
            job = index.execute("INSERT INTO jobs (study_uid, input_key, revision, state, attempt, owner, lease_until, last_error, "
                                "created_at, inputs_json) VALUES (?, ?, 1, 'done', 1, '', 0, '', 1, '{}')", (uid, f"key{study}")).lastrowid
            result = {"decision": "necrosis", "reasons": [], "roles": {}, "timings_ms": {}}
            index.execute("INSERT INTO results (job_id, study_uid, input_key, revision, decision, created_at, result_json) "
                          "VALUES (?, ?, ?, 1, 'necrosis', 1, ?)", (job, uid, f"key{study}", json.dumps(result)))
            index.executemany(
                "INSERT INTO instances (sop_instance_uid, version, current, kind, study_uid, series_uid, sop_class_uid, "
                "transfer_syntax_uid, file, sha256, bytes, from_ae, received_at, identity, header_json, removed_at) VALUES "
                "(?, 1, 1, 'candidate', ?, ?, '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.1.2.1', ?, ?, 130000, 'HOSPITAL', ?, 'ID', ?, 1)",
                ((f"{uid}.{i}", uid, f"{uid}.{i % 4}", f"images/00/{uid}/{uid}.{i}.dcm", "0" * 64, 1700000000000, HEADER)
                 for i in range(per_study)))
    index.close()


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def make_node(folder, name):
    return Node(folder, 9, peer={"deliver": "none"}, bundle=folder, name=name,
                sections={"log": {"level": "warning"}, "study": {"quiet_seconds": 1}})


def measure(folder, name, studies, instances, study_count):
    """{figure: value} of one index."""
    node = make_node(folder, name)
    node.start()
    if instances:
        node.stop()
        fill(node.data, instances, study_count)
        begun = time.monotonic()
        node.start(wait_ready=False)
    else:
        node.stop()
        begun = time.monotonic()
        node.start(wait_ready=False)
    found = {"ready": (time.monotonic() - begun) * 1000}
    wait_for("the node to be ready", lambda: node.request("/ready")[0] == 200, 120, 0.05, node.process.require_running)
    try:
        times = []
        for study in studies:
            files = study.files("t1", "t2", "t1ce")
            at = time.monotonic()
            sent = store(node.dicom_port, files)
            times.append((time.monotonic() - at) * 1000 / len(files))
            if sent.refused:
                raise SystemExit(f"refused: {sent.text}")
        found["instance"] = statistics.median(times)
        pages = []
        for _ in range(30):
            at = time.monotonic()
            node.get("/api/v1/studies?limit=20")
            pages.append((time.monotonic() - at) * 1000)
        found["page"] = statistics.median(pages)
    finally:
        node.stop()
    return found


def queue(folder, count):
    """(studies a minute, MiB after a tenth, MiB at the end) of studies that wait all at once."""
    node = make_node(folder, "queue")
    node.sections["study"]["quiet_seconds"] = 3600
    node.start()
    try:
        studies = senders.make_studies(os.path.join(folder, "queued"), "queue", 1, count)
        for study in studies:
            store(node.dicom_port, study.files("t1", "t2", "t1ce"))
        node.sections["study"]["quiet_seconds"] = 0
        node.write_configuration()
        begun, early = time.monotonic(), None
        node.process.process.send_signal(1)  # SIGHUP

        def done():
            return node.get("/api/v1/status")["studies"].get("reported", 0)
        while True:
            reported = done()
            if early is None and reported >= count // 10:
                early = rss_mib(node.process.pid)
            if reported >= count:
                break
            if time.monotonic() - begun > 30 * count:
                raise SystemExit(f"{reported} of {count} studies after {time.monotonic() - begun:.0f} s")
            node.process.require_running()
            time.sleep(0.2)
        return count * 60 / (time.monotonic() - begun), early, rss_mib(node.process.pid)
    finally:
        node.stop()


def row(name, value, unit, peer, peer_value, goal, met):
    return {"name": name, "value": round(value, 3), "unit": unit, "peer": peer, "peer_value": round(peer_value, 3),
            "ratio": round(value / peer_value, 3) if peer_value else None, "goal": goal, "met": bool(met)}


def main():
    parser = argparse.ArgumentParser(prog="./run bench scale", description=__doc__)
    parser.add_argument("--instances", type=int, default=1000000)
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--queued", type=int, default=200)
    arguments = parser.parse_args()
    raise_on_signals()
    subprocess.run(["cmake", "--build", BUILD, "--target", "glionode_standin", "tiny_studies"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="glionode-scale-") as folder:
        studies = senders.make_studies(os.path.join(folder, "studies"), "scale", 1, 12)
        empty = measure(folder, "empty", studies, 0, 0)
        full = measure(folder, "full", studies, arguments.instances, arguments.studies)
        rate, early, late = queue(folder, arguments.queued)
    index = f"{arguments.instances} instances in {arguments.studies} studies"
    rows = [row(f"received instance, {index}", full["instance"], "ms", "empty index", empty["instance"], "<= 1.2 x",
                full["instance"] <= 1.2 * empty["instance"]),
            row(f"API page of 20 studies, {index}", full["page"], "ms", "empty index", empty["page"], "<= 2 x",
                full["page"] <= 2 * empty["page"]),
            row(f"start to ready, {index}", full["ready"], "ms", "empty index", empty["ready"], "< 3000 ms", full["ready"] < 3000),
            row(f"memory after {arguments.queued} queued studies", late, "MiB", "after a tenth of them", early, "<= 1.05 x",
                late <= 1.05 * early),
            row(f"rate of {arguments.queued} queued studies", rate, "studies/min", "", 0, "", True)]
    out = os.path.join(ROOT, "out", "bench")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "scale.json"), "w", encoding="utf-8") as file:
        json.dump({"machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.release()}", "rows": rows}, file, indent=2)
        file.write("\n")
    for entry in rows:
        print(f"{entry['name']:60s} {entry['value']:10.2f} {entry['unit']:12s} {entry['peer']:24s} {entry['peer_value']:10.2f} "
              f"ratio {entry['ratio'] if entry['ratio'] is not None else '-'}  {entry['goal']}  {'met' if entry['met'] else 'NOT MET'}")
    return 0 if all(entry["met"] for entry in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
