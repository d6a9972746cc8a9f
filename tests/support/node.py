"""The node under test: its configuration, its process, its API."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from processes import TIME_FACTOR, Failure, Process, children_of, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("GLIONODE_BINARY") or os.path.join(ROOT, "build", "release", "bin", "glionode")
BUNDLE = os.environ.get("GLIONODE_BUNDLE") or os.path.join(ROOT, "models", "phantom-resnet10")


def run(*arguments, timeout=600, check=True):
    """Runs a glionode subcommand to its end; CompletedProcess with text output."""
    done = subprocess.run([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=timeout * TIME_FACTOR, check=False)
    done.stdout, done.stderr = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    if check and done.returncode != 0:
        raise Failure(f"glionode {arguments[0]} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def toml_text(value):
    return json.dumps(value)  # basic strings, numbers, booleans and arrays of them are written alike in TOML and JSON


def make_phantom(folder, seed, studies=1):
    """Writes phantom studies below `folder` and returns their DICOM folders."""
    run("phantom", folder, "--studies", studies, "--seed", seed)
    with open(os.path.join(folder, "cohort.csv"), encoding="utf-8") as table:
        header = table.readline().strip().split(",")
        column = header.index("study")
        return [os.path.join(folder, line.strip().split(",")[column].strip('"')) for line in table if line.strip()]


class Node:
    """`sections`: TOML tables that override or extend the defaults below, {"study": {"quiet_seconds": 5}}."""

    def __init__(self, folder, peer_port, peer_ae="HOSPITAL", sections=None, peer=None, accept=None, bundle=BUNDLE,
                 name="node"):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self.name = name
        self.sections = {
            "node": {"ae_title": "GLIONODE", "data_dir": os.path.join(self.folder, "data"), "drain_seconds": 10},
            "log": {"level": "debug"},
            "dicom": {"bind": "127.0.0.1", "port": 0},
            "study": {"quiet_seconds": 1, "incomplete_wait_seconds": 3, "max_wait_seconds": 120},
            # ThreadSanitizer's own tables are memory of the worker, too.
            "model": {"bundle": bundle, "device": "cpu", **({"memory_limit_mib": 0} if "TSAN_OPTIONS" in os.environ else {})},
            "admin": {"bind": "127.0.0.1", "port": 0},
            "storage": {"min_free_gib": 0.01}}
        for section, keys in (sections or {}).items():
            self.sections.setdefault(section, {}).update(keys)
        self.peers = [{"ae_title": peer_ae, "host": "127.0.0.1", "port": peer_port, "deliver": "all", **(peer or {})}]
        self.accept = [{}] if accept is None else accept
        self.configuration = os.path.join(self.folder, "glionode.toml")
        self.process = None
        self.dicom_port = self.admin_port = self.tls_port = 0

    @property
    def data(self):
        return self.sections["node"]["data_dir"]

    def write_configuration(self):
        lines = []
        for section, keys in self.sections.items():
            lines += [f"[{section}]", *(f"{key} = {toml_text(value)}" for key, value in keys.items()), ""]
        for table, entries in (("peer", self.peers), ("accept", self.accept)):
            for entry in entries:
                lines += [f"[[{table}]]", *(f"{key} = {toml_text(value)}" for key, value in entry.items()), ""]
        with open(self.configuration, "w", encoding="utf-8") as out:
            out.write("\n".join(lines))

    def start(self, wait_ready=True):
        """Starts the node, waits for its `ready` line and (unless told) for /ready, which needs the bundle to have proven
        itself. A restart listens on the same ports."""
        self.write_configuration()
        os.makedirs(self.data, exist_ok=True)
        self.process = Process(self.name, [BINARY, "serve", "--config", self.configuration], self.folder)
        while True:
            line = self.process.next_line(120)
            if line is None:
                self.process.process.wait()
                self.process.require_running()
            ready = re.match(r"ready dicom=(\d+|off) admin=(\d+)(?: dicom_tls=(\d+))?", line or "")
            if ready:
                break
        self.dicom_port, self.admin_port = 0 if ready[1] == "off" else int(ready[1]), int(ready[2])
        self.tls_port = int(ready[3] or 0)
        self.sections["dicom"]["port"], self.sections["admin"]["port"] = self.dicom_port, self.admin_port
        if self.tls_port:
            self.sections["dicom.tls"]["port"] = self.tls_port
        if wait_ready:
            wait_for("the node to be ready", lambda: self.request("/ready")[0] == 200, 120, 0.05, self.process.require_running)
        return self

    def reload(self):
        """Writes the configuration anew and has the node read it; returns what the node said about it."""
        self.write_configuration()
        before = len(self.process.log_text())
        self.process.process.send_signal(signal.SIGHUP)
        said = re.compile(r"the configuration was (not )?reloaded")
        wait_for("the node to reload", lambda: said.search(self.process.log_text()[before:]), 30, 0.05,
                 self.process.require_running)
        return self.process.log_text()[before:]

    def metric(self, name):
        """The value of a metric, with its labels as they are written: glionode_refusals_total{reason="busy"}; 0 if absent."""
        for line in self.request("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def stop(self):
        return self.process.stop() if self.process else None

    def kill(self):
        """kill -9. Leaves the worker to find out by itself."""
        self.process.kill()

    def workers(self):
        """Process ids of the node's worker processes."""
        return [pid for pid, command in children_of(self.process.pid) if "worker" in command]

    # --- API

    def request(self, path, timeout=30):
        """(HTTP status, body) of a GET."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode("utf-8", "replace")

    def get(self, path):
        status, body = self.request(path)
        if status != 200:
            raise Failure(f"GET {path} answered {status}: {body}")
        return json.loads(body)

    def study(self, uid):
        """The node's record of a study, or None."""
        for entry in self.get("/api/v1/studies")["studies"]:
            if entry["study_uid"] == uid:
                return entry
        return None

    def outbox(self, uid):
        return [entry for entry in self.get("/api/v1/outbox")["outbox"] if entry["study_uid"] == uid]

    def wait_study(self, uid, states, seconds=180, progress=None):
        """Waits until the study is in one of `states`; stops early, saying why, when it ended in another."""
        ends = {"reported", "failed", "parked", "ignored"}
        seen = {}

        def probe():
            seen["record"] = record = self.study(uid)
            if record and record["state"] in ends and record["state"] not in states:
                raise Failure(f"study is {record['state']}: {record.get('why')}\n{self.process.log_tail()}")
            return record if record and record["state"] in states else None
        try:
            return wait_for(f"the study to be {' or '.join(states)}", probe, seconds, 0.05, self.process.require_running,
                            progress)
        except Failure as problem:
            raise Failure(f"{problem}; last seen: {seen.get('record')}\n{self.process.log_tail()}") from None

    def wait_sent(self, uid, seconds=60):
        """Waits until every outbox row of the study has left, and returns the rows."""
        def probe():
            rows = self.outbox(uid)
            return rows if rows and all(row["state"] in ("sent", "confirmed") for row in rows) else None
        return wait_for("the results to be sent", probe, seconds, 0.05, self.process.require_running)

    def data_files(self):
        """All files under the data folder, relative to it; not the empty ones that wait for the next objects."""
        with contextlib.suppress(OSError):  # it may be stopped
            self.request("/api/v1/status")  # waits until what was received has its place
        found = [os.path.join(base, name) for base, _, names in os.walk(self.data) for name in names]
        return sorted(os.path.relpath(path, self.data) for path in found if not self._made_ahead(path))

    @staticmethod
    def _made_ahead(path):
        if not path.endswith(".part"):
            return False
        try:
            return os.path.getsize(path) == 0
        except FileNotFoundError:
            return True

    def staged(self):
        return [name for name in self.data_files() if name.startswith("staging/")]

    def stays(self, seconds, same):
        """Checks for `seconds` that same() does not change; returns its value."""
        first, deadline = same(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.process.require_running()
            now = same()
            if now != first:
                raise Failure(f"changed from {first} to {now}")
            time.sleep(0.2)
        return first
