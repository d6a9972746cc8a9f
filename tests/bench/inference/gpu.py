"""gpu.py BENCH_INFERENCE DIR CALLS: our figures on the GPU beside PyTorch's, written to out/bench/gpu.json. See gpu.sh."""

import json
import math
import os
import statistics
import struct
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
GFLOP = {("dilated", 128): 164.6, ("strided", 128): 58.6}


class Block(nn.Module):
    def __init__(self, before, after, stride, dilation):
        super().__init__()
        self.conv1 = nn.Conv3d(before, after, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm3d(after)
        self.conv2 = nn.Conv3d(after, after, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm3d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv3d(before, after, 1, stride, bias=False), nn.BatchNorm3d(after))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + shortcut)


class ResNet10(nn.Module):
    def __init__(self, layout):
        super().__init__()
        dilated = layout == "dilated"
        self.conv1 = nn.Conv3d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.pool = nn.MaxPool3d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(64, 64, 1, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 1 if dilated else 2, 2 if dilated else 1))
        self.layer4 = nn.Sequential(Block(256, 512, 1 if dilated else 2, 4 if dilated else 1))
        self.fc = nn.Linear(512, 2)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3, 4)))


def load(path, network):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    state = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            state[name] = torch.from_numpy(np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"]).copy())
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)


def timed(work, calls):
    times = []
    for i in range(calls + 5):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if i >= 5:
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def inputs(first):
    """The inputs whose answers are compared; main.cpp makes the same."""
    return [first, first.flip(4), -0.5 * first]


def logits_of(model, first, dtype):
    with torch.inference_mode():
        return [model(one.to(dtype)).double().cpu()[0].tolist() for one in inputs(first)]


def difference(ours, theirs):
    """The largest of all logits, as a share of the logit's size (of 1, where it is smaller)."""
    return max(abs(a - b) / (1 + abs(b)) for one, other in zip(ours, theirs) for a, b in zip(one, other))


def probability(logits):
    return 1 / (1 + math.exp(logits[0] - logits[1]))


def gib(peak_bytes):
    return None if peak_bytes is None else peak_bytes / 2 ** 30


def row(name, value, unit, peer="", peer_value=None, goal="", met=True):
    ratio = value / peer_value if value is not None and peer_value else None
    print(f"{name}: " + ("not measured" if value is None else f"{value:.4g} {unit}") +
          (f"  {peer} {peer_value:.4g}  ratio {ratio:.2f}" if ratio else "") +
          (f"  goal {goal}: {'met' if met else 'MISSED'}" if goal else ""), flush=True)
    return {"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio,
            "goal": goal, "met": met}


def peak(dtype):
    a = torch.randn(8192, 8192, device="cuda", dtype=dtype)
    return 2 * 8192 ** 3 / timed(lambda: a @ a, 10) / 1e9  # TFLOP/s


def measure(program, folder, layout, shape, calls):
    ours = json.loads(subprocess.run([program, "gpu", folder, layout, str(shape), str(calls)], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)
    network = ResNet10(layout)
    load(os.path.join(folder, f"{layout}.safetensors"), network)
    network = network.cuda().eval()
    input_file = os.path.join(folder, f"input-{shape}.f32")
    x = torch.from_numpy(np.fromfile(input_file, np.float32).reshape(1, 3, shape, shape, shape)).cuda()
    rows = []
    peer = "PyTorch " + torch.__version__
    for name, dtype, limit in (("fp32", torch.float32, 15.0), ("half", torch.float16, 3.0)):
        model, value = network.to(dtype), x.to(dtype)
        with torch.inference_mode():
            torch.cuda.reset_peak_memory_stats()
            eager = timed(lambda: model(value), calls)
            eager_gib = torch.cuda.max_memory_allocated() / 2 ** 30
            compiled_model = torch.compile(model)
            compiled = timed(lambda: compiled_model(value), calls)
        own = statistics.median(ours[name]["ms"])
        label = f"resnet10 {layout} {shape}^3, {name}"
        target = layout == "dilated"
        rows.append(row(label, own, "ms", peer + ", compiled", compiled, f"<= {limit} ms, <= 2 x" if target else "<= 2 x",
                        own <= 2 * compiled and (not target or own <= limit)))
        rows.append(row(label + ", beside eager", own, "ms", peer, eager))
        rows.append(row(label + ": memory", gib(ours[name]["peak_bytes"]), "GiB", peer, eager_gib))
        rows.append(row(label + ": share of a matrix product's speed", GFLOP[layout, shape] / own / peak(dtype), ""))
        served = name == "fp32"  # half is only timed: no node answers with it
        apart = max(abs(probability(a) - probability(b)) for a, b in zip(ours[name]["logits"], ours["cpu"]["logits"]))
        rows.append(row(label + ": probability, difference from the CPU", apart, "", "", None,
                        "<= 0.001" if served else "", not served or apart <= 1e-3))
        for other, logits in (("the CPU", ours["cpu"]["logits"]), (peer, logits_of(model, x, dtype))):
            apart = difference(ours[name]["logits"], logits)
            rows.append(row(label + f": logits, largest difference from {other}", apart, "of their size", "", None,
                            "<= 0.001" if served else "", not served or apart <= 1e-3))
    return rows + measure_training(ours["training"], network.to(torch.float32), x, layout, shape, calls)


def measure_training(ours, network, x, layout, shape, calls):
    """Beside PyTorch as it comes, and with the memory format that we use: the faster of the two is the peer."""
    state = {name: value.cpu().clone() for name, value in network.state_dict().items()}
    theirs = []
    for words, memory_format in (("", torch.contiguous_format), (", channels last", torch.channels_last_3d)):
        network.load_state_dict(state)
        network = network.to(memory_format=memory_format).train()
        optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
        batch = x.repeat(4, 1, 1, 1, 1).contiguous(memory_format=memory_format)
        target = torch.tensor([0, 1, 0, 1]).cuda()

        def step():
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(batch), target).backward()
            optimiser.step()

        torch.cuda.reset_peak_memory_stats()
        milliseconds = timed(step, calls)
        theirs.append((milliseconds, torch.cuda.max_memory_allocated() / 2 ** 30, f"PyTorch {torch.__version__}{words}"))
    fastest, fastest_gib, peer = min(theirs)
    own = statistics.median(ours["ms"])
    label = f"resnet10 {layout} {shape}^3, training step of 4"
    # Forward, and about twice as much backward.
    return [row(label, own, "ms", peer, fastest),
            row(label + ": memory", gib(ours["peak_bytes"]), "GiB", peer, fastest_gib),
            row(label + ": share of a matrix product's speed",
                3 * 4 * GFLOP[layout, shape] / own / peak(torch.float32), "")]


def main():
    program, folder, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    rows = []
    for layout in ("dilated", "strided"):
        rows += measure(program, folder, layout, 128, calls)
    out = os.path.join(ROOT, "out", "bench", "gpu.json")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"machine": {"gpu": torch.cuda.get_device_name(0)}, "rows": rows}, file, indent=2)
    return 0 if all(one["met"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
