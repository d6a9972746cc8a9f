#!/usr/bin/env python3
"""./run demo: a hospital in small. Orthanc is the PACS; a study enters it; it pushes the study to the node on its own; the
structured report and the captures come back into Orthanc, and are fetched from there into out/demo."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from node import BINARY, BUNDLE, ROOT, Node, make_phantom, run  # noqa: E402
from orthanc import Orthanc  # noqa: E402
from processes import Failure, raise_on_signals, wait_for  # noqa: E402

QUIET_SECONDS = 2
STABLE_AGE = 2


class Story:
    """What the person sees: one line a step, with the seconds since the start; dots would say nothing."""

    def __init__(self):
        self.start = time.monotonic()
        self.shown = 0.0

    def seconds(self):
        return time.monotonic() - self.start

    def tell(self, text):
        self.shown = time.monotonic()
        print(f"[{self.seconds():6.1f} s] {text}", flush=True)

    def waiting(self, text):
        """A sign of life every five seconds while a step takes long."""
        if time.monotonic() - self.shown > 5:
            self.tell(text())


def state_of(node, uid):
    record = node.study(uid)
    return f"       ... the node says: {record['state'] if record else 'no image of this study yet'}"


def reset_folder(folder):
    """Empties out/demo of what an earlier demo left, and of nothing else."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name in ("sr.dcm", "report.txt", "timing.json", "node.log", "orthanc.log") or \
                name.startswith(("sc-", "capture-")):
            os.remove(os.path.join(folder, name))


def fetch(orthanc, reports, captures, out):
    """Results out of the PACS into `out`; returns the report as text."""
    with open(os.path.join(out, "sr.dcm"), "wb") as file:
        file.write(orthanc.file(reports[0]))
    for number, capture in enumerate(captures, 1):
        with open(os.path.join(out, f"sc-{number}.dcm"), "wb") as file:
            file.write(orthanc.file(capture))
        with open(os.path.join(out, f"capture-{number}.png"), "wb") as file:
            file.write(orthanc.picture(capture))
    text = run("report", os.path.join(out, "sr.dcm")).stdout
    with open(os.path.join(out, "report.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    return text


def deliver_once(orthanc, node, study, uid, known, story, timings):
    """The way of one study, from stable in the PACS to its results in the PACS."""
    def ms(since):
        return round((time.monotonic() - since) * 1000)

    at = time.monotonic()
    wait_for("the study to become stable in the PACS", lambda: orthanc.stable_events(study) >= 1, 60, 0.05,
             orthanc.process.require_running)
    timings["stable"] = ms(at)
    story.tell(f"the PACS calls the study stable ({STABLE_AGE} s without a new image) and pushes it to the node")
    at = time.monotonic()
    pushed = orthanc.wait_pushed(1)[0]
    if pushed["state"] != "Success":
        raise Failure(f"the push failed: {pushed['error']} {pushed['details']}\n{node.process.log_tail()}")
    timings["push"] = ms(at)
    story.tell(f"pushed and acknowledged; the node waits {QUIET_SECONDS} s for more, then works")
    at = time.monotonic()
    record = node.wait_study(uid, {"reported"}, 600, lambda: story.waiting(lambda: state_of(node, uid)))
    timings["push_to_result"] = ms(at)
    story.tell(f"the node's answer: {record['decision']}"
               + (f" ({', '.join(record['reasons'])})" if record.get("reasons") else ""))
    rows = node.wait_sent(uid)

    def landed():
        reports, captures, _ = orthanc.results(study, known)
        return (reports, captures) if reports and captures and len(reports) + len(captures) >= len(rows) else None
    reports, captures = wait_for("report and captures in the PACS", landed, 60, 0.05, orthanc.process.require_running)
    timings["push_to_result_in_pacs"] = ms(at)
    timings["node"] = record.get("timings_ms") or {}
    story.tell(f"{len(reports)} structured report and {len(captures)} captures are in the PACS")
    return record, reports, captures


def provoke(orthanc, node, study, uid, known, expected, story):
    """Several more stable events and pushes; the results must stay the only ones."""
    story.tell("now the same study is pushed again and again, as a PACS does when a report lands in a study:")
    wait_for("the results to make the study stable again", lambda: orthanc.stable_events(study) >= 2, 60,
             alive=orthanc.process.require_running)
    story.tell("  - stable again, because our own results landed in it; all was pushed again")
    first = sorted(known)[0]
    orthanc.make_stable_again(study, first)
    story.tell("  - stable again after an image was stored once more")
    before = len(orthanc.pushes())
    orthanc.send(study)
    story.tell("  - pushed again by hand")
    orthanc.make_stable_again(study, first)
    jobs = orthanc.wait_pushed(before + 1)
    failed = [job for job in jobs if job["state"] != "Success"]
    if failed:
        raise Failure(f"{len(failed)} of {len(jobs)} pushes failed: {failed[0]['error']} {failed[0]['details']}")
    story.tell(f"  - stable again; {orthanc.stable_events(study)} stable events and {len(jobs)} pushes so far")

    def results():
        record = node.study(uid)
        rows = node.outbox(uid)
        reports, captures, _ = orthanc.results(study, known)
        return (sorted(reports), sorted(captures), len(rows), record["revision"])
    # A second report could begin only after the quiet time, and is a matter of seconds: wait longer than that.
    found = node.stays(QUIET_SECONDS + 6, results)
    if found[:2] != (sorted(expected[0]), sorted(expected[1])):
        raise Failure(f"there are other results in the PACS now: {found}")
    if len(found[0]) != 1:
        raise Failure(f"there are {len(found[0])} reports in the PACS")
    record = node.wait_study(uid, {"reported"}, 30)
    if record["revision"] != 1:
        raise Failure(f"the node made revision {record['revision']}")
    story.tell("still exactly one report and one set of captures")


def demo(dicom_folder, out, seed, folder, story, servers):
    timings = {}
    if not dicom_folder:
        story.tell(f"making a phantom study (seed {seed})")
        at = time.monotonic()
        dicom_folder = make_phantom(os.path.join(folder, "phantom"), seed)[0]
        timings["phantom"] = round((time.monotonic() - at) * 1000)
    at = time.monotonic()
    orthanc = Orthanc(folder, stable_age=STABLE_AGE)
    servers.append(orthanc)
    orthanc.start()
    node = Node(folder, orthanc.dicom_port,
                sections={"study": {"quiet_seconds": QUIET_SECONDS, "incomplete_wait_seconds": 20}, "log": {"level": "info"}})
    servers.append(node)
    node.start()
    orthanc.know_node(node.dicom_port)
    timings["start_servers"] = round((time.monotonic() - at) * 1000)
    story.tell(f"Orthanc is the hospital's PACS (DICOM port {orthanc.dicom_port}, web page "
               f"http://127.0.0.1:{orthanc.http_port}); the node listens on DICOM port {node.dicom_port}")

    at = time.monotonic()
    studies, skipped = orthanc.upload_folder(dicom_folder)
    timings["upload"] = round((time.monotonic() - at) * 1000)
    if not studies:
        raise Failure(f"{dicom_folder} holds no DICOM file")
    if len(studies) > 1:
        raise Failure(f"{dicom_folder} holds {len(studies)} studies; give a folder with one")
    study, instances = next(iter(studies.items()))
    uid = orthanc.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
    known = set(instances)
    story.tell(f"{len(known)} images of one study stored in the PACS"
               + (f" ({len(skipped)} other files skipped)" if skipped else ""))

    record, reports, captures = deliver_once(orthanc, node, study, uid, known, story, timings)
    text = fetch(orthanc, reports, captures, out)
    provoke(orthanc, node, study, uid, known, (reports, captures), story)

    timings["total"] = round(story.seconds() * 1000)
    with open(os.path.join(out, "timing.json"), "w", encoding="utf-8") as file:
        json.dump({"study_uid": uid, "decision": record["decision"], "images": len(known), "quiet_ms": QUIET_SECONDS * 1000,
                   "stable_age_ms": STABLE_AGE * 1000, "milliseconds": timings}, file, indent=2)
        file.write("\n")
    print(f"\n{'-' * 100}\n{text.rstrip()}\n{'-' * 100}\n")
    show_timings(timings)
    print(f"\nFetched from the PACS into {os.path.relpath(out)}: sr.dcm, report.txt, "
          + ", ".join(f"sc-{n}.dcm, capture-{n}.png" for n in range(1, len(captures) + 1)) + ", timing.json")


def show_timings(timings):
    names = {"phantom": "making the phantom", "start_servers": "starting PACS and node", "upload": "storing in the PACS",
             "stable": "until the PACS calls it stable", "push": "push to the node",
             "push_to_result": "push done -> result in the node", "push_to_result_in_pacs": "push done -> SR and SC in the PACS",
             "total": "whole demo"}
    print("Timings (ms):")
    for key, name in names.items():
        if key in timings:
            print(f"  {name:40s} {timings[key]:8d}")
    for key, value in timings.get("node", {}).items():
        if isinstance(value, (int, float)):
            print(f"    {'node: ' + key:38s} {value:8.0f}")


def main():
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("dicom_dir", nargs="?", help="a folder with one study (default: a generated phantom)")
    parser.add_argument("--out", default=os.path.join(ROOT, "out", "demo"))
    parser.add_argument("--seed", type=int, default=20261)
    parser.add_argument("--keep", action="store_true", help="keep the servers' temporary folder")
    arguments = parser.parse_args()
    if arguments.dicom_dir and not os.path.isdir(arguments.dicom_dir):
        print(f"demo: {arguments.dicom_dir} is not a folder", file=sys.stderr)
        return 2
    for needed, what in ((BINARY, "the program; ./run build makes it"), (os.path.join(BUNDLE, "bundle.json"), "the bundle")):
        if not os.path.exists(needed):
            print(f"demo: {needed} is not there ({what})", file=sys.stderr)
            return 3
    raise_on_signals()
    out = os.path.abspath(arguments.out)
    reset_folder(out)
    folder = tempfile.mkdtemp(prefix="glionode-demo-")
    story, servers, code = Story(), [], 1
    try:
        demo(arguments.dicom_dir and os.path.abspath(arguments.dicom_dir), out, arguments.seed, folder, story, servers)
        code = 0
    except Failure as problem:
        print(f"\ndemo: {problem}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ndemo: stopped", file=sys.stderr)
        code = 130
    finally:
        for server in reversed(servers):
            server.stop()
            if code not in (0, 130) and server.process:
                log = os.path.join(out, f"{server.name}.log")
                shutil.copyfile(server.process.log_file, log)
                print(f"demo: the log of {server.name} is {os.path.relpath(log)}", file=sys.stderr)
        if arguments.keep:
            print(f"demo: kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if code == 0:
        print("\ndemo: done; both servers are stopped")
    return code


if __name__ == "__main__":
    sys.exit(main())
