"""Child processes of tests and of the demo: started in their own group, watched, and always stopped again."""

import ctypes
import os
import queue
import signal
import socket
import subprocess
import threading
import time

TIME_FACTOR = float(os.environ.get("GLIONODE_TIME_FACTOR", "1"))  # sanitizer builds are slower: all deadlines stretch


class Failure(Exception):
    """Something did not happen; the text says what, for a person."""


def _die_with_parent():
    # A test killed by ctest's timeout must not leave servers behind (PR_SET_PDEATHSIG is 1).
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)


def free_port():
    """A TCP port that was free a moment ago. Another process may take it: callers retry."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, probe, seconds, interval=0.1, alive=None, progress=None):
    """Polls `probe` until it answers something true, and returns that. `alive` may raise when waiting is pointless."""
    deadline = time.monotonic() + seconds * TIME_FACTOR
    while True:
        answer = probe()
        if answer:
            return answer
        if alive:
            alive()
        if progress:
            progress()
        if time.monotonic() > deadline:
            raise Failure(f"after {seconds * TIME_FACTOR:.0f} s still waiting for {what}")
        time.sleep(interval)


class Process:
    """A server process. Standard output is read line by line by a thread; standard error goes to a file."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.log_file = os.path.join(folder, f"{name}.log")
        self._log = open(self.log_file, "ab")
        self._lines = queue.Queue()
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log,
            env=dict(os.environ, **(environment or {})), start_new_session=True, preexec_fn=_die_with_parent)
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self.process.stdout:
            self._lines.put(raw.decode("utf-8", "replace").rstrip("\n"))
        self._lines.put(None)

    def next_line(self, seconds):
        """The next line of standard output; None at its end. Failure when nothing comes in time."""
        try:
            return self._lines.get(timeout=seconds * TIME_FACTOR)
        except queue.Empty:
            raise Failure(f"{self.name} printed nothing for {seconds * TIME_FACTOR:.0f} s\n{self.log_tail()}") from None

    def running(self):
        return self.process.poll() is None

    def require_running(self):
        if not self.running():
            raise Failure(f"{self.name} ended with status {self.process.returncode}\n{self.log_tail()}")

    def log_text(self):
        with open(self.log_file, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def log_tail(self, lines=25):
        return "\n".join(f"  {self.name}: {line}" for line in self.log_text().splitlines()[-lines:])

    def signal_group(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        """kill -9 of the process alone, as a crash would be: its children are not told."""
        self.process.kill()
        self.process.wait()
        self._close()

    def stop(self, seconds=20):
        """SIGTERM, then SIGKILL to the whole group. Returns the exit status. May be called twice."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(seconds * TIME_FACTOR)
            except subprocess.TimeoutExpired:
                for child, _ in children_of(self.pid):  # they may be in groups of their own
                    os.kill(child, signal.SIGKILL)
        self.signal_group(signal.SIGKILL)
        self.process.wait()
        self._close()
        return self.process.returncode

    def _close(self):
        self._reader.join(5)
        if not self._reader.is_alive():
            self.process.stdout.close()
        self._log.close()


def children_of(pid):
    """Process ids of the direct children (from /proc), with their command lines."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
            if parent == pid:
                with open(f"/proc/{entry}/cmdline", "rb") as line:
                    found.append((int(entry), line.read().decode("utf-8", "replace").split("\0")))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def raise_on_signals():
    """Makes SIGTERM and SIGHUP end the program like Ctrl-C does, so that `finally` runs."""
    def stop(number, frame):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
