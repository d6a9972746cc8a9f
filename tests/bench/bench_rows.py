"""Rows of a benchmark, as tests/bench/bench_report.h writes them: every row names its peer, measured in the same run."""

import json
import os


def value_of(file, key):
    with open(file, encoding="utf-8") as text:
        return next((line.split(":", 1)[1].strip() for line in text if line.startswith(key)), "")


class Report:
    def __init__(self, file):
        self.file, self.rows = file, []

    def add(self, name, value, unit, peer="", peer_value=None, goal="", met=None):
        ratio = value / peer_value if peer and peer_value else None
        self.rows.append({"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value if peer else None,
                          "ratio": ratio, "goal": goal, "met": met if goal else None})
        told = f"{'met' if met else 'MISSED'}: {goal}" if goal else ""
        against = f"{peer_value:10.2f} {ratio or 0:7.2f}  {peer}" if peer and peer_value is not None else ""
        print(f"{name + ', ' + unit:<66} {value:10.2f} {against:<40} {told}", flush=True)

    def write(self, **machine):
        """Writes the file; True when every goal is met."""
        about = {"cpu": value_of("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
                 "memory_gib": int(value_of("/proc/meminfo", "MemTotal").split()[0]) / 1048576,
                 "load_at_end": os.getloadavg()[0], **machine}
        os.makedirs(os.path.dirname(self.file), exist_ok=True)
        with open(self.file, "w", encoding="utf-8") as out:
            json.dump({"machine": about, "rows": self.rows}, out, indent=2)
            out.write("\n")
        print(f"\n{self.file}")
        return all(row["met"] is not False for row in self.rows)
