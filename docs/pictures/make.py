#!/usr/bin/env python3
"""Makes the pictures of docs/reading-the-report.md anew: reports as dsr2html shows them and captures, of phantoms whose
results are each of the four decisions, and of a revision. Needs the built program, dcmtk and chromium.

docs/pictures/make.py [FIRST_SEED]
"""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "support"))
from dicom_tools import copy_study, series_of, store, study_uid, tool, values  # noqa: E402
from node import Node, make_phantom, run  # noqa: E402
from processes import wait_for  # noqa: E402

PAGE = """<meta charset="utf-8"><style>body {{ margin: 0; font: 14px/1.4 sans-serif; background: white }}
h1 {{ font-size: 19px }} h2 {{ font-size: 16px }} h3, h4 {{ font-size: 14px }} small {{ font-size: 12px }}
body > div {{ padding: 8px 16px }}</style><div>{}</div>"""


def screenshot(page, width, height, target):
    """The page as chromium draws it."""
    with tempfile.TemporaryDirectory(prefix="glionode-page-") as folder:
        source = os.path.join(folder, "page.html")
        with open(source, "w", encoding="utf-8") as out:
            out.write(page)
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
                        f"--window-size={width},{height}", f"--screenshot={target}", f"file://{source}"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def picture(folder, name):
    """Report and first capture page of a result folder, as docs/pictures/NAME-*.png; the capture as 512 x 512."""
    shown = tool("dsr2html", os.path.join(folder, "sr.dcm")).stdout
    body = re.search(r"<body>(.*)</body>", shown, re.S)[1]
    screenshot(PAGE.format(body), 800, 700, os.path.join(HERE, f"{name}-report.png"))
    capture = os.path.join(folder, "capture-1.png")
    screenshot(f'<style>body {{ margin: 0 }}</style><img width="512" height="512" src="file://{html.escape(capture)}">', 512, 512,
               os.path.join(HERE, f"{name}-capture.png"))


def without_t2(study, target):
    """A copy of a phantom's study without its T2 series; and the files of that series."""
    series = {values(files[:1], "SeriesDescription")[files[0]]: files for files in series_of(study).values()}
    t2 = next(files for name, files in series.items() if "T2" in name and "FLAIR" not in name)
    copy = copy_study(study, target)
    kept = {uid for uid in values(t2, "SOPInstanceUID").values()}
    for file, uid in values([os.path.join(copy, name) for name in sorted(os.listdir(copy))], "SOPInstanceUID").items():
        if uid in kept:
            os.remove(file)
    return copy, t2


def revision(folder, study):
    """The node reports a study without T2, then the T2 series arrives: folder of the second result."""
    partial, t2 = without_t2(study, os.path.join(folder, "partial"))
    server = Node(folder, 9, peer={"deliver": "none"}, sections={"study": {"quiet_seconds": 1, "incomplete_wait_seconds": 1}})
    server.start()
    try:
        uid = study_uid(study)
        store(server.dicom_port, [os.path.join(partial, name) for name in sorted(os.listdir(partial))])
        server.wait_study(uid, {"reported"})
        store(server.dicom_port, t2)
        wait_for("the revision", lambda: server.study(uid)["revision"] == 2, 120)
        results = os.path.join(server.data, "results", uid)
        for name in os.listdir(results):
            with open(os.path.join(results, name, "result.json"), encoding="utf-8") as file:
                if json.load(file)["revision"] == 2:
                    return shutil.copytree(os.path.join(results, name), os.path.join(folder, "revision"))
    finally:
        server.stop()
    raise SystemExit("no second revision was found")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="glionode-pictures-") as folder:
        found, studies = {}, []
        while not {"recurrence", "necrosis", "indeterminate"} <= set(found):
            study = make_phantom(os.path.join(folder, f"phantom-{seed}"), seed)[0]
            out = os.path.join(folder, f"out-{seed}")
            decision = json.loads(run("classify", study, "--out", out, "--json").stdout)["decision"]
            print(f"seed {seed}: {decision}")
            found.setdefault(decision, out)
            if decision != "not evaluable":  # a few in a hundred lie beyond the domain's limit by design
                studies.append(study)
            seed += 1
        for decision in ("recurrence", "necrosis", "indeterminate"):
            picture(found[decision], decision)
        partial, _ = without_t2(studies[0], os.path.join(folder, "without-t2"))
        refused = os.path.join(folder, "refused")
        run("classify", partial, "--out", refused)
        picture(refused, "not-evaluable")
        picture(revision(folder, studies[0]), "revision")


if __name__ == "__main__":
    main()
