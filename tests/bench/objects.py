#!/usr/bin/env python3
"""Building all objects of a study (three report classes, two capture pages, text) on one core, beside pydicom writing the
same objects from their elements in memory. objects.py [RUNS]. Run by ./run bench objects."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from node import make_phantom, run  # noqa: E402

GOAL_MS = 300
PEER = """
import glob, io, sys, time
import pydicom
objects = [pydicom.dcmread(file) for file in sys.argv[1:]]
for item in objects:
    str(item)  # decoded, so that writing encodes it anew
start = time.perf_counter()
for item in objects:
    item.save_as(io.BytesIO())
print(1000 * (time.perf_counter() - start))
"""


def on_one_core(command):
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(["taskset", "-c", str(core), *command], capture_output=True, text=True, check=True)
    return done.stdout


def measure(study, folder, binary, runs):
    ours, peer = [], []
    for number in range(runs):
        out = os.path.join(folder, f"out-{number}")
        on_one_core([binary, "classify", study, "--out", out, "--device", "cpu", "--threads", "1"])
        with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
            ours.append(json.load(file)["timings_ms"]["objects"])
        files = [os.path.join(out, name) for name in sorted(os.listdir(out)) if name.endswith(".dcm")]
        peer.append(float(on_one_core(["/usr/bin/python3", "-c", PEER, *files])))
    return statistics.median(ours), statistics.median(peer)


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    if "GLIONODE_BINARY" not in os.environ:
        subprocess.run(["cmake", "--build", "build/release", "--target", "glionode"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    from node import BINARY
    with tempfile.TemporaryDirectory(prefix="glionode-bench-") as folder:
        phantom = make_phantom(os.path.join(folder, "phantom"), 91)[0]
        run("classify", phantom, "--out", os.path.join(folder, "warm"))
        rows = []
        value, peer = measure(phantom, folder, BINARY, runs)
        rows.append({"name": "all objects of a study, one core", "value": round(value, 1), "unit": "ms", "peer": "pydicom writes the same report and captures",
                     "peer_value": round(peer, 1), "ratio": round(value / peer, 3), "goal": f"under {GOAL_MS} ms", "met": value < GOAL_MS})
    out = os.path.join(ROOT, "out", "bench")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "objects.json"), "w", encoding="utf-8") as file:
        json.dump({"machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.release()}", "rows": rows}, file, indent=2)
    for row in rows:
        print(f"{row['name']}: {row['value']} {row['unit']}  ({row['peer']}: {row['peer_value']})  goal: {row['goal']}  "
              f"{'met' if row['met'] else 'NOT MET'}")
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
