#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compare result files whose figures are made up, so that each verdict is known beforehand.

usage: test-compare.py PROGRAM RESULTS_FOLDER
"""
import copy
import importlib.machinery
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM, RESULTS = map(os.path.abspath, sys.argv[1:3])
LOADER = importlib.machinery.SourceFileLoader("validate", os.path.join(RESULTS, "validate"))
sys.dont_write_bytecode = True
validate = importlib.util.module_from_spec(importlib.util.spec_from_loader("validate", LOADER))
LOADER.exec_module(validate)
ROUNDS = 12
CASES = ["fake/good", "fake/other", "fake/null", "fake/lacks-number", "fake/skips"]


def measured():
    """A real file, for everything but the times."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        subprocess.run([PROGRAM, "run", *CASES, "--rounds", str(ROUNDS), "--samples", "3", "--events", "none", "-o", path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return validate.load(path)


TEMPLATE = measured()


def case_of(result, contender):
    return next(case for case in result["cases"] if case["contender"] == contender)


def metric_of(result, contender, name="time"):
    return next(metric for metric in case_of(result, contender)["metrics"] if metric["name"] == name)


def set_rounds(metric, rounds):
    """Raw samples, and the summary that belongs to them."""
    medians = sorted(statistics.median(samples) for samples in rounds)
    quarters = statistics.quantiles(medians, n=4, method="inclusive")
    metric.update(rounds=rounds, n=len(rounds), min=medians[0], q1=quarters[0], median=statistics.median(medians), q3=quarters[2],
                  max=medians[-1], mad=statistics.median(abs(m - statistics.median(medians)) for m in medians), reason=None)


def made_up(seed, factors=None, scatter=0.003, level=0.002):
    """A run with times around 1000 ns, in some contenders times a factor."""
    chance = random.Random(seed)
    result = copy.deepcopy(TEMPLATE)
    result["run"]["id"] = f"20260101T000000Z-{seed:08x}"
    for case in result["cases"]:
        if case["status"] == "ok":
            at = 1000 * (factors or {}).get(case["contender"], 1) * (1 + level * chance.gauss(0, 1))
            rounds = [[at * (1 + scatter * chance.gauss(0, 1)) for _ in range(3)] for _ in range(ROUNDS)]
            set_rounds(next(metric for metric in case["metrics"] if metric["name"] == "time"), rounds)
    return result


class CompareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.base = made_up(1)
        self.write("margins.json", None)
        self.learn([made_up(seed) for seed in range(100, 110)])

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "w", encoding="utf-8") as file:
            json.dump(data, file)
        return name

    def mmlab(self, *args, status):
        done = subprocess.run([PROGRAM, "compare", *args], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def learn(self, runs, status=0):
        names = [self.write(f"run-{i}.json", run) for i, run in enumerate(runs)]
        return self.mmlab("--learn", "margins.json", *names, status=status)

    def compare(self, head, *args, status, base=None, margins=True):
        """The comparison as JSON; as text and as JUnit it must say the same."""
        self.write("base.json", base or self.base)
        self.write("head.json", head)
        args = ["--control", "fake/null", *(["--margins", "margins.json"] if margins else []), *args, "base.json", "head.json"]
        text = self.mmlab(*args, status=status).stdout
        comparison = json.loads(self.mmlab("--json", "--junit", "junit.xml", *args, status=status).stdout)
        self.assertEqual(validate.problems(comparison), [])
        self.assertIn(f"\n{comparison['verdict']}: {comparison['summary']['different']} different", text)
        suite = xml.etree.ElementTree.parse(self.path("junit.xml")).getroot().find("testsuite")
        parts = comparison["changes"] + comparison["unmatched"]
        for part in parts:
            self.assertIn(part["series"], text)
        worse = sum(part["verdict"] == "different" and part["direction"] != "improvement" for part in parts)
        self.assertEqual((int(suite.get("tests")), int(suite.get("failures"))), (len(parts), worse))
        self.assertEqual((len(suite.findall("testcase")), len(suite.findall("testcase/failure"))), (len(parts), worse))
        return comparison

    def change(self, comparison, contender, metric="time"):
        return next(c for c in comparison["changes"] if (c["contender"], c["metric"]) == (contender, metric))

    def test_margins_are_valid(self):
        margins = validate.load(self.path("margins.json"))
        self.assertEqual(validate.problems(margins), [])
        self.assertEqual({(m["contender"], m["metric"]) for m in margins["margins"]},
                         {(name, "time") for name in ("good", "other", "null", "lacks-number")})
        for margin in margins["margins"]:
            self.assertTrue(0.001 < margin["margin"] < 0.03, margin)

    def test_same(self):
        comparison = self.compare(made_up(2), status=0)
        self.assertEqual((comparison["verdict"], comparison["control"]["state"]), ("same", "steady"))
        self.assertEqual(self.change(comparison, "good")["verdict"], "same")
        self.assertEqual(comparison["notes"], [])

    def test_regression_and_improvement(self):
        comparison = self.compare(made_up(2, {"good": 1.05, "other": 0.9}), status=1)
        good, other = self.change(comparison, "good"), self.change(comparison, "other")
        self.assertEqual((good["verdict"], good["direction"]), ("different", "regression"))
        self.assertEqual((other["verdict"], other["direction"]), ("different", "improvement"))
        self.assertTrue(1.04 < good["ratio"] < 1.06 and good["interval"][0] < good["ratio"] < good["interval"][1])
        self.assertEqual(comparison["summary"]["different"], 2)

    def test_direction_follows_the_metric(self):
        base, head = copy.deepcopy(self.base), made_up(2, {"good": 1.1})
        for result in (base, head):
            metric_of(result, "good")["better"] = "higher"
        self.assertEqual(self.change(self.compare(head, base=base, status=1), "good")["direction"], "improvement")

    def test_below_the_threshold(self):
        head = made_up(2, {"good": 1.015}, level=0)
        self.assertEqual(self.change(self.compare(head, "--threshold", "6", status=0), "good")["verdict"], "same")

    def test_exact_counts(self):
        head = made_up(2)
        set_rounds(metric_of(head, "good", "faults"), [[3.0]] * ROUNDS)
        set_rounds(metric_of(head, "other", "weight"), [[41.0]] * ROUNDS)
        comparison = self.compare(head, status=1)
        faults, weight = self.change(comparison, "good", "faults"), self.change(comparison, "other", "weight")
        self.assertEqual((faults["verdict"], faults["direction"], faults["base"], faults["head"]),
                         ("different", "regression", 2, 3))
        self.assertEqual((weight["verdict"], weight["direction"]), ("different", "improvement"))
        self.assertIn("faults  2 -> 3  +1 faults", self.mmlab("base.json", "head.json", status=1).stdout)

    def test_control_voids_times_but_not_counts(self):
        head = made_up(2, {"null": 1.1, "good": 1.1})
        comparison = self.compare(head, status=2)
        self.assertEqual(comparison["control"]["state"], "moved")
        self.assertEqual(self.change(comparison, "good")["verdict"], "cannot-tell")
        self.assertIn("VOID", self.mmlab("--control", "fake/null", "--margins", "margins.json", "base.json", "head.json", status=2).stdout)
        set_rounds(metric_of(head, "good", "faults"), [[3.0]] * ROUNDS)
        self.compare(head, status=1)

    def test_control_missing(self):
        comparison = self.compare(made_up(2), "--control", "fake/nobody", status=0)
        self.assertEqual(comparison["control"]["state"], "missing")
        self.assertIn("no control", comparison["notes"][0])

    def test_control_is_found_outside_of_the_chosen_cases(self):
        head = made_up(2, {"null": 1.2})
        comparison = self.compare(head, "--case", "fake/good", status=2)
        self.assertEqual({c["contender"] for c in comparison["changes"]}, {"good"})
        self.assertEqual(comparison["control"]["state"], "moved")

    def test_nothing_learned(self):
        comparison = self.compare(made_up(2), status=2, margins=False)
        self.assertIn("4 of 4 margins are assumed", comparison["notes"][0])
        self.compare(made_up(2), "--margin", "1", status=0, margins=False)
        self.compare(made_up(2, {"good": 1.05}), "--margin", "1", status=1, margins=False)

    def test_margins_beside_the_baseline(self):
        os.rename(self.path("margins.json"), self.path("base.margins.json"))
        self.assertIsNotNone(self.compare(made_up(2), status=0, margins=False)["rule"]["margins_made"])

    def test_old_margins(self):
        head = made_up(2)
        made = validate.load(self.path("margins.json"))["made"]
        head["run"]["started"] = made.replace(made[:4], str(int(made[:4]) + 1), 1)
        self.assertRegex(self.compare(head, status=0)["notes"][0], "36[56] days older than HEAD")

    def test_noisier_than_learned(self):
        comparison = self.compare(made_up(2, {"good": 1.06}, scatter=0.1), status=2)
        self.assertGreater(self.change(comparison, "good")["noise"], 0.03)

    def test_too_few_rounds(self):
        head = made_up(2, {"good": 1.2}, level=0)
        for result in (self.base, head):
            for case in result["cases"]:
                for metric in case["metrics"]:
                    if metric["name"] == "time":
                        set_rounds(metric, metric["rounds"][:3])
        comparison = self.compare(head, "--case", "fake/good", status=2)
        good = self.change(comparison, "good")
        self.assertEqual((good["verdict"], good["more_rounds"], comparison["more_rounds"]), ("cannot-tell", 1, 1))

    def test_other_machine(self):
        head = made_up(2)
        head["machine"]["key"] = "1-000000000000"
        self.write("base.json", self.base)
        self.write("head.json", head)
        self.assertIn("--force", self.mmlab("base.json", "head.json", status=99).stderr)
        self.assertIn("FORCED", self.compare(head, "--force", status=0)["notes"][0])
        self.base["machine"]["key"] = "1-000000000000"
        self.write("base.json", self.base)
        self.assertIn("the margins were learned on machine",
                      self.mmlab("--margins", "margins.json", "base.json", "head.json", status=99).stderr)

    def test_one_side_only(self):
        head = made_up(2)
        head["cases"].remove(case_of(head, "other"))
        comparison = self.compare(head, status=2)
        lost = next(u for u in comparison["unmatched"] if u["contender"] == "other")
        self.assertEqual((lost["base"], lost["head"], lost["verdict"]), ("ok", "absent", "cannot-tell"))
        comparison = self.compare(self.base, base=head, status=0)
        new = next(u for u in comparison["unmatched"] if u["contender"] == "other")
        self.assertEqual((new["base"], new["head"], new["verdict"]), ("absent", "ok", None))

    def test_skipped_and_failed(self):
        head = made_up(2)
        case_of(head, "good").update(status="failed", reason="it broke & <burned>", metrics=[], counters=[])
        comparison = self.compare(head, status=1)
        broken = next(u for u in comparison["unmatched"] if u["contender"] == "good")
        self.assertEqual((broken["verdict"], broken["direction"]), ("different", "regression"))
        skipped = next(u for u in comparison["unmatched"] if u["contender"] == "skips")
        self.assertEqual((skipped["verdict"], skipped["head_reason"]), (None, "there is no moon here"))
        mended = self.compare(made_up(3), base=head, status=1)
        self.assertEqual(next(u for u in mended["unmatched"] if u["contender"] == "good")["direction"], "improvement")
        case_of(head, "good")["status"] = "skipped"
        self.compare(head, status=2)

    def test_missing_numbers(self):
        comparison = self.compare(made_up(2), status=0)
        self.assertIn(("lacks-number", "weight", "missing", "missing", None),
                      {(u["contender"], u["metric"], u["base"], u["head"], u["verdict"]) for u in comparison["unmatched"]})
        head = made_up(2)
        metric_of(head, "good", "weight").update(n=0, median=None, reason="no scales")
        self.compare(head, status=2)

    def test_changed_unit(self):
        head = made_up(2)
        metric_of(head, "good")["unit"] = "us"
        self.compare(head, status=2)

    def test_values_of_zero(self):
        head, zeros = made_up(2), copy.deepcopy(self.base)
        for result in (head, zeros):
            metric_of(result, "good", "faults")["exact"] = False
        set_rounds(metric_of(zeros, "good", "faults"), [[0.0]] * ROUNDS)
        self.assertEqual(self.change(self.compare(head, base=zeros, status=1), "good", "faults")["direction"], "regression")
        self.assertEqual(self.change(self.compare(zeros, base=zeros, status=0), "good", "faults")["verdict"], "same")
        set_rounds(metric_of(head, "good", "faults"), [[0.0], [2.0]] * (ROUNDS // 2))
        self.compare(head, base=zeros, status=2)

    def deterministic(self, *results):
        for result in results:
            result["machine"].update(execution="tcg-icount", emulated=True)
            for case in result["cases"]:  # a build without libperf counts nothing
                if case["status"] == "ok":
                    case["counters"] = [{"event": "instructions", "scope": "k", "state": "exact", "reason": None, "value": 1000,
                                         "enabled_ns": 1, "running_ns": 1}]

    def test_deterministic(self):
        self.deterministic(self.base)
        head = copy.deepcopy(self.base)
        comparison = self.compare(head, status=0)
        self.assertTrue(comparison["deterministic"] and comparison["emulated"])
        self.assertTrue(all(c["exact"] and c["verdict"] == "same" for c in comparison["changes"]))
        rounds = metric_of(head, "good")["rounds"]
        set_rounds(metric_of(head, "good"), [[sample + 1 for sample in samples] for samples in rounds])
        good = self.change(self.compare(head, status=1), "good")
        self.assertEqual((good["verdict"], good["direction"], round(good["head"] - good["base"], 6)), ("different", "regression", 1))
        head = copy.deepcopy(self.base)
        case_of(head, "good")["counters"][0]["value"] += 1
        change = self.change(self.compare(head, status=1), "good", "instructions:k")
        self.assertEqual((change["verdict"], change["head"] - change["base"]), ("different", 1))
        head = made_up(2)
        self.deterministic(head)
        head["run"]["seed"] += 1
        comparison = self.compare(head, status=0)
        self.assertFalse(comparison["deterministic"])
        self.assertTrue(any("with one --seed they compare exactly" in text for text in comparison["notes"]), comparison["notes"])

    def test_deterministic_with_another_control(self):
        """Another boot: what moved no more than twice as far as the control is not blamed on the change."""
        self.deterministic(self.base)
        for factor, good_factor, status, verdict in ((1.002, 1.003, 0, "same"), (1.002, 1.05, 1, "different"),
                                                     (0.98, 1.05, 1, "different"), (0.98, 1.035, 2, "cannot-tell")):
            head = copy.deepcopy(self.base)
            for contender, by in (("null", factor), ("good", good_factor)):
                metric = metric_of(head, contender)
                set_rounds(metric, [[sample * by for sample in samples] for samples in metric["rounds"]])
            with self.subTest(factor, good=good_factor):
                comparison = self.compare(head, "--case", "fake/good", status=status)
                self.assertEqual((self.change(comparison, "good")["verdict"], comparison["control"]["state"]), (verdict, "moved"))
                self.assertTrue(self.change(comparison, "good", "instructions:k")["exact"])

    def test_deterministic_with_a_control_from_nothing(self):
        """A counter that is 0 in one run of the control has moved, by more than can be said."""
        self.deterministic(self.base)
        head = copy.deepcopy(self.base)
        case_of(self.base, "null")["counters"][0]["value"] = 0
        case_of(head, "null")["counters"][0]["value"] = 3
        case_of(head, "good")["counters"][0]["value"] += 7
        comparison = self.compare(head, "--case", "fake/good", status=2)
        self.assertEqual((self.change(comparison, "good", "instructions:k")["verdict"], comparison["control"]["state"]),
                         ("cannot-tell", "moved"))
        self.assertEqual(self.change(comparison, "good")["verdict"], "same")

    def test_emulated(self):
        head = made_up(2)
        for result in (self.base, head):
            result["machine"].update(execution="tcg", emulated=True)
        self.assertTrue(self.compare(head, status=0)["emulated"])
        self.assertIn("\nEMULATED", self.mmlab("--margins", "margins.json", "base.json", "head.json", status=0).stdout)
        with open(self.path("junit.xml"), encoding="utf-8") as file:
            self.assertIn('<property name="emulated" value="true"/>', file.read())

    def test_all_moved(self):
        """Five times that move alike, of which the control is none: said, not judged."""
        results = [made_up(seed, {} if seed == 1 else {"good": 1.1, "other": 1.1, "null": 1.1}) for seed in (1, 2)]
        for result in results:
            for i in range(4):
                more = copy.deepcopy(case_of(result, "good"))
                more["params"]["pages"] = 100 + i
                result["cases"].append(more)
        comparison = self.compare(results[1], "--control", "fake/nobody", base=results[0], status=1)
        self.assertTrue(any("moved the same way" in text for text in comparison["notes"]), comparison["notes"])

    def test_what_else_differs(self):
        head = made_up(2)
        head["machine"]["kernel"]["release"] = "9.9"
        head["machine"]["settings"]["swappiness"] = 1
        head["run"]["complete"] = False
        comparison = self.compare(head, status=0)
        self.assertEqual({d["what"] for d in comparison["differs"]}, {"kernel release", "swappiness"})
        self.assertIn("HEAD is incomplete", comparison["notes"][0])

    def test_patterns(self):
        for pattern, contenders in {"fake/g*": {"good"}, "fake": {"good", "other", "null", "lacks-number"},
                                    "fake/good mode=process*": {"good"}}.items():
            with self.subTest(pattern):
                comparison = self.compare(made_up(2), "--case", pattern, status=0)
                self.assertEqual({c["contender"] for c in comparison["changes"]}, contenders)

    def measure(self, name, rounds):
        subprocess.run([PROGRAM, "run", "fake/good", "--rounds", str(rounds), "--samples", "3", "--events", "none", "-o",
                        name], cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def rounds(self, name):
        result = validate.load(self.path(name))
        self.assertEqual(validate.problems(result), [])
        self.assertTrue(result["run"]["complete"])
        return result["run"]["rounds"]

    def test_until_decided(self):
        """Too few rounds for any interval; with so wide a threshold more can decide, and on a sane machine one does."""
        wide = ("--threshold", "1000")
        self.measure("base.json", 3)
        self.measure("head.json", 2)
        done = self.mmlab(*wide, "base.json", "head.json", status=2)
        self.assertIn("more rounds on each side would decide", done.stdout)
        done = self.mmlab(*wide, "--until-decided", "--max-rounds", "3", "base.json", "head.json", status=2)
        self.assertIn("more than --max-rounds 3 would be needed", done.stderr)
        self.assertEqual((self.rounds("base.json"), self.rounds("head.json")), (3, 3))
        before = validate.load(self.path("base.json"))
        done = subprocess.run([PROGRAM, "compare", *wide, "--until-decided", "--json", "--base-program", PROGRAM, "base.json", "head.json"],
                              cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=False)
        self.assertIn(done.returncode, (0, 1, 2))  # the times are real
        comparison = json.loads(done.stdout)
        self.assertEqual(validate.problems(comparison), [])
        self.assertGreaterEqual(comparison["rule"]["looks"], 2)
        self.assertTrue(4 <= self.rounds("base.json") == self.rounds("head.json") <= 60)
        self.assertTrue(comparison["more_rounds"] is None or self.rounds("base.json") == 60)
        after = validate.load(self.path("base.json"))
        self.assertEqual(after["run"]["id"], before["run"]["id"])
        self.assertEqual(after["cases"][0]["metrics"][0]["rounds"][:3], before["cases"][0]["metrics"][0]["rounds"])

    def test_until_decided_with_the_wrong_program(self):
        self.measure("base.json", 3)
        self.measure("head.json", 3)
        for key, place, text in (("commit", "run", "was measured by commit"), ("release", "kernel", "was measured on kernel"),
                                 ("complete", "run", "is incomplete")):
            other = validate.load(self.path("base.json"))
            (other["run"] if place == "run" else other["machine"]["kernel"])[key] = False if key == "complete" else "0" * 40
            self.write("other.json", other)
            with self.subTest(key):
                done = self.mmlab("--threshold", "1000", "--until-decided", "other.json", "head.json", status=99)
                self.assertIn(text, done.stderr)
        done = self.mmlab("--threshold", "1000", "--until-decided", "--base-program", "/nonexistent", "base.json", "head.json", status=99)
        self.assertIn("/nonexistent could not measure more rounds for base.json", done.stderr)

    def test_more_looks_more_evidence(self):
        """The first of several looks may use up half of the error allowed."""
        comparison = self.compare(made_up(2, {"good": 1.5}, level=0), "--case", "fake/good", status=1)
        self.assertEqual(comparison["rule"]["looks"], 1)
        again = self.compare(made_up(2, {"good": 1.5}, level=0), "--case", "fake/good", "--until-decided", status=1)
        self.assertAlmostEqual(self.change(again, "good")["p_corrected"], 2 * self.change(comparison, "good")["p_corrected"])

    def test_learning_refuses(self):
        def differently(run, *path_and_value):
            *path, key, value = path_and_value
            for step in path:
                run = run[step]
            run[key] = value

        for name, text in {"few": "too few to learn", "twice": "stands twice", "commit": "run commit is",
                           "machine": "machine key is", "kernel": "of one kernel"}.items():
            runs = [made_up(seed) for seed in range(4)]
            if name == "few":
                runs.pop()
            elif name == "twice":
                runs[3] = runs[0]
            elif name == "commit":
                differently(runs[2], "run", "commit", "0" * 40)
            elif name == "machine":
                differently(runs[2], "machine", "key", "1-000000000000")
            else:
                differently(runs[2], "machine", "kernel", "release", "9.9")
            with self.subTest(name):
                self.assertIn(text, self.learn(runs, status=99).stderr)

    def test_wrong_usage(self):
        self.write("base.json", self.base)
        self.write("head.json", made_up(2))
        self.write("bad.json", {"schema": {"name": "mmlab-margins", "version": 1}, "margins": [{"spread": "x"}]})
        self.write("hollow.json", {"schema": {"name": "mmlab-result", "version": 1}})
        for args, text in {
                (): "name two result files",
                ("base.json",): "name two result files",
                ("base.json", "nosuch.json"): "nosuch.json",
                ("base.json", "margins.json"): "is no mmlab-result file",
                ("hollow.json", "hollow.json"): "no case",
                ("--margins", "nosuch.json", "base.json", "head.json"): "nosuch.json: No such file",
                ("--margins", "head.json", "base.json", "head.json"): "is no mmlab-margins file",
                ("--margins", "bad.json", "base.json", "head.json"): "has no numbers",
                ("--case", "nosuch", "base.json", "head.json"): "no case of either file matches --case nosuch",
                ("--threshold", "0", "base.json", "head.json"): "--threshold takes per cent",
                ("--threshold", "nan", "base.json", "head.json"): "--threshold takes per cent",
                ("--margin", "x", "base.json", "head.json"): "not 'x'",
                ("--junit", "/nonexistent/j.xml", "base.json", "head.json"): "cannot write /nonexistent/j.xml",
                ("--max-rounds", "0", "base.json", "head.json"): "--max-rounds takes a whole number",
                ("--nosuch",): "see mmlab compare --help",
        }.items():
            with self.subTest(args):
                self.assertIn(text, self.mmlab(*args, status=99).stderr)
        self.assertIn("usage: mmlab compare", self.mmlab("--help", status=0).stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
