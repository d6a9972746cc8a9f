"""What breaks things, in three lanes at once: processes, connections and the PACS, disk and index. Each lane breaks one thing
after the other, in the order of its seed, each for a moment."""

import os
import random
import signal
import subprocess
import threading
import time
import traceback
from collections import Counter

WORKER_SOON = 2  # s: so long a kill waits for a worker to hit


class Lane:
    """`acts`: methods that break something and mend it again. `pause`: s between two."""

    pause = (0.5, 2.0)

    def __init__(self, hospital, seed):
        self.hospital, self.rng = hospital, random.Random(seed)
        self.done, self.took = Counter(), Counter()

    def acts(self):
        raise NotImplementedError

    def after(self):
        pass

    def run(self, until):
        while time.monotonic() < until:
            act, begun = self.rng.choice(self.acts()), time.monotonic()
            try:
                act()
                self.done[act.__name__] += 1
                self.after()
            except Exception:  # pylint: disable=broad-except
                self.hospital.hangs += 1
                traceback.print_exc()
            self.took[act.__name__] += time.monotonic() - begun
            time.sleep(max(0, min(self.rng.uniform(*self.pause), until - time.monotonic())))


class Processes(Lane):
    """Runs in the main thread, which starts the node. `kill`: may the node be ended?"""

    pause = (0.5, 2.5)

    def __init__(self, hospital, seed):
        super().__init__(hospital, seed)
        self.kill = True

    def acts(self):
        ends = [self.kill_node] * 7 + [self.stop_node] if self.kill else []
        return ends + [self.kill_worker] * 4 + [self.reload] * 2

    def after(self):
        self.hospital.ensure_node()

    def kill_node(self):
        with self.hospital.lock:
            self.hospital.node.kill()
            self.hospital.kills += 1
            time.sleep(self.rng.uniform(0, 0.3))
            self.hospital.start_node()

    def kill_worker(self):
        deadline = time.monotonic() + WORKER_SOON
        while time.monotonic() < deadline:
            for pid in self.hospital.node.workers()[:1]:
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.hospital.kills += 1
                    return
                except ProcessLookupError:
                    pass
            time.sleep(0.01)

    def stop_node(self):
        with self.hospital.lock:
            process = self.hospital.node.process
            process.process.terminate()
            try:
                process.process.wait(30)
            except subprocess.TimeoutExpired:
                self.hospital.hangs += 1
                print("chaos: SIGTERM did not end the node within 30 s", flush=True)
            self.hospital.node.stop()
            self.hospital.start_node()

    def reload(self):
        node = self.hospital.node
        with self.hospital.lock:
            if self.rng.random() < 0.5:
                node.sections["study"]["quiet_seconds"] = self.rng.choice([1, 1, 2])
                node.write_configuration()
            else:
                with open(node.configuration, "a", encoding="utf-8") as file:
                    file.write("[study\nnonsense = ")
            node.process.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            node.write_configuration()


class Connections(Lane):
    pause = (0.5, 3.0)

    def acts(self):
        return [self.proxies] * 4 + [self.answers] * 3 + [self.pacs_away, self.pacs_restart]

    def proxies(self):
        proxy = self.rng.choice([self.hospital.into, self.hospital.out])
        proxy.mode = self.rng.choice(["delay", "cut", "cut", "corrupt", "refuse"])
        time.sleep(self.rng.uniform(0.5, 2))
        proxy.mode = "pass"

    def answers(self):
        self.hospital.out.mode = self.rng.choice([0xA700, 0xA700, 0xC000, 0xA778])
        time.sleep(self.rng.uniform(0.5, 2))
        self.hospital.out.mode = "pass"

    def pacs_away(self):
        process = self.hospital.pacs.process
        process.signal_group(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.5, 3))
        process.signal_group(signal.SIGCONT)

    def pacs_restart(self):
        self.hospital.pacs.again()


class Storage(Lane):
    pause = (1.0, 5.0)

    def acts(self):
        return [self.index_fails] * 3 + ([self.fill_disk] if self.hospital.disk else [])

    def index_fails(self):
        with open(self.hospital.faults, "w", encoding="ascii") as file:
            file.write(self.rng.choice(["busy", "ioerr", "full"]))
        time.sleep(self.rng.uniform(0.2, 1.5))
        os.remove(self.hospital.faults)

    def fill_disk(self):
        if self.hospital.disk.fill():
            time.sleep(self.rng.uniform(0.5, 1.5))
        self.hospital.disk.free()


class Breaker:
    """All lanes. The PACS ends with the thread that restarted it (PR_SET_PDEATHSIG): that thread stays until close()."""

    def __init__(self, hospital, seed):
        self.processes = Processes(hospital, f"{seed}-processes")
        self.others = [Connections(hospital, f"{seed}-connections"), Storage(hospital, f"{seed}-storage")]
        self.until, self.turn, self.closed = 0, threading.Condition(), False
        self.busy = 0
        self.threads = [threading.Thread(target=self._stay, args=(lane,), daemon=True) for lane in self.others]
        for thread in self.threads:
            thread.start()

    def _stay(self, lane):
        seen = 0
        while True:
            with self.turn:
                self.turn.wait_for(lambda: self.closed or self.until > seen)
                if self.closed:
                    return
                seen = self.until
            lane.run(seen)
            with self.turn:
                self.busy -= 1
                self.turn.notify_all()

    def run(self, seconds, kill):
        """Breaks things for so long; everything is mended again when it returns."""
        self.processes.kill = kill
        with self.turn:
            self.until, self.busy = time.monotonic() + seconds, len(self.others)
            self.turn.notify_all()
        self.processes.run(self.until)
        with self.turn:
            self.turn.wait_for(lambda: self.busy == 0)

    def close(self):
        with self.turn:
            self.closed = True
            self.turn.notify_all()

    def summary(self):
        lanes = [self.processes, *self.others]
        return ", ".join(f"{name} {count} ({lane.took[name] / count:.1f} s each)"
                         for lane in lanes for name, count in sorted(lane.done.items()))
