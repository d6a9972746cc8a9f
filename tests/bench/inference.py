#!/usr/bin/python3
"""The network on the CPU beside ONNX Runtime, the same weights and inputs in the same run: ./run bench inference.

usage: inference.py [--rounds N] [--calls N] [--only dilated-96,...]

Rounds of ours and theirs alternate, so that a busy minute of the machine hits both; the best round's median counts.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("GLIONODE_BUILD", os.path.join(ROOT, "build", "release"))
sys.path.insert(0, os.path.join(HERE, "inference"))

GOALS = {("dilated", 96): 0.65, ("dilated", 128): 0.70, ("strided", 96): 0.70, ("strided", 128): 0.85}
GMAC = {("dilated", 96): 34.7, ("dilated", 128): 82.3, ("strided", 96): 12.4, ("strided", 128): 29.3}


def program(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **more)
    return json.loads(done.stdout)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform()}


def install_peer():
    folder = os.path.join(ROOT, "build", "bench-npm")
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "package-lock.json", "onnx_runtime.js"):
        shutil.copy(os.path.join(HERE, "inference", name), folder)
    if not os.path.isdir(os.path.join(folder, "node_modules", "onnxruntime-node")):
        # Without scripts: the package's own one fetches CUDA libraries from elsewhere.
        subprocess.run(["npm", "--prefix", folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], check=True)
    return os.path.join(folder, "onnx_runtime.js")


def measure(folder, peer, layout, shape, threads, rounds, calls):
    ours, theirs = [], []
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    for _ in range(rounds):
        ours.append(program([os.path.join(BUILD, "bin", "bench_inference"), "time", folder, layout, str(shape),
                             str(threads), str(calls)], env=environment))
        theirs.append(program(["node", peer, os.path.join(folder, f"{layout}-{shape}.onnx"),
                               os.path.join(folder, f"input-{shape}.f32"), str(shape), str(threads), str(calls)]))
    best = min(statistics.median(one["ms"]) for one in ours)
    best_peer = min(statistics.median(one["ms"]) for one in theirs)
    difference = max(abs(a - b) for one, other in zip(ours, theirs) for a, b in zip(one["logits"], other["logits"]))
    plain = max(abs(a - b) / (1 + abs(b)) for one in ours for a, b in zip(one["logits"], one["plain_logits"]))
    speed = 2 * GMAC[layout, shape] / best * 1e3
    share = speed / max(one["peak_gflops"] for one in ours)
    name = f"resnet10 {layout} {shape}^3, {threads} thread" + ("s" if threads > 1 else "")
    goal = GOALS[layout, shape]
    peer_name = "onnxruntime-node " + theirs[0]["version"]
    return [
        {"name": name, "value": best, "unit": "ms", "peer": peer_name, "peer_value": best_peer,
         "ratio": best / best_peer, "goal": f"<= {goal} x", "met": best <= goal * best_peer},
        # All operations on paper, also those on padding, which are skipped: a dilated network gets above 1.
        {"name": name + ": share of the cores' peak", "value": share, "unit": "", "peer": "", "peer_value": None,
         "ratio": None, "goal": "", "met": True},
        {"name": name + ": largest difference of a logit from the peer", "value": difference, "unit": "",
         "peer": peer_name, "peer_value": 0, "ratio": None, "goal": "<= 0.001", "met": difference <= 1e-3},
        {"name": name + ": relative difference from the plain module", "value": plain, "unit": "", "peer": "",
         "peer_value": None, "ratio": None, "goal": "<= 1e-5", "met": plain <= 1e-5},
    ]


def show(rows):
    for row in rows:
        peer = f"  {row['peer']} {row['peer_value']:.4g}" if row["peer"] else ""
        ratio = f"  ratio {row['ratio']:.2f}" if row["ratio"] is not None else ""
        goal = f"  goal {row['goal']}: {'met' if row['met'] else 'MISSED'}" if row["goal"] else ""
        print(f"{row['name']}: {row['value']:.4g} {row['unit']}{peer}{ratio}{goal}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--only", default="", help="such as dilated-96,strided-128")
    options = parser.parse_args()
    from export_onnx import export

    subprocess.run(["cmake", "--build", BUILD, "--target", "bench_inference"], check=True, stdout=subprocess.DEVNULL)
    peer = install_peer()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(BUILD, "bin", "bench_inference"), "make", folder], check=True)
        for layout, shape in GOALS:
            if options.only and f"{layout}-{shape}" not in options.only.split(","):
                continue
            export(os.path.join(folder, f"{layout}.safetensors"), layout, shape,
                   os.path.join(folder, f"{layout}-{shape}.onnx"))
            for threads in (1, 2):
                made = measure(folder, peer, layout, shape, threads, options.rounds, options.calls)
                show(made)
                rows += made
    out = os.path.join(ROOT, "out", "bench", "inference.json")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"machine": machine(), "rows": rows}, file, indent=2)
    print(f"written to {os.path.relpath(out, ROOT)}")
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
