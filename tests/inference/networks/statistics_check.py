"""The figures of metrics.json against independent ones: scikit-learn, SciPy and NumPy, on random cohorts.

usage: statistics_check.py PROBE   (the program metrics_probe)
"""

import json
import subprocess
import sys
import unittest

import numpy as np
from scipy import optimize, stats
from scipy.stats import contingency
from sklearn import metrics
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier

PROBE = None


def probe(*runs):
    done = subprocess.run([PROBE], input=json.dumps({"runs": runs}), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def cohort(seed, necrosis, recurrence, spread=1.0, digits=None):
    """Truth and two correlated readers of it; with `digits` the probabilities are rounded and tie."""
    draw = np.random.default_rng(seed)
    truth = np.array([1] * necrosis + [0] * recurrence)
    draw.shuffle(truth)
    shared = draw.normal(size=truth.size)
    readers = []
    for strength in (1.2, 0.8):
        logit = spread * (strength * (2 * truth - 1) + shared + 0.5 * draw.normal(size=truth.size))
        p = 1 / (1 + np.exp(-logit))
        readers.append(np.round(p, digits) if digits is not None else p)
    return truth, readers[0], readers[1]


def run(name, truth, p, **more):
    cases = [{"study": f"s{i}", "patient": f"p{i}", "label": "necrosis" if t else "recurrence", "p": float(q)}
             for i, (t, q) in enumerate(zip(truth, p))]
    for key, values in more.items():
        if key not in ("separation", "calibrated_share"):
            for case, value in zip(cases, values):
                case[key] = value
    made = {"name": name, "cases": cases}
    made.update({key: more[key] for key in ("separation", "calibrated_share") if key in more})
    return made


def pair_kernel(truth, p):
    """1 where a necrosis stands above a recurrence, 1/2 for a tie: the AUC is its mean."""
    pairs = p[truth == 1][:, None] - p[truth == 0][None, :]
    return (pairs > 0) + 0.5 * (pairs == 0)


def delong(truth, first, second):
    """Difference of AUC with its standard error, from the kernel matrix of all pairs (not from ranks)."""
    difference = pair_kernel(truth, first) - pair_kernel(truth, second)
    variance = np.var(difference.mean(axis=1), ddof=1) / difference.shape[0]
    variance += np.var(difference.mean(axis=0), ddof=1) / difference.shape[1]
    return difference.mean(), np.sqrt(variance)


COHORTS = [(1, 9, 49, 1.0, None), (2, 40, 180, 2.0, None), (3, 100, 100, 0.7, 1), (4, 60, 45, 1.0, 2),
           (5, 300, 700, 1.0, None)]


class Statistics(unittest.TestCase):
    def close(self, ours, theirs, tolerance=1e-9):
        self.assertIsNotNone(ours)
        self.assertAlmostEqual(ours, theirs, delta=tolerance * max(1, abs(theirs)))

    def share(self, ours, hits, of):
        self.assertEqual((ours["hits"], ours["of"]), (hits, of))
        self.close(ours["value"], hits / of)
        exact = stats.binomtest(int(hits), int(of)).proportion_ci(method="exact")
        self.close(ours["interval"][0], exact.low)
        self.close(ours["interval"][1], exact.high)

    def test_shares_auc_precision_and_brier(self):
        for settings in COHORTS:
            with self.subTest(settings):
                truth, p, _ = cohort(*settings)
                ours = probe(run("a", truth, p))
                called = p > 0.5
                (tn, fp), (fn, tp) = metrics.confusion_matrix(truth, called, labels=[0, 1])
                for key, hits, of in (("sensitivity", tp, tp + fn), ("specificity", tn, tn + fp),
                                      ("accuracy", tp + tn, truth.size)):
                    exact = stats.binomtest(int(hits), int(of)).proportion_ci(method="exact")
                    self.close(ours[key], hits / of)
                    self.close(ours["intervals"][key][0], exact.low)
                    self.close(ours["intervals"][key][1], exact.high)
                for key, hits, of in (("ppv", tp, tp + fp), ("npv", tn, tn + fn)):
                    exact = stats.binomtest(int(hits), int(of)).proportion_ci(method="exact")
                    self.close(ours[key]["value"], hits / of)
                    self.close(ours[key]["interval"][0], exact.low)
                    self.close(ours[key]["interval"][1], exact.high)
                self.close(ours["auc"], metrics.roc_auc_score(truth, p))
                self.close(ours["average_precision"]["value"], metrics.average_precision_score(truth, p))
                self.close(ours["brier"], metrics.brier_score_loss(truth, p))
                self.close(ours["balanced_accuracy"]["value"], metrics.balanced_accuracy_score(truth, called))
                squares = (p - truth) ** 2
                low, high = stats.norm.interval(0.95, loc=squares.mean(), scale=stats.sem(squares))
                self.close(ours["intervals"]["brier"][0], max(0, low))
                self.close(ours["intervals"]["brier"][1], min(1, high))
                if fp and fn:
                    ratios = metrics.class_likelihood_ratios(truth, called, labels=[0, 1])
                    self.close(ours["likelihood_ratio_called_necrosis"]["value"], ratios[0])
                    self.close(ours["likelihood_ratio_called_recurrence"]["value"], ratios[1])
                    for key, a, b in (("necrosis", tp, fp), ("recurrence", fn, tn)):
                        # A ratio of two shares is a relative risk; SciPy has Katz's logarithmic interval of it.
                        risk = contingency.relative_risk(int(a), int(tp + fn), int(b), int(tn + fp)).confidence_interval()
                        interval = ours[f"likelihood_ratio_called_{key}"]["interval"]
                        self.close(interval[0], risk.low)
                        self.close(interval[1], risk.high)

    def test_balanced_accuracy_and_majority(self):
        for settings in COHORTS:
            with self.subTest(settings):
                truth, p, _ = cohort(*settings)
                ours = probe(run("a", truth, p))
                called = p > 0.5
                below = above = 0
                for side in (called[truth == 1], ~called[truth == 0]):
                    exact = stats.binomtest(int(side.sum()), int(side.size)).proportion_ci(method="exact")
                    below += (side.mean() - exact.low) ** 2
                    above += (exact.high - side.mean()) ** 2
                value = metrics.balanced_accuracy_score(truth, called)
                low, high = ours["balanced_accuracy"]["interval"]
                self.close(low, max(0, value - np.sqrt(below) / 2))
                self.close(high, min(1, value + np.sqrt(above) / 2))
                always = DummyClassifier(strategy="most_frequent").fit(p[:, None], truth)
                self.close(ours["majority_baseline_accuracy"], always.score(p[:, None], truth))
                self.close(ours["prevalence"], truth.mean())
                self.close(ours["brier_of_a_constant"],
                           metrics.brier_score_loss(truth, np.full(truth.size, truth.mean())))

    def test_other_prevalences(self):
        """Cases weighed so that necrosis has the other share give what Bayes gives."""
        for settings in COHORTS:
            with self.subTest(settings):
                truth, p, _ = cohort(*settings)
                called = p > 0.5
                rows = probe(run("a", truth, p))["at_other_prevalences"]
                self.assertEqual([row["prevalence"] for row in rows], [0.1, 0.18, 0.3, 0.5])
                for row in rows:
                    share = row["prevalence"]
                    weights = np.where(truth == 1, share / truth.sum(), (1 - share) / (1 - truth).sum())
                    for key, positive, call in (("ppv", truth, called), ("npv", 1 - truth, ~called)):
                        if call.any():
                            self.close(row[key], metrics.precision_score(positive, call, sample_weight=weights))
                        else:
                            self.assertIsNone(row[key])

    def test_interval_of_average_precision_draws_patients(self):
        for settings, studies in ((COHORTS[1], 1), (COHORTS[3], 3)):
            with self.subTest(settings):
                truth, p, _ = cohort(*settings)
                patient = np.arange(truth.size) // studies
                ours = probe(run("a", truth, p, patient=[f"p{i}" for i in patient]))
                self.assertEqual(ours["counts"]["patients"], patient[-1] + 1)
                groups = [np.flatnonzero(patient == i) for i in range(patient[-1] + 1)]
                strata = [[g for g in groups if truth[g].any() == side] for side in (False, True)]
                draw = np.random.default_rng(13)
                values = []
                for _ in range(2000):
                    rows = np.concatenate([side[i] for side in strata if side
                                           for i in draw.integers(0, len(side), len(side))])
                    values.append(metrics.average_precision_score(truth[rows], p[rows]))
                low, high = np.percentile(values, [2.5, 97.5])
                interval = ours["average_precision"]["interval"]
                self.assertAlmostEqual(interval[0], low, delta=0.15 * (high - low))
                self.assertAlmostEqual(interval[1], high, delta=0.15 * (high - low))

    def test_decisions(self):
        for settings in COHORTS:
            with self.subTest(settings):
                truth, p, _ = cohort(*settings)
                words = np.array(["recurrence", "necrosis", "indeterminate", "not evaluable"])
                decision = np.random.default_rng(17).choice(4, truth.size, p=[0.4, 0.3, 0.2, 0.1])
                p = np.where(decision == 3, -1, p)  # what is not evaluable has no probability
                ours = probe(run("a", truth, p, decision=words[decision].tolist()))
                table = metrics.confusion_matrix(truth, decision, labels=[0, 1, 2, 3])[:2]
                for row, label in zip(table, ("recurrence", "necrosis")):
                    self.assertEqual([ours["decisions"][label][word] for word in words], row.tolist())
                decided = decision < 2
                for part, among in (("decided_only", decided), ("all_eligible", np.full(truth.size, True))):
                    right = decision == truth
                    for key, chosen in (("sensitivity", among & (truth == 1)), ("specificity", among & (truth == 0)),
                                        ("accuracy", among)):
                        self.share(ours["by_decision"][part][key], (right & chosen).sum(), chosen.sum())
                self.share(ours["by_decision"]["all_eligible"]["indeterminate"], (decision == 2).sum(), truth.size)
                self.share(ours["by_decision"]["all_eligible"]["not_evaluable"], (decision == 3).sum(), truth.size)
                judged = decision != 3
                self.close(ours["auc"], metrics.roc_auc_score(truth[judged], p[judged]))
                self.assertEqual(ours["not_evaluable_reasons"], {"not stated": int((~judged).sum())} if (~judged).any() else {})

    def test_a_likelihood_ratio_of_zero(self):
        truth = np.array([1] * 10 + [0] * 10)
        ours = probe(run("a", truth, np.where(truth == 1, 0.9, np.linspace(0.1, 0.8, 20))))
        self.assertEqual(ours["likelihood_ratio_called_recurrence"], {"value": 0.0, "interval": [0.0, None]})

    def test_interval_of_auc_solves_its_equation(self):
        for settings in COHORTS:
            truth, p, _ = cohort(*settings)
            ours = probe(run("a", truth, p))
            auc, n, m = ours["auc"], int(truth.sum()), int((1 - truth).sum())
            star = (n + m) / 2 - 1

            def error(theta):
                return np.sqrt(theta * (1 - theta) * (1 + star * (1 - theta) / (2 - theta) + star * theta / (1 + theta))
                               / (n * m))

            z = stats.norm.ppf(0.975)
            low = optimize.brentq(lambda t: auc - t - z * error(t), 1e-9, auc)
            high = optimize.brentq(lambda t: t - auc - z * error(t), auc, 1 - 1e-9)
            self.close(ours["intervals"]["auc"][0], low, 1e-6)
            self.close(ours["intervals"]["auc"][1], high, 1e-6)

    def test_calibration_and_decision_curve(self):
        for settings in COHORTS[1:]:
            with self.subTest(settings):
                truth, p, _ = cohort(*settings)
                p = np.clip(p, 0.001, 0.999)
                ours = probe(run("a", truth, p))
                x = np.log(p / (1 - p))

                def loss(at):
                    z = at[0] + at[1] * x
                    return np.sum(np.logaddexp(0, z) - truth * z)

                fit = optimize.minimize(loss, [0, 1], method="Nelder-Mead",
                                        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 10000})
                self.close(ours["calibration"]["slope"]["value"], fit.x[1], 1e-5)
                large = optimize.minimize_scalar(lambda a: loss([a, 1]))
                self.close(ours["calibration"]["intercept_at_slope_1"]["value"], large.x, 1e-5)
                w = 1 / (1 + np.exp(-(fit.x[0] + fit.x[1] * x)))
                w = w * (1 - w)
                information = np.array([[w.sum(), (w * x).sum()], [(w * x).sum(), (w * x * x).sum()]])
                error = np.sqrt(np.linalg.inv(information)[1, 1])
                self.close(ours["calibration"]["slope"]["interval"][0], fit.x[1] - stats.norm.ppf(0.975) * error, 1e-4)
                groups = ours["calibration"]["groups"]
                self.assertEqual(sum(g["cases"] for g in groups), truth.size)
                self.assertEqual(sum(g["necrosis"] for g in groups), truth.sum())
                for point in ours["decision_curve"]:
                    t = point["threshold"]
                    called = p > t
                    benefit = (called & (truth == 1)).mean() - (called & (truth == 0)).mean() * t / (1 - t)
                    self.close(point["network"], benefit)
                    self.close(point["calling_all_necrosis"], truth.mean() - (1 - truth.mean()) * t / (1 - t))

    def test_other_thresholds(self):
        for settings in COHORTS:
            with self.subTest(settings):
                truth, p, _ = cohort(*settings)
                points = probe(run("a", truth, p, calibrated_share=0.18))["operating_points"]
                self.assertEqual([round(point["threshold"], 3) for point in points], [0.667, 0.5, 0.333, 0.2, 0.18])
                for point in points:
                    called = p > point["threshold"]
                    self.close(point["sensitivity"]["value"], metrics.recall_score(truth, called))
                    self.close(point["specificity"]["value"], metrics.recall_score(1 - truth, ~called))
                    self.close(point["accuracy"]["value"], metrics.accuracy_score(truth, called))
                    exact = stats.binomtest(int((called & (truth == 1)).sum()), int(truth.sum())).proportion_ci(method="exact")
                    self.close(point["sensitivity"]["interval"][0], exact.low)
        self.assertEqual(len(probe(run("a", truth, p))["operating_points"]), 4)  # a share that nobody knows

    def test_few_events_hide_the_curves(self):
        truth, p, _ = cohort(*COHORTS[0])
        ours = probe(run("a", truth, p))
        self.assertIsNone(ours["calibration"])
        self.assertIsNone(ours["decision_curve"])

    def test_two_bundles_side_by_side(self):
        for settings in COHORTS:
            with self.subTest(settings):
                truth, p, q = cohort(*settings)
                (ours,) = probe(run("a", truth, p), run("b", truth, q))["comparisons"]
                difference, error = delong(truth, p, q)
                self.close(ours["auc_difference_delong"]["value"], difference)
                z = stats.norm.ppf(0.975)
                self.close(ours["auc_difference_delong"]["interval"][0], difference - z * error)
                self.close(ours["delong_p"], 2 * stats.norm.sf(abs(difference) / error), 1e-7)
                first, second = (p > 0.5) == truth, (q > 0.5) == truth
                b, c = int((first & ~second).sum()), int((second & ~first).sum())
                self.assertEqual((ours["only_first_right"], ours["only_second_right"]), (b, c))
                if b + c:
                    self.close(ours["mcnemar_p"], stats.binomtest(b, b + c, 0.5).pvalue, 1e-9)
                if truth.size > 250:
                    continue
                # The bootstraps draw differently; their limits agree to what 2,000 draws allow.
                draw = np.random.default_rng(7)
                values = []
                kernel = pair_kernel(truth, p) - pair_kernel(truth, q)
                for _ in range(2000):
                    rows, columns = (draw.integers(0, n, n) for n in kernel.shape)
                    values.append(kernel[np.ix_(rows, columns)].mean())
                low, high = np.percentile(values, [2.5, 97.5])
                self.assertAlmostEqual(ours["auc_difference_bootstrap"]["interval"][0], low, delta=0.15 * (high - low))
                self.assertAlmostEqual(ours["auc_difference_bootstrap"]["interval"][1], high, delta=0.15 * (high - low))

    def test_phantom_rows(self):
        draw = np.random.default_rng(11)
        separation, size = 1.812, 3000
        truth = draw.integers(0, 2, size)
        axis = np.ones(6) / np.sqrt(6)
        z = draw.normal(size=(size, 6)) + np.outer(truth - 0.5, separation * axis)
        llr = separation * z @ axis
        measured = z @ draw.normal(size=(6, 6)) + draw.normal(size=(size, 6))
        p = 1 / (1 + np.exp(-(llr + 1.5 * draw.normal(size=size))))
        ours = probe(run("a", truth, p, llr=llr.tolist(), features=measured.tolist(), separation=separation))["phantom"]
        self.close(ours["log_likelihood_ratio"]["value"], metrics.roc_auc_score(truth, llr))
        self.assertAlmostEqual(ours["log_likelihood_ratio"]["value"], 0.90, delta=0.02)
        self.assertAlmostEqual(ours["log_likelihood_ratio"]["efficiency"], 1, delta=0.1)
        auc = metrics.roc_auc_score(truth, p)
        self.close(ours["network"]["value"], auc)
        self.close(ours["network"]["efficiency"], (np.sqrt(2) * stats.norm.ppf(auc) / separation) ** 2, 1e-6)
        scores = np.empty(size)
        for fold in range(10):
            taught = np.arange(size) % 10 != fold
            learned = LinearDiscriminantAnalysis(solver="lsqr").fit(measured[taught], truth[taught])
            scores[~taught] = learned.decision_function(measured[~taught])
        self.assertAlmostEqual(ours["measured_features"]["value"], metrics.roc_auc_score(truth, scores), delta=0.002)
        self.assertFalse(ours["leak"])
        sure = np.where(truth == 1, 0.9, 0.1) + 0.05 * draw.normal(size=size)
        leaking = probe(run("a", truth, np.clip(sure, 0, 1), llr=llr.tolist(), separation=separation))["phantom"]
        self.assertTrue(leaking["leak"])


if __name__ == "__main__":
    PROBE = sys.argv.pop(1)
    unittest.main()
