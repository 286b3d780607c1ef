#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/scale on made-up results whose answers are known.

usage: test-scale.py
"""
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scale")
M, G = 1 << 20, 1 << 30
PROCS, SIZES = (1, 4, 16), (64 * M, 256 * M, G, 2 * G)


def metric(name, values, unit="ns"):
    return {"name": name, "unit": unit, "rounds": [[value] for value in values], "ci95": [None, None]}


def case(contender, n, size, tables, ns, place="one"):
    values = [ns * wobble for wobble in (1.0, 1.3, 0.9)]
    return {"scenario": "fanout", "contender": contender, "status": "ok", "reason": None,
            "params": {"procs": n, "size": size, "access": "read", "place": place},
            "metrics": [metric("tables-system", [tables] * 3, "bytes"), metric("time", values), metric("exit", values),
                        metric("protect-all", values)]}


def private(n, size):
    """Tables of all levels for the creator and each process, without the third."""
    return (n + 1) * (size // (2 * M) + -(-size // G)) * 4096


def shared(n, size):
    """Tables of the last level once, of the second for the host, the creator and each process."""
    return (size // (2 * M) + (n + 2) * -(-size // G)) * 4096


def crowd(contender, tables, ns, points=None):
    return [case(contender, n, size, tables(n, size), ns(n, size))
            for n, size in points or [(n, size) for n in PROCS for size in SIZES]]


def result(cases, **run):
    return {"schema": {"name": "mmlab-result", "version": 1},
            "run": {"id": "20260131T120000Z-0badcafe", "complete": True, "rounds": 3, **run},
            "machine": {"execution": "tcg", "emulated": True, "kernel": {"release": "6.1.0-test"}}, "cases": cases}


def run(raw, *options, status=0):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(raw if isinstance(raw, str) else json.dumps(raw))
        done = subprocess.run([PROGRAM, *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=60)
    if done.returncode != status:
        raise AssertionError(f"status {done.returncode}: {done.stderr}")
    return done.stdout if not status else done.stderr


def lines(raw, name, *options):
    tables = json.loads(run(raw, "--json", *options))["extrapolations"]
    return next(table["contenders"] for table in tables if table["metric"] == name)


class Scale(unittest.TestCase):
    def test_tables_are_exact(self):
        """300 GiB in 1500 processes: 878.9 GiB of tables in the last level, as the proposal computed."""
        found = lines(result(crowd("memfd", private, lambda n, size: 1e6 * n) +
                             crowd("shared-pt", shared, lambda n, size: 1e6 * n)), "tables-system")
        for name, function in (("memfd", private), ("shared-pt", shared)):
            self.assertAlmostEqual(found[name]["extrapolated"]["value"] / function(1500, 300 * G), 1, places=6)
            self.assertAlmostEqual(found[name]["held_out"]["error"], 0, places=6)
        self.assertAlmostEqual(found["memfd"]["coefficients"]["process_chunk"], 4096, places=2)
        self.assertAlmostEqual(found["memfd"]["coefficients"]["process_gib"], 4096, places=1)
        self.assertAlmostEqual(found["shared-pt"]["coefficients"]["chunk"], 4096, places=2)
        self.assertAlmostEqual(found["shared-pt"]["coefficients"]["process_chunk"], 0, places=2)

    def test_times(self):
        """1 ms, 2 ms a process, 3 us a process and 2 MiB."""
        found = lines(result(crowd("memfd", private, lambda n, size: 1e6 + 2e6 * n + 3e3 * n * size / (2 * M))), "time",
                      "--procs", "10", "--size", "4G")["memfd"]
        self.assertAlmostEqual(found["extrapolated"]["value"], 1e6 + 2e7 + 3e4 * 2048, delta=1e3)
        self.assertAlmostEqual(found["coefficients"]["process_chunk"], 3e3, delta=1)
        self.assertEqual((found["held_out"]["procs"], found["held_out"]["size"]), (16, 2 * G))

    def test_held_out_is_not_fitted(self):
        """The largest point is twice as slow as the others promise: the fit does not know, the error says so."""
        cases = crowd("memfd", private, lambda n, size: 1e6 * n * (2 if (n, size) == (16, 2 * G) else 1))
        found = lines(result(cases), "time")["memfd"]
        self.assertAlmostEqual(found["held_out"]["error"], -0.5, places=6)
        self.assertEqual(found["fitted_points"], len(PROCS) * len(SIZES) - 1)
        self.assertAlmostEqual(found["worst_fit"], 0, places=6)

    def test_nothing_costs_less_than_nothing(self):
        """Processes that get cheaper by number would give a negative coefficient."""
        found = lines(result(crowd("memfd", private, lambda n, size: 1e6 + 1e4 * n - 10 * n * n)), "time")["memfd"]
        self.assertGreaterEqual(min(found["coefficients"].values()), 0)

    def test_too_few_points(self):
        one_size = crowd("memfd", private, lambda n, size: 1e6, [(n, G) for n in PROCS])
        self.assertIn("two sizes", lines(result(one_size), "time")["memfd"]["reason"])
        self.assertIn("memfd: needs two numbers", run(result(one_size)))

    def test_second_level(self):
        """Up to 1 GiB there is one table for each process: what 300 need is not known from that."""
        small = crowd("memfd", private, lambda n, size: 1e6 * n, [(n, size) for n in PROCS for size in SIZES[:3]])
        self.assertIn("beyond 1G", lines(result(small), "tables-system")["memfd"]["reason"])
        self.assertIsNone(lines(result(small), "tables-system", "--size", "512M")["memfd"]["reason"])
        self.assertIsNone(lines(result(small), "time")["memfd"]["reason"])

    def test_marked(self):
        text = run(result(crowd("memfd", private, lambda n, size: 1e6 * n), complete=False))
        for words in ("EMULATED", "EXTRAPOLATED 1500 x 300G", "INCOMPLETE", "16 x 2G", "process+2M"):
            self.assertIn(words, text)

    def test_unusable(self):
        self.assertIn("not JSON", run("{", status=1))
        self.assertIn("no cases of the scenario fanout", run(result([]), status=1))
        self.assertIn("not a result file", run({"schema": {"name": "mmlab-result", "version": 1}}, status=1))
        mixed = [case("memfd", 1, G, 1, 1, place) for place in ("one", "all")]
        self.assertIn("differ in more than procs and size", run(result(mixed), status=1))
        for options in (("--procs", "0"), ("--size", "many")):
            run(result(mixed), *options, status=2)

    def test_skipped(self):
        skipped = {**case("thp", 1, G, 1, 1), "status": "skipped", "reason": "no moon", "metrics": []}
        self.assertIn("skipped: thp at 1 x 1G: no moon",
                      run(result(crowd("memfd", private, lambda n, size: 1e6 * n) + [skipped])))

    def test_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "p.svg")
            run(result(crowd("memfd", private, lambda n, size: 1e6) + crowd("shared-pt", shared, lambda n, size: 1e6)),
                "--svg", path)
            root = xml.etree.ElementTree.parse(path).getroot()
        curves = [element for element in root.iter() if element.tag.endswith("polyline")]
        self.assertEqual(len(curves), 2)
        self.assertTrue(any("memfd: " in (element.text or "") for element in root.iter()))


if __name__ == "__main__":
    unittest.main()
