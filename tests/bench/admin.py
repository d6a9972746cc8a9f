#!/usr/bin/env python3
"""The administrator's side with 5,000 studies in the index: page, metrics, weight, and what a client at full speed costs the
receiver. Beside Orthanc with its own page. Run by ./run bench admin [--studies N]."""

import argparse
import http.client
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from browser import Browser  # noqa: E402
from dicom_tools import dicom_files  # noqa: E402
from node import Node, make_phantom  # noqa: E402
from orthanc import Orthanc  # noqa: E402

IMAGES = 78  # a study of three series of 26


def fill(index, studies):
    """Reported studies with their images and outbox rows, as the node would have written them."""
    result = json.dumps({"decision": "necrosis", "reasons": [], "roles": {}, "timings_ms": {"total": 4000}, "bundle": {},
                         "probability_of_necrosis": 0.9, "probability_of_recurrence": 0.1, "device": "cpu", "software": "x"})
    now = int(time.time() * 1000)
    with sqlite3.connect(index) as base:
        for number in range(studies):
            uid, at = f"1.2.826.0.1.{number}", now - (studies - number) * 60000
            base.execute("INSERT INTO studies (study_uid, state, from_ae, first_arrival, last_arrival, accepted, why, revision, changes,"
                         " judged_changes) VALUES (?, 'reported', 'HOSPITAL', ?, ?, 1, 'rule 1', 1, 78, 78)", (uid, at, at))
            base.executemany("INSERT INTO instances (sop_instance_uid, version, current, kind, study_uid, series_uid, sop_class_uid,"
                             " transfer_syntax_uid, file, sha256, bytes, from_ae, received_at, identity, header_json) VALUES (?, 1, 1,"
                             " 'candidate', ?, ?, '1.2', '1.2', ?, 'x', 131072, 'HOSPITAL', ?, 'P', '{}')",
                             [(f"{uid}.{image}", uid, f"{uid}.s{image // 26}", f"images/00/{uid}/{image}.dcm", at)
                              for image in range(IMAGES)])
            job = base.execute("INSERT INTO jobs (study_uid, input_key, revision, state, attempt, owner, lease_until, last_error,"
                               " created_at, inputs_json) VALUES (?, ?, 1, 'done', 1, '', 0, '', ?, '{}')", (uid, uid, at)).lastrowid
            made = base.execute("INSERT INTO results (job_id, study_uid, input_key, revision, decision, created_at, result_json)"
                                " VALUES (?, ?, ?, 1, 'necrosis', ?, ?)", (job, uid, uid, at, result)).lastrowid
            entry = base.execute("INSERT INTO objects (result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind)"
                                 " VALUES (?, '1.2', ?, '1.2', 'results/x', 'x', 'sr')", (made, f"{uid}.9")).lastrowid
            base.execute("INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, changed_at,"
                         " last_status) VALUES (?, ?, 'HOSPITAL', 'sent', 1, ?, ?, ?, '0000')", (entry, uid, at, at, at))


def milliseconds(port, path, times=30):
    """Median time of a GET over one kept connection."""
    connection, taken = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    for _ in range(times):
        start = time.perf_counter()
        connection.request("GET", path)
        connection.getresponse().read()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def push_seconds(port, files):
    start = time.perf_counter()
    subprocess.run(["dcmsend", "-aet", "HOSPITAL", "-aec", "GLIONODE", "127.0.0.1", str(port), *files], check=True, capture_output=True)
    return time.perf_counter() - start


class FullSpeed:
    """One client that asks for the studies as fast as it is answered."""

    def __init__(self, port):
        self.asked, self._stop = 0, threading.Event()
        self._port = port
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop.is_set():
            connection.request("GET", "/api/v1/studies?limit=50")
            connection.getresponse().read()
            self.asked += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def page_milliseconds(browser, url, selector, count):
    """From navigation to the frame after the one in which `count` elements of `selector` are there, by the page's own clock, so that
    the remote control of the browser does not count; the best of five, as a person with a warm cache."""
    browser.run("await helpers.open();")
    browser.run(f"""await page.addInitScript(`(function look() {{
        const there = document.querySelectorAll({json.dumps(selector)}).length >= {count};
        requestAnimationFrame(there ? () => {{ globalThis.shownAt = performance.now(); }} : look);
    }})()`);""")
    best = None
    for _ in range(5):
        browser.run("await page.goto('about:blank');")
        took = browser.run(f"""
            await page.goto({json.dumps(url)});
            for (;;) {{  // not waitForFunction: the page's CSP forbids what that does
                const at = await page.evaluate(() => globalThis.shownAt ?? 0);
                if (at > 0) return at;
            }}""")
        best = took if best is None else min(best, took)
    return best


def weight_kib(browser, url, shown):
    """What a first visit transfers."""
    browser.run("await helpers.open();")
    browser.run("helpers.bytes = 0; page.on('response', async (r) => "
                "{ helpers.bytes += (await r.body().catch(() => '')).length; });")
    browser.run(f"await page.goto({json.dumps(url)}); await {shown};")
    return browser.run("return helpers.bytes;") / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--pushes", type=int, default=3)
    options = parser.parse_args()
    rows = []

    def row(name, value, unit, peer="", peer_value=None, goal="", met=True):
        ratio = value / peer_value if peer_value else None
        rows.append({"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio, "goal": goal,
                     "met": bool(met)})
    with tempfile.TemporaryDirectory(prefix="glionode-bench-") as folder:
        node, pacs = Node(folder, 9, peer={"deliver": "none"}, accept=[{"StudyDescription": "nothing"}],
                          sections={"log": {"level": "warning"}}), Orthanc(folder, push=False)
        browser = None
        try:
            node.start()
            node.stop()
            fill(os.path.join(node.data, "index.sqlite"), options.studies)
            node.start()
            pacs.start()
            browser = Browser(folder)
            ours, theirs = f"http://127.0.0.1:{node.admin_port}/", f"http://127.0.0.1:{pacs.http_port}/app/explorer.html"
            ready = "page.locator('tbody tr').nth(49).waitFor()"
            their_ready = "page.locator('a').nth(5).waitFor({ state: 'attached' })"
            page = page_milliseconds(browser, ours, "tbody tr", 50)
            their_page = page_milliseconds(browser, theirs, "a", 6)
            row(f"page shows the newest of {options.studies} studies", page, "ms", "Orthanc's page, empty", their_page, "< 200", page < 200)
            metrics = milliseconds(node.admin_port, "/metrics")
            row(f"/metrics with {options.studies} studies", metrics, "ms", "Orthanc /statistics, empty",
                milliseconds(pacs.http_port, "/statistics"), "< 20", metrics < 20)
            weight = weight_kib(browser, ours, ready)
            row("page weight with its first data", weight, "KiB", "Orthanc's page", weight_kib(browser, theirs, their_ready), "< 200",
                weight < 200)
            alone, loaded, asked = [], [], 0
            seeds = iter(range(1000, 2000))
            for _ in range(options.pushes):  # by turns, so that a slow minute of the machine meets both
                files = [dicom_files(make_phantom(os.path.join(folder, f"p{seed}"), seed)[0]) for seed in (next(seeds), next(seeds))]
                alone.append(push_seconds(node.dicom_port, files[0]) / len(files[0]))
                with FullSpeed(node.admin_port) as client:
                    loaded.append(push_seconds(node.dicom_port, files[1]) / len(files[1]))
                asked += client.asked
            cost = (statistics.median(loaded) / statistics.median(alone) - 1) * 100
            row(f"time per received image beside a client at full speed ({asked} requests)", statistics.median(loaded) * 1000, "ms",
                "the same without the client", statistics.median(alone) * 1000, "< 10 % more", cost < 10)
        finally:
            if browser:
                browser.stop()
            pacs.stop()
            node.stop()
    out = os.path.join(ROOT, "out", "bench", "admin.json")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"machine": {"cpu": platform.processor(), "cores": os.cpu_count(), "load_at_end": os.getloadavg()[0]}, "rows": rows}, file,
                  indent=2)
    for entry in rows:
        print(f"{entry['name'] + ', ' + entry['unit']:75} {entry['value']:9.2f}  {entry['peer']}: {entry['peer_value'] or 0:.2f}  "
              f"{'met' if entry['met'] else 'MISSED'}: {entry['goal']}")
    return 0 if all(entry["met"] for entry in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
