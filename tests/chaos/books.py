"""Three books compared: what senders were told Success for, what the node's files and index hold, what the PACS holds."""

import concurrent.futures
import json
import os
import re
import sqlite3

from senders import SLICES, picture

SR = "1.2.840.10008.5.1.4.1.1.88."
SC = "1.2.840.10008.5.1.4.1.1.7"


class Verdict:
    def __init__(self):
        self.lost, self.missing, self.duplicate, self.misfiled = [], [], [], []


def rows(index, sql, *parameters):
    return [dict(row) for row in index.execute(sql, parameters)]


def check_instances(data, index, book, verdict):
    stored = {}
    for row in rows(index, "SELECT sop_instance_uid, file FROM instances WHERE removed_at = 0"):
        stored.setdefault(row["sop_instance_uid"], []).append(os.path.join(data, row["file"]))
    for (uid, pixels), number in book.acknowledged.items():
        files = stored.get(uid, [])
        if not any(os.path.exists(file) and picture(file) == pixels for file in files):
            verdict.lost.append(f"study {number}: instance {uid} was acknowledged; the index names {files or 'nothing'}")


def newest_selection(index, uid):
    """(revision, {role: [file, relative to the data folder]}) of the newest result's inputs."""
    found = rows(index, "SELECT r.revision, j.inputs_json FROM results r JOIN jobs j ON j.id = r.job_id WHERE r.study_uid = ? "
                 "ORDER BY r.revision DESC LIMIT 1", uid)
    if not found:
        return None
    inputs = json.loads(found[0]["inputs_json"])["inputs"]
    return found[0]["revision"], {role: [file for _, _, file in given["instances"]] for role, given in inputs.items()}


def check_results(data, index, studies, in_pacs, verdict):
    for study in studies:
        if not study.sent_completely:
            continue
        selection = newest_selection(index, study.uid)
        if not selection:
            state = rows(index, "SELECT state, why FROM studies WHERE study_uid = ?", study.uid)
            verdict.missing.append(f"study {study.number}: no result; it is {state}")
            continue
        _, roles = selection
        if sorted(roles) != ["t1", "t1ce", "t2"] or any(len(files) != SLICES for files in roles.values()):
            verdict.missing.append(f"study {study.number}: the newest result rests on {({r: len(f) for r, f in roles.items()})}")
        elif study.corrected:
            wanted = {picture(file) for file in study.files("corrected")}
            if {picture(os.path.join(data, file)) for file in roles["t2"]} != wanted:
                verdict.missing.append(f"study {study.number}: the newest result rests on the T2 before its correction")
        objects = rows(index, "SELECT o.sop_instance_uid uid, o.kind, r.revision FROM objects o JOIN results r ON r.id = o.result_id "
                       "WHERE r.study_uid = ?", study.uid)
        newest = max(o["revision"] for o in objects)
        held = in_pacs.get(study.uid, {})
        for o in objects:
            if o["revision"] == newest and o["uid"] not in held:
                sent = rows(index, "SELECT b.peer_ae, b.state, b.last_status FROM outbox b JOIN objects o ON o.id = b.object_id "
                            "WHERE o.sop_instance_uid = ?", o["uid"])
                # Another class of the report may have gone instead.
                if o["kind"] == "sr" and any(cls.startswith(SR) for cls in held.values()) and all(
                        row["state"] == "withdrawn" for row in sent) and sent:
                    continue
                verdict.missing.append(f"study {study.number}: {o['kind']} {o['uid']} is not in the PACS; the outbox says {sent}")
        known = {o["uid"] for o in objects}
        for uid, sop_class in held.items():
            if (sop_class.startswith(SR) or sop_class.startswith(SC)) and uid not in known:
                verdict.duplicate.append(f"study {study.number}: {uid} is in the PACS, and no result of the node")
        keys = [json.loads(row["inputs_json"])["selection_key"] for row in
                rows(index, "SELECT j.inputs_json FROM results r JOIN jobs j ON j.id = r.job_id WHERE r.study_uid = ? ORDER BY r.revision",
                     study.uid)]
        for before, after in zip(keys, keys[1:]):
            if before == after:
                verdict.duplicate.append(f"study {study.number}: two revisions in a row rest on the same images")


NAMES = re.compile(r"2\.25\.[0-9]+|CHAOS-[0-9A-Za-z-]+")  # every UID and Patient ID that a tiny study has


def read_pacs(pacs, studies, verdict):
    """{study UID: {SOP Instance UID: SOP class}} of all that is no MR image; whose study an object of ours names is checked
    on the way."""
    owner = {name: study.uid for study in studies for name in (study.uid, study.patient)}
    patients = {study.uid: study.patient for study in studies}
    held = {}
    ours = [instance for series in pacs.get("/series?expand") if series["MainDicomTags"].get("Modality") != "MR"
            for instance in series["Instances"]]
    with concurrent.futures.ThreadPoolExecutor(4) as readers:
        for tags in readers.map(lambda instance: pacs.get(f"/instances/{instance}/simplified-tags"), ours):
            sop_class = tags.get("SOPClassUID", "")
            study, uid = tags["StudyInstanceUID"], tags["SOPInstanceUID"]
            held.setdefault(study, {})[uid] = sop_class
            if patients.get(study) != tags.get("PatientID"):
                verdict.misfiled.append(f"{uid} names patient {tags.get('PatientID')} in study {study}")
            for name in set(NAMES.findall(json.dumps(tags))):
                if owner.get(name, study) != study:
                    verdict.misfiled.append(f"{uid} of {study} names {name}")
    return held


def compare(data, book, studies, pacs):
    """The node is stopped; the PACS answers."""
    verdict = Verdict()
    index = sqlite3.connect(f"file:{os.path.join(data, 'index.sqlite')}?mode=ro", uri=True)
    index.row_factory = sqlite3.Row
    try:
        check_instances(data, index, book, verdict)
        check_results(data, index, studies, read_pacs(pacs, studies, verdict), verdict)
    finally:
        index.close()
    return verdict
