"""Training and evaluating as a person does it: cohort in, bundle out, broken off and gone on with, evaluated elsewhere."""

import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

import dicom_tools
import processes

BINARY = os.environ["GLIONODE_BINARY"]
TRAIN = ["--network", "resnet10", "--width", "0.0625", "--shape", "32", "--batch", "2", "--seed", "3",
         "--threads", "1", "--device", "cpu"]


def glionode(*words, check=True, **more):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=600, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"glionode {words[0]}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def write_nifti(path, size, values):
    """float32 NIfTI-1 with 6 mm voxels, axes right, anterior, superior."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, size, size, size, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 16, 32)
    struct.pack_into("<8f", header, 76, 1, 6, 6, 6, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    struct.pack_into("<h", header, 254, 1)
    half = -3.0 * (size - 1)
    struct.pack_into("<12f", header, 280, 6, 0, 0, half, 0, 6, 0, half, 0, 0, 6, half)
    header[344:348] = b"n+1\0"
    with open(path, "wb") as file:
        file.write(bytes(header) + struct.pack(f"<{len(values)}f", *values))


class Training(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="glionode-training-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.cohort = os.path.join(self.folder, "cohort")

    def make_cohort(self, studies=10):
        glionode("phantom", self.cohort, "--studies", studies, "--seed", 31)

    def train(self, out, *more, epochs=4, check=True):
        return glionode("train", os.path.join(self.cohort, "cohort.csv"), "--out", out, "--cache",
                        os.path.join(self.folder, "cache"), *TRAIN, "--epochs", epochs, *more, check=check)

    def test_train_evaluate_and_exclusion(self):
        self.make_cohort()
        self.check_mistakes()
        bundle = os.path.join(self.folder, "bundle")
        done = self.train(bundle + "/", "--folds", "2")  # as the shell completes it
        self.assertIn("that the judging network did not learn from: AUC", done.stdout)
        self.assertIn("no out-of-domain limit", done.stdout)
        self.check_starting_weights(bundle)
        self.check_nothing_is_trained_over(bundle)
        self.check_twins()
        for name in ("curves.csv", "curves.html", "out-of-fold/report.html", "out-of-fold/metrics.json"):
            self.assertTrue(os.path.isfile(os.path.join(bundle + ".training", name)), name)
        self.assertEqual(sorted(os.listdir(bundle)), ["bundle.json", "weights.safetensors"])
        cohort = os.path.join(self.cohort, "cohort.csv")
        refused = glionode("evaluate", cohort, bundle, "--out", bundle + "-apparent", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--apparent", refused.stderr)
        glionode("evaluate", cohort, bundle, "--out", bundle + "-apparent", "--apparent", "--cache",
                 os.path.join(self.folder, "cache"))
        with open(os.path.join(bundle + "-apparent", "report.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("APPARENT", page)
        self.assertIn("known ceiling", page)
        self.assertIn("Does the activation map show", page)
        with open(os.path.join(bundle + "-apparent", "metrics.json"), encoding="utf-8") as file:
            metrics = json.load(file)
        self.assertTrue(metrics["apparent"])
        self.assertAlmostEqual(metrics["phantom"]["separation"], 1.812, places=5)
        # Half of the patients are new: they alone are measured.
        mixed = os.path.join(self.folder, "mixed")
        shutil.copytree(self.cohort, mixed)
        with open(os.path.join(mixed, "cohort.csv"), encoding="utf-8") as file:
            header, *rows = file.read().splitlines()
        patient, label = header.split(",").index("patient"), header.split(",").index("label")
        rows = [row.split(",") for row in rows]
        new = [i for i, row in enumerate(rows) if row[label] == "necrosis"][:3]
        new += [i for i, row in enumerate(rows) if row[label] == "recurrence"][:2]
        for i in new:
            rows[i][patient] = f"NEW-{i}"
        rows[new[0]][label] = "mixed"

        def write(name, chosen):
            with open(os.path.join(mixed, name), "w", encoding="utf-8") as file:
                file.write("\n".join([header, *(",".join(row) for row in chosen)]) + "\n")
        write("cohort.csv", rows)
        write("one-class.csv", [rows[i] for i in new[1:3]])
        write("only-mixed.csv", [rows[new[0]]])
        out = mixed + "-out"

        def evaluate(table, *more, check=True):
            return glionode("evaluate", os.path.join(mixed, table), bundle, "--out", out, "--cache",
                            os.path.join(self.folder, "cache"), *more, check=check)
        evaluate("cohort.csv")
        with open(os.path.join(out, "metrics.json"), encoding="utf-8") as file:
            counts = json.load(file)
        self.assertEqual(counts["counts"]["excluded_training_patients"], 5)
        self.assertEqual(counts["counts"]["cases"], 4)
        self.assertEqual(counts["other_labels"]["mixed"]["studies"], 1)
        with open(os.path.join(mixed, "cohort.csv"), "rb") as file:
            self.assertEqual(counts["cohort_sha256"], hashlib.sha256(file.read()).hexdigest())
        self.check_record(bundle, out, evaluate)

    def check_record(self, bundle, out, evaluate):
        """What reports quote as tested was tested on new cases of both classes, and the report names the bundle as it is then."""
        json_file = os.path.join(bundle, "bundle.json")
        with open(json_file, "rb") as file:
            before = file.read()
        refused = glionode("evaluate", os.path.join(self.cohort, "cohort.csv"), bundle, "--out", out, "--apparent",
                           "--record", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--record with --apparent", refused.stderr)
        refused = evaluate("one-class.csv", "--record", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("cases of both classes", refused.stderr)
        for more in ([], ["--apparent"]):
            refused = evaluate("only-mixed.csv", *more, check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("labelled recurrence or necrosis", refused.stderr)
        with open(json_file, "rb") as file:
            self.assertEqual(file.read(), before)
        evaluate("cohort.csv", "--record")
        with open(json_file, "rb") as file:
            recorded = file.read()
        with open(os.path.join(bundle, "weights.safetensors"), "rb") as file:
            weights = file.read()
        figures = json.loads(recorded)["evaluation"]
        self.assertEqual((figures["cohort"], figures["necrosis"], figures["recurrence"]), ("fresh phantoms", 2, 2))
        with open(os.path.join(out, "metrics.json"), encoding="utf-8") as file:
            reported = json.load(file)["bundle"]
        self.assertEqual(reported["sha256"], hashlib.sha256(recorded + weights).hexdigest())
        self.assertEqual(reported["weights_sha256"], hashlib.sha256(weights).hexdigest())
        # Phantoms of which nobody knows what was drawn are a cohort like any other.
        os.remove(os.path.join(self.folder, "mixed", "truth.csv"))
        evaluate("cohort.csv", "--record")
        with open(json_file, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["evaluation"]["cohort"], "cohort.csv")

    def test_kill_and_resume(self):
        self.make_cohort()
        whole, broken = os.path.join(self.folder, "whole"), os.path.join(self.folder, "broken")
        self.train(whole)
        checkpoint = os.path.join(broken, "training-checkpoint.pt")
        command = [BINARY, "train", os.path.join(self.cohort, "cohort.csv"), "--out", broken, "--cache",
                   os.path.join(self.folder, "cache"), *TRAIN, "--epochs", "4"]
        for end in (signal.SIGKILL, signal.SIGINT):
            before = os.stat(checkpoint).st_mtime_ns if os.path.exists(checkpoint) else 0
            more = ["--resume"] if before else []
            running = subprocess.Popen(command + more, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            processes.wait_for("a checkpoint", lambda: running.poll() is not None or (
                os.path.exists(checkpoint) and os.stat(checkpoint).st_mtime_ns > before), 300)
            running.send_signal(end)
            _, errors = running.communicate(timeout=120)
            if end == signal.SIGINT and running.returncode != 0:  # it may have been through already
                self.assertIn("--resume", errors)
            self.assertTrue(os.path.exists(checkpoint) or os.path.exists(os.path.join(broken, "bundle.json")))
        if not os.path.exists(os.path.join(broken, "bundle.json")):
            self.train(broken, "--resume")
        with open(os.path.join(whole, "weights.safetensors"), "rb") as a, \
                open(os.path.join(broken, "weights.safetensors"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.check_full_disk()

    def check_full_disk(self):
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True,
                                 text=True, check=False)
        self.assertEqual(mounted.returncode, 0, f"a small tmpfs is needed for this test (root): {mounted.stderr}")
        try:
            done = self.train(os.path.join(disk, "bundle"), epochs=2, check=False)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("No space left on device", done.stderr)
            left = [name for _, _, names in os.walk(disk) for name in names]
            self.assertFalse([name for name in left if name.endswith(".tmp")], "half a file is left")
            self.assertNotIn("bundle.json", left)
        finally:
            subprocess.run(["umount", disk], check=True)

    def check_mistakes(self):
        table = os.path.join(self.folder, "bad.csv")
        with open(table, "w", encoding="utf-8") as file:
            file.write("study,patient,label\ncohort/study-0001,P1,necrosis\nnowhere,P2,tumour\n")
        refused = glionode("train", table, "--network", "resnet10", "--out", os.path.join(self.folder, "x"), check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("row 2: study \"nowhere\" is no folder", refused.stderr)
        self.assertIn("row 2: label \"tumour\"", refused.stderr)

    def check_starting_weights(self, bundle):
        weights = os.path.join(bundle, "weights.safetensors")
        done = self.train(os.path.join(self.folder, "second"), "--init", weights, epochs=1)
        self.assertIn("loaded (", done.stdout)
        self.assertIn("conv1.weight", done.stdout)
        refused = self.train(os.path.join(self.folder, "third"), "--layout", "strided", "--init", weights, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("learned with layout dilated", refused.stderr)
        self.assertIn("10 of these patients taught the starting weights already", done.stdout)

    def check_nothing_is_trained_over(self, bundle):
        with open(os.path.join(bundle, "bundle.json"), "rb") as file:
            before = file.read()
        for more in ([], ["--resume"]):
            refused = self.train(bundle, *more, epochs=1, check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("bundle.json: a finished bundle is there", refused.stderr)
        with open(os.path.join(bundle, "bundle.json"), "rb") as file:
            self.assertEqual(file.read(), before)

    def check_twins(self):
        """A study that was copied under another patient's name would stand on both sides of a fold."""
        shutil.copytree(os.path.join(self.cohort, "study-0002"), os.path.join(self.cohort, "copy"))
        table = os.path.join(self.cohort, "twins.csv")
        with open(os.path.join(self.cohort, "cohort.csv"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        with open(table, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n" + "copy,SOMEBODY-ELSE," + ",".join(lines[2].split(",")[2:]) + "\n")
        refused = glionode("train", table, "--out", os.path.join(self.folder, "twins"), "--cache",
                           os.path.join(self.folder, "cache"), *TRAIN, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("row 11 (copy): the images of row 2 (study-0002)", refused.stderr)
        shutil.rmtree(os.path.join(self.cohort, "copy"))

    def test_site_rules_count_in_train(self):
        """A cohort whose T1 with contrast has a name that says nothing of it: trained on by the site's rule, and only by it."""
        self.make_cohort()
        for study in sorted(os.listdir(self.cohort)):
            folder = os.path.join(self.cohort, study, "t1ce")
            if os.path.isdir(folder):
                files = [os.path.join(folder, name) for name in os.listdir(folder)]
                dicom_tools.modify(files, SeriesDescription="STEALTH", ProtocolName="STEALTH")
                dicom_tools.tool("dcmodify", "-nb", "-imt", "-ea", "ContrastBolusAgent", "-ea", "ContrastBolusRoute", *files)
        config = os.path.join(self.folder, "site.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write('[node]\ndata_dir = "data"\n[model]\nbundle = "bundle"\n'
                       '[[peer]]\nae_title = "PACS"\nhost = "127.0.0.1"\ndeliver = "none"\n[[accept]]\n'
                       '[[role]]\nrole = "t1ce"\nSeriesDescription = "^STEALTH"\n')
        bundle = os.path.join(self.folder, "bundle")
        refused = self.train(bundle, epochs=1, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("missing_role", refused.stdout + refused.stderr)
        self.assertFalse(os.path.exists(os.path.join(bundle, "bundle.json")))
        self.train(bundle, "--config", config, epochs=1)
        with open(os.path.join(bundle, "bundle.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["training"]["patients"], 10)

    def test_skull_stripped_files_and_a_dicom_study(self):
        """A bundle made from skull-stripped NIfTI files refuses a DICOM study in words."""
        self.make_cohort(1)
        folder = os.path.join(self.folder, "nifti")
        os.mkdir(folder)
        size = 32
        rows = ["t1,t2,t1ce,patient,label,input_state"]
        for case in range(10):
            names = []
            for contrast, name in enumerate(("t1", "t2", "t1ce")):
                values = []
                for z in range(size):
                    for y in range(size):
                        for x in range(size):
                            r = ((x - 15.5) / 11) ** 2 + ((y - 15.5) / 13) ** 2 + ((z - 15.5) / 10) ** 2
                            lesion = ((x - 20) ** 2 + (y - 16) ** 2 + (z - 16) ** 2) ** 0.5
                            value = 0 if r > 1 else 100 + 20 * contrast + (x * 7 + y * 5 + z * 3 + case) % 11
                            if r <= 1 and lesion < 4 and name == "t1ce":
                                value += 150 if case % 2 == 0 or lesion > 2 else 0
                            values.append(float(value))
                names.append(f"{case}-{name}.nii")
                write_nifti(os.path.join(folder, names[-1]), size, values)
            rows.append(",".join(names) + f",P{case},{'necrosis' if case % 2 else 'recurrence'},skull-stripped")
        with open(os.path.join(folder, "cohort.csv"), "w", encoding="utf-8") as file:
            file.write("\n".join(rows) + "\n")
        bundle = os.path.join(folder, "bundle")
        done = glionode("train", os.path.join(folder, "cohort.csv"), "--out", bundle, *TRAIN, "--epochs", "2",
                        check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(bundle, "bundle.json"), encoding="utf-8") as file:
            made = json.load(file)
        self.assertEqual(made["preprocessing"]["input_state"], "skull-stripped")
        self.assertEqual(made["domain"], "patient")
        study = os.path.join(self.cohort, "study-0001")
        glionode("classify", study, "--bundle", bundle, "--out", os.path.join(folder, "one"))
        with open(os.path.join(folder, "one", "result.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual(result["decision"], "not evaluable")
        self.assertIsNone(result["probability_of_necrosis"])
        self.assertIn("out_of_domain", [reason["code"] for reason in result["reasons"]])
        self.assertIn("skull-stripped", " ".join(reason["text"] for reason in result["reasons"]))
        # Values around 0 instead of above it: the darker half would count as background.
        write_nifti(os.path.join(folder, "0-t2.nii"), size, [v - 145 if v else 0.0 for v in values])
        done = glionode("train", os.path.join(folder, "cohort.csv"), "--out", bundle + "-2", *TRAIN, "--epochs", "1",
                        check=False)
        self.assertIn("row 1 (0-t1.nii) is left out", done.stdout)
        self.assertIn("it looks normalised already", done.stdout)


if __name__ == "__main__":
    unittest.main()
