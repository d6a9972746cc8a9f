"""Subcommands as people call them."""

import csv
import json
import os
import shutil

import dicom_tools
from case import FunctionalCase, main
from node import BINARY, BUNDLE, ROOT, run


class Commands(FunctionalCase):
    def test_version(self):
        with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as file:
            version = file.read().strip()
        said = run("--version").stdout
        self.assertIn(version, said)

    def test_wrong_usage(self):
        for words in (("no-such-command",), ("serve",), ("serve", "--config", os.path.join(self.folder, "absent.toml")), ("roles",)):
            done = run(*words, check=False, timeout=30)
            self.assertEqual(done.returncode, 2, f"{words}: {done.stdout}{done.stderr}")
            self.assertTrue(done.stderr.strip(), words)

    def test_a_worker_without_its_node_does_nothing(self):
        """The node says its process id (1 in a container without an init): only another parent than that is none."""
        empty = "parse error"  # there is no request on standard input
        self.assertIn(empty, run("worker", check=False, timeout=60).stderr)
        self.assertIn(empty, run("worker", "--parent", os.getpid(), check=False, timeout=60).stderr)
        orphan = run("worker", "--parent", os.getppid() or 1, check=False, timeout=60)
        self.assertEqual((orphan.returncode, orphan.stdout, orphan.stderr), (1, "", ""))

    def test_example_configuration_is_accepted(self):
        example = os.path.join(ROOT, "config", "glionode.example.toml")
        done = run("check", "--config", example, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_container_configuration_is_accepted(self):
        done = run("check", "--config", os.path.join(ROOT, "docker", "glionode.toml"), check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_phantom_is_reproducible(self):
        first, second, other = self.phantom(41), os.path.join(self.folder, "again"), self.phantom(42)
        run("phantom", second, "--studies", 1, "--seed", 41)

        def contents(folder):
            return {name: open(os.path.join(base, name), "rb").read() for base, _, names in os.walk(folder) for name in names}
        one = contents(first)
        self.assertTrue(one)
        self.assertEqual(one, contents(os.path.join(second, os.path.basename(first))))
        self.assertNotEqual(one, contents(other))

    def test_classify_gives_the_same_twice(self):
        """Promise 4: same study, bundle and software: the same result.json, timings apart, and the same bytes of SR and SC
        except for when they were made."""
        study = self.phantom(43)
        results = []
        for number in (1, 2):
            out = os.path.join(self.folder, f"out-{number}")
            run("classify", study, "--out", out)
            with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
                result = json.load(file)
            self.assertTrue(os.path.exists(os.path.join(out, "sr.dcm")))
            self.assertTrue(os.path.exists(os.path.join(out, "sc-1.dcm")))
            self.assertTrue(os.path.exists(os.path.join(out, "capture-1.png")))
            for step in ("headers", "decode", "registration", "preprocess", "network", "objects", "total"):
                self.assertIn(step, result["timings_ms"])
            del result["timings_ms"]
            results.append(result)
            shutil.rmtree(out)
        self.assertEqual(results[0], results[1])
        self.assertIn(results[0]["decision"], ("recurrence", "necrosis", "indeterminate"))
        self.assertAlmostEqual(results[0]["probability_of_necrosis"] + results[0]["probability_of_recurrence"], 1, 6)

    def test_classify_several_studies_needs_a_choice(self):
        folder = os.path.join(self.folder, "two")
        run("phantom", folder, "--studies", 2, "--seed", 44)
        done = run("classify", folder, "--out", os.path.join(self.folder, "out"), check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)

    def test_roles_by_site_rules(self):
        """A [[role]] of the configuration wins, for its peer only, and is named with its line."""
        table, config = (os.path.join(self.folder, name) for name in ("series.csv", "site.toml"))
        with open(table, "w", encoding="utf-8") as file:
            file.write("SeriesDescription,RepetitionTime\nMPR late,2000\nMPR late,5000\nAX T2,4000\n")
        with open(config, "w", encoding="utf-8") as file:
            file.write('[node]\ndata_dir = "data"\n[model]\nbundle = "bundle"\n'
                       '[[peer]]\nae_title = "PACS"\nhost = "127.0.0.1"\ndeliver = "none"\n[[accept]]\n'
                       '[[role]]\nrole = "t1ce"\nSeriesDescription = "(?i)^mpr"\nRepetitionTime = { max = 3000 }\npeer = "PACS"\n')

        def roles(*more):
            return [row["role"] for row in json.loads(run("roles", table, "--json", *more).stdout)]
        self.assertEqual(roles(), ["none", "none", "t2"])
        self.assertEqual(roles("--config", config), ["none", "none", "t2"])
        self.assertEqual(roles("--config", config, "--peer", "PACS"), ["t1ce", "none", "t2"])
        self.assertIn("site rule 1 (line 10)", run("roles", table, "--config", config, "--peer", "PACS").stdout)
        with open(config, "a", encoding="utf-8") as file:
            file.write("[[role]]\nrole = \"t1c\"\n")
        done = run("roles", table, "--config", config, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean t1ce?", done.stderr)

    def test_site_rules_count_in_classify_and_evaluate(self):
        """A T1 with contrast under a name that says nothing of it: found by the site's rule in every command that looks for
        series, and only by it."""
        study, config, cohort = (os.path.join(self.folder, name) for name in ("study", "site.toml", "cohort.csv"))
        dicom_tools.copy_study(self.phantom(46), study)
        chosen = json.loads(run("roles", study, "--json").stdout)["roles"]["t1ce"]
        files = dicom_tools.series_of(study)[chosen["series_uid"]]
        dicom_tools.modify(files, SeriesDescription="STEALTH", ProtocolName="STEALTH")
        dicom_tools.tool("dcmodify", "-nb", "-imt", "-ea", "ContrastBolusAgent", "-ea", "ContrastBolusRoute", *files)
        with open(config, "w", encoding="utf-8") as file:
            file.write('[node]\ndata_dir = "data"\n[model]\nbundle = "bundle"\n'
                       '[[peer]]\nae_title = "PACS"\nhost = "127.0.0.1"\ndeliver = "none"\n[[accept]]\n'
                       '[[role]]\nrole = "t1ce"\nSeriesDescription = "^STEALTH"\npeer = "PACS"\n')
        with open(cohort, "w", encoding="utf-8") as file:
            file.write("study,patient,label\nstudy,one,necrosis\n")
        for more, found in ((), False), (("--config", config), False), (("--config", config, "--peer", "PACS"), True):
            out = os.path.join(self.folder, "out")
            run("classify", study, "--out", out, *more)
            with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
                result = json.load(file)
            self.assertEqual(result["decision"] != "not evaluable", found, result["reasons"])
            self.assertEqual(bool(result["roles"]["t1ce"]), found)
            run("evaluate", cohort, BUNDLE, "--out", out, *more)
            with open(os.path.join(out, "cases.csv"), encoding="utf-8") as file:
                self.assertEqual("missing_role" not in file.read(), found)
            shutil.rmtree(out)

    def test_lossy_images_are_not_evaluated(self):
        """A series that was compressed with loss on its way, and says so."""
        study, out = (os.path.join(self.folder, name) for name in ("study", "out"))
        dicom_tools.copy_study(self.phantom(48), study)
        chosen = json.loads(run("roles", study, "--json").stdout)["roles"]["t2"]
        dicom_tools.modify(dicom_tools.series_of(study)[chosen["series_uid"]], LossyImageCompression="01")
        run("classify", study, "--out", out)
        with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual(result["decision"], "not evaluable")
        self.assertEqual([reason["code"] for reason in result["reasons"]], ["lossy"])
        self.assertIsNone(result["probability_of_necrosis"])

    def test_roles_of_the_real_study(self):
        roles = json.loads(run("roles", self.real_study(), "--json").stdout)["roles"]
        self.assertEqual({role: chosen and chosen["description"] for role, chosen in roles.items()},
                         {"t1": "T1 AX", "t1ce": "MRHR T1 AX POST GAD", "t2": "MRHR T2 AX"})

    def test_phantom_cohort_of_the_papers_shape(self):
        folder = os.path.join(self.folder, "small")
        run("phantom", folder, "--studies", 4, "--seed", 47, "--prevalence", 0.5, "--hold-out", "1/1")
        with open(os.path.join(folder, "cohort.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(sorted((row["label"], row["split"]) for row in rows),
                         [("necrosis", "test"), ("necrosis", "train"), ("recurrence", "test"), ("recurrence", "train")])
        done = run("phantom", os.path.join(self.folder, "none"), "--studies", 4, "--hold-out", "3/0", check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("--hold-out", done.stderr)

    def test_phantom_refuses_what_is_no_number(self):
        """CLI11 finds NaN in every range and takes -1 for 2^64-1. Nothing is begun for a refused command."""
        folder = os.path.join(self.folder, "refused")
        for option, value in (("--separation", "nan"), ("--separation", "inf"), ("--prevalence", "nan"), ("--prevalence", "inf"),
                              ("--seed", -1), ("--seed", 2 ** 64), ("--hold-out", "4294967297/1"), ("--hold-out", "3/0")):
            done = run("phantom", folder, "--studies", 4, option, value, check=False, timeout=60)
            self.assertEqual(done.returncode, 2, f"{option} {value}: {done.stdout}{done.stderr}")
            self.assertIn(option, done.stderr)
            self.assertFalse(os.path.exists(folder), f"{option} {value}")

    def test_roles_among_distractors(self):
        """A localizer, a FLAIR with T2 in its name, a diffusion trace: on every synthetic site the three are still found."""
        folder = os.path.join(self.folder, "full")
        run("phantom", folder, "--studies", 6, "--seed", 48, "--distractors")
        makers = set()
        for number in range(1, 7):
            study = os.path.join(folder, f"study-{number:04}")
            self.assertEqual(len(os.listdir(study)), 6)
            found = json.loads(run("roles", study, "--json").stdout)
            names = {series["series_uid"]: series for series in found["series"]}
            self.assertEqual(len(names), 6)
            for role, chosen in found["roles"].items():
                self.assertIsNotNone(chosen, f"{role} of study {number}: {found}")
            makers.add(found["roles"]["t2"]["description"])
            chosen = {one["description"].lower() for one in found["roles"].values()}
            self.assertFalse([name for name in chosen if "flair" in name or "tirm" in name or "diff" in name], chosen)
        self.assertGreater(len(makers), 1, "the seed should show several makers' names")

    def test_missing_part_is_said(self):
        done = run("classify", self.phantom(45), "--out", os.path.join(self.folder, "out"), "--bundle",
                   os.path.join(self.folder, "absent"), check=False)
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("absent", done.stderr)
        self.assertTrue(os.path.exists(BINARY))


if __name__ == "__main__":
    main()
