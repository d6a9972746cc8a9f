"""Orthanc as the hospital's PACS: started with its own folder and ports, driven through its REST API."""

import json
import os
import shutil
import urllib.error
import urllib.request

from processes import Failure, Process, free_port, wait_for

AE_TITLE = "HOSPITAL"
NODE = "glionode"  # Orthanc's own name for the node
SR_CLASSES = {"1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.88.33",
              "1.2.840.10008.5.1.4.1.1.88.34"}
SC_CLASSES = {"1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.4"}

# As a hospital's routing rule: every study that has not grown for StableAge seconds goes to the node, whatever is in it.
# Orthanc knows nothing of the node's results: when they land in the study, it becomes stable again and all is sent again.
PUSH_SCRIPT = """
function OnStableStudy(study, tags, metadata)
  RestApiPost('/modalities/%s/store', '{"Resources": ["' .. study .. '"], "Asynchronous": true, "Timeout": 60}')
end
""" % NODE


def executable():
    path = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not path:
        raise Failure("Orthanc is not installed (Debian package: orthanc)")
    return path


class Orthanc:
    def __init__(self, folder, stable_age=2, push=True, name="orthanc", tls=None):
        """`tls`: (key, certificate, trusted certificates) as files; its DICOM port is then TLS only."""
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        self.name = name
        self.stable_age = stable_age
        self.push = push
        self.tls = tls
        self.process = None
        self.dicom_port = self.http_port = 0

    def start(self):
        failure = None
        for _ in range(5):  # a chosen port may be gone by the time that Orthanc binds it
            self.dicom_port, self.http_port = free_port(), free_port()
            self.process = Process(self.name, [executable(), self._write_configuration()], self.folder)
            try:
                wait_for(f"{self.name} to answer", self._answers, 60, alive=self.process.require_running)
                return self
            except Failure as problem:
                failure = problem
                self.stop()
        raise failure

    def _write_configuration(self):
        configuration = {
            "Name": "Hospital", "StorageDirectory": self.folder, "IndexDirectory": self.folder,
            "HttpPort": self.http_port, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "DicomAet": AE_TITLE, "DicomPort": self.dicom_port, "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True, "DicomScpTimeout": 30, "DicomScuTimeout": 30,
            "StableAge": self.stable_age, "OverwriteInstances": False, "JobsHistorySize": 1000, "SaveJobs": False,
            "StorageCompression": False, "SynchronousCMove": True, "LuaScripts": []}
        if self.push:
            script = os.path.join(self.folder, "push.lua")
            with open(script, "w", encoding="utf-8") as out:
                out.write(PUSH_SCRIPT)
            configuration["LuaScripts"] = [script]
        if self.tls:
            configuration.update({"DicomTlsEnabled": True, "DicomTlsPrivateKey": self.tls[0],
                                  "DicomTlsCertificate": self.tls[1], "DicomTlsTrustedCertificates": self.tls[2]})
        path = os.path.join(self.folder, "orthanc.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(configuration, out, indent=2)
        return path

    def _answers(self):
        try:
            return self.get("/system")
        except OSError:
            return None

    def stop(self):
        if self.process:
            self.process.stop()

    # --- REST

    def request(self, path, body=None, method=None, accept=None, timeout=60):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=body,
                                         method=method or ("POST" if body is not None else "GET"))
        if accept:
            request.add_header("Accept", accept)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()

    def get(self, path):
        return json.loads(self.request(path))

    def know_node(self, port, ae_title="GLIONODE"):
        """Tells Orthanc where the node listens (again after the node moved)."""
        body = json.dumps({"AET": ae_title, "Host": "127.0.0.1", "Port": port, "UseDicomTls": bool(self.tls)}).encode()
        self.request(f"/modalities/{NODE}", body, "PUT")

    def upload(self, data):
        """Stores one DICOM file; Orthanc's answer, or None when it is not DICOM."""
        try:
            return json.loads(self.request("/instances", data))
        except urllib.error.HTTPError as refusal:
            if refusal.code == 400:
                return None
            raise

    def upload_folder(self, folder, progress=None):
        """Stores all DICOM files below `folder`. Returns {Orthanc study id: [instance ids]} and the skipped files."""
        studies, skipped = {}, []
        files = sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)
        for number, file in enumerate(files, 1):
            with open(file, "rb") as data:
                answer = self.upload(data.read())
            if answer:
                studies.setdefault(answer["ParentStudy"], []).append(answer["ID"])
            else:
                skipped.append(file)
            if progress:
                progress(number, len(files))
        return studies, skipped

    def instances(self, study):
        """{instance id: {"uid", "sop_class", "series"}} of a study."""
        found = {}
        for entry in self.get(f"/studies/{study}/instances"):
            sop_class = self.request(f"/instances/{entry['ID']}/metadata/SopClassUid").decode().strip("\0 ")
            found[entry["ID"]] = {"uid": entry["MainDicomTags"]["SOPInstanceUID"], "sop_class": sop_class,
                                  "series": entry["ParentSeries"],
                                  "number": int(entry["MainDicomTags"].get("InstanceNumber") or 0)}
        return found

    def results(self, study, known=()):
        """What came into the study beside `known` instances: (SR ids, SC ids, others), SC in order of InstanceNumber."""
        new = {key: value for key, value in self.instances(study).items() if key not in known}
        reports = [key for key, value in new.items() if value["sop_class"] in SR_CLASSES]
        captures = [key for key, value in new.items() if value["sop_class"] in SC_CLASSES]
        captures.sort(key=lambda key: (new[key]["series"], new[key]["number"]))
        return reports, captures, [key for key in new if key not in reports and key not in captures]

    def file(self, instance):
        return self.request(f"/instances/{instance}/file")

    def picture(self, instance):
        return self.request(f"/instances/{instance}/preview", accept="image/png")

    def send(self, study, timeout=300):
        """Pushes the whole study to the node now; Failure if Orthanc says that it did not go through."""
        body = json.dumps({"Resources": [study], "Synchronous": True, "Timeout": 60}).encode()
        try:
            return json.loads(self.request(f"/modalities/{NODE}/store", body, timeout=timeout))
        except urllib.error.HTTPError as refusal:
            raise Failure(f"Orthanc could not push: {refusal.code} {refusal.read().decode('utf-8', 'replace')}") from None

    def send_later(self, study):
        """Starts such a push in the background; returns the job's id."""
        body = json.dumps({"Resources": [study], "Asynchronous": True, "Timeout": 60}).encode()
        return json.loads(self.request(f"/modalities/{NODE}/store", body))["ID"]

    def stable_events(self, study):
        """How often the study became stable so far."""
        count, since = 0, 0
        while True:
            page = self.get(f"/changes?since={since}&limit=500")
            count += sum(1 for change in page["Changes"] if change["ChangeType"] == "StableStudy" and change["ID"] == study)
            if page["Done"]:
                return count
            since = page["Last"]

    def pushes(self):
        """All pushes to the node: [{"id", "state", "error", ...}], in the order of their making."""
        jobs = [job for job in self.get("/jobs?expand") if job["Type"] == "DicomModalityStore"]
        jobs.sort(key=lambda job: (job["CreationTime"], job["ID"]))
        return [{"id": job["ID"], "state": job["State"], "error": job.get("ErrorDescription", ""),
                 "details": job.get("ErrorDetails", ""), "seconds": job.get("EffectiveRuntime", 0)} for job in jobs]

    def make_stable_again(self, study, instance):
        """Takes one instance out and puts the same bytes in: the study becomes stable once more, and is pushed again."""
        data = self.file(instance)
        before = self.stable_events(study)
        self.request(f"/instances/{instance}", method="DELETE")
        self.upload(data)
        wait_for("the study to become stable again", lambda: self.stable_events(study) > before, 60,
                 alive=self.process.require_running)

    def wait_pushed(self, count, seconds=120):
        """Waits until at least `count` pushes are done, well or not, and none is under way."""
        def done():
            jobs = self.pushes()
            return len(jobs) >= count and all(job["state"] in ("Success", "Failure") for job in jobs) and jobs
        return wait_for(f"Orthanc to finish push number {count}", done, seconds, alive=self.process.require_running)
