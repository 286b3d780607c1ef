#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Damage a valid result file in one place at a time: every damage must be noticed.

usage: test-validate.py PROGRAM
"""
import copy
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv[1]
LOADER = importlib.machinery.SourceFileLoader(
    "validate", os.path.join(os.path.dirname(os.path.abspath(__file__)), "validate"))
sys.dont_write_bytecode = True
validate = importlib.util.module_from_spec(importlib.util.spec_from_loader("validate", LOADER))
LOADER.exec_module(validate)


def real_text():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        subprocess.run([PROGRAM, "run", "fake/good", "fake/other", "fake/skips", "--rounds", "6", "-o", path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as file:
            return file.read()


def compared_text():
    """Margins, and a comparison in which they are used."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{i}.json") for i in range(4)]
        margins = os.path.join(folder, "margins.json")
        for path in paths:
            subprocess.run([PROGRAM, "run", "fake/good", "fake/skips", "--rounds", "2", "--events", "none", "-o", path],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([PROGRAM, "compare", "--learn", margins, *paths], check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run([PROGRAM, "compare", "--json", "--margins", margins, *paths[:2]], stdout=subprocess.PIPE, text=True,
                              check=False)
        with open(margins, encoding="utf-8") as file:
            return file.read(), done.stdout


TEXT = real_text()
MARGINS, COMPARISON = compared_text()


def assign(*path_and_value):
    *path, key, value = path_and_value

    def mutate(result):
        for step in path:
            result = result[step]
        if value is DELETE:
            del result[key]
        else:
            result[key] = value
    return mutate


DELETE = object()
METRIC = ("cases", 0, "metrics", 0)
MUTATIONS = {
    "no schema": assign("schema", DELETE),
    "wrong schema name": assign("schema", "name", "mmbench"),
    "wrong schema version": assign("schema", "version", 2),
    "extra key at the top": assign("extra", 1),
    "extra key in a case": assign("cases", 0, "comment", "x"),
    "misspelt key in a metric": lambda r: r["cases"][0]["metrics"][0].update(
        medain=r["cases"][0]["metrics"][0].pop("median")),
    "no cases": assign("cases", []),
    "value as text": assign(*METRIC, "median", "12"),
    "value null without reason": assign(*METRIC, "median", None),
    "median of other samples": lambda r: r["cases"][0]["metrics"][0].update(
        median=r["cases"][0]["metrics"][0]["median"] * 2),
    "n too large": assign(*METRIC, "n", 7),
    "a round without samples": assign(*METRIC, "rounds", 0, []),
    "a round missing in a complete run": lambda r: r["cases"][0]["metrics"][0]["rounds"].pop(),
    "no unit": assign(*METRIC, "unit", ""),
    "wrong direction": assign(*METRIC, "better", "faster"),
    "wrong kind": assign(*METRIC, "kind", "duration"),
    "exact count that differs": lambda r: r["cases"][0]["metrics"][1]["rounds"][3].__setitem__(0, 99.0),
    "duplicate case": lambda r: r["cases"].append(copy.deepcopy(r["cases"][0])),
    "duplicate metric": lambda r: r["cases"][0]["metrics"].append(copy.deepcopy(r["cases"][0]["metrics"][0])),
    "unknown status": assign("cases", 0, "status", "good"),
    "skipped without reason": assign("cases", 2, "reason", None),
    "failed with numbers": lambda r: r["cases"][0].update(status="failed", reason="x"),
    "ok with reason": assign("cases", 0, "reason", "x"),
    "time missing": lambda r: r["cases"][0]["metrics"].pop(0),
    "scenario not described": assign("scenarios", {}),
    "counter zero for unavailable": lambda r: r["cases"][0]["counters"][0].update(
        state="not-supported", reason="x", value=0),
    "counter without reason": lambda r: r["cases"][0]["counters"][0].update(
        state="not-permitted", reason=None, value=None),
    "counter with unknown state": lambda r: r["cases"][0]["counters"][0].update(state="fine"),
    "counter with unknown scope": lambda r: r["cases"][0]["counters"][0].update(scope="h"),
    "ratio to a case that is not there": assign("ratios", 0, "baseline", "nobody"),
    "ratio null": assign("ratios", 0, "ratio", None),
    "interval of three": assign(*METRIC, "ci95", [1, 2, 3]),
    "time not in UTC": assign("run", "started", "2026-01-01T00:00:00+01:00"),
    "commit missing": assign("run", "commit", ""),
    "complete as text": assign("run", "complete", "true"),
    "negative seed": assign("run", "seed", -1),
    "machine key of another version": assign("machine", "key", "2-000000000000"),
    "unknown execution": assign("machine", "execution", "vm"),
    "emulation hidden": lambda r: r["machine"].update(execution="tcg", emulated=False),
    "extra key in the machine": assign("machine", "bogomips", 4000),
    "kernel release missing": assign("machine", "kernel", "release", DELETE),
    "parameter null": assign("cases", 0, "params", "pages", None),
}
MARGIN_MUTATIONS = {
    "wrong version": assign("schema", "version", 2),
    "no machine": assign("machine", DELETE),
    "too few runs": lambda m: m["runs"].pop(),
    "a run twice": lambda m: m["runs"].__setitem__(0, m["runs"][1]),
    "no margins": assign("margins", []),
    "margin as text": assign("margins", 0, "margin", "0.1"),
    "negative spread": assign("margins", 0, "spread", -1),
    "margin null": assign("margins", 0, "margin", None),
    "misspelt key": assign("margins", 0, "spraed", 1),
    "learned from three runs": assign("margins", 0, "runs", 3),
    "metric twice": lambda m: m["margins"].append(copy.deepcopy(m["margins"][0])),
}
COMPARISON_MUTATIONS = {
    "wrong version": assign("schema", "version", 2),
    "unknown verdict": assign("verdict", "maybe"),
    "verdict of other parts": lambda c: c.update(verdict="different"),
    "summary of other parts": lambda c: c["summary"].update(same=99),
    "change twice": lambda c: c["changes"].append(copy.deepcopy(c["changes"][0])),
    "p above one": assign("changes", 0, "p", 1.5),
    "cannot tell without reason": lambda c: c["changes"][0].update(verdict="cannot-tell", reason=None),
    "same with reason": lambda c: c["changes"][0].update(verdict="same", reason="x"),
    "regression that is none": lambda c: c["changes"][0].update(verdict="cannot-tell", reason="x", direction="regression"),
    "base as text": assign("changes", 0, "base", "12"),
    "interval of three": assign("changes", 0, "interval", [1, 2, 3]),
    "unknown state of the control": assign("control", "state", "fine"),
    "emulation missing": assign("emulated", DELETE),
    "extra key": assign("comment", "x"),
    "unmatched same": lambda c: c["unmatched"][0].update(verdict="same"),
}
TEXT_MUTATIONS = {
    "truncated": TEXT[:len(TEXT) // 2],
    "NaN": TEXT.replace('"median": ', '"median": NaN, "was": ', 1),
    "duplicate key": TEXT.replace('"schema": {', '"schema": {}, "schema": {', 1),
    "decimal comma": TEXT.replace('"mad": 0.0', '"mad": 0,0', 1),
    "text after the end": TEXT + "done\n",
    "empty": "",
}


class ValidateTest(unittest.TestCase):
    def loaded(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            return validate.load(file.name)

    def test_real_file(self):
        self.assertEqual(validate.problems(self.loaded(TEXT)), [])

    def test_other_real_files(self):
        for text in (MARGINS, COMPARISON):
            self.assertEqual(validate.problems(self.loaded(text)), [])

    def test_mutations(self):
        for text, mutations in ((TEXT, MUTATIONS), (MARGINS, MARGIN_MUTATIONS), (COMPARISON, COMPARISON_MUTATIONS)):
            for name, mutate in mutations.items():
                with self.subTest(name):
                    result = self.loaded(text)
                    mutate(result)
                    self.assertNotEqual(validate.problems(result), [])

    def test_text_mutations(self):
        for name, text in TEXT_MUTATIONS.items():
            with self.subTest(name):
                self.assertNotEqual(text, TEXT)
                with self.assertRaises(ValueError):
                    self.loaded(text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
