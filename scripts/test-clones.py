#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/clones on made-up results whose answers are known.

usage: test-clones.py
"""
import json
import os
import subprocess
import tempfile
import unittest

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clones")
K, M = 1 << 10, 1 << 20
WOBBLE = (1.0, 1.3, 0.9, 1.1, 0.8, 1.2)


def metric(name, value, unit="ns"):
    steady = unit != "ns"
    return {"name": name, "unit": unit,
            "rounds": [[None if value is None else value * (1 if steady else wobble)] for wobble in WOBBLE]}


def case(contender, size, ns, status="ok", counts=None, **params):
    point = {"destination": "none", "source": "none", "address": "same", "source-threads": 0, "swap": "none",
             **{name.replace("_", "-"): value for name, value in params.items()}}
    metrics = [metric("time", ns), metric("get", ns / 2)]
    metrics += [metric(name, value, "count") for name, value in (counts or {}).items()]
    return {"scenario": "clone", "contender": contender, "status": status,
            "reason": None if status == "ok" else "no reason", "params": {"size": size, **point}, "metrics": metrics}


def result(cases, **run):
    return {"schema": {"name": "mmlab-result", "version": 1},
            "run": {"id": "20260131T120000Z-0badcafe", "complete": True, "rounds": len(WOBBLE), **run},
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


DEMANDS = [case("readv", 64 * M, 60e6), case("clone", 64 * M, 2e6), case("clone", 64 * M, 3e6, address="other"),
           case("clone", 64 * M, 5e6, address="odd"), case("fork", 64 * M, 1.6e6),
           case("memfd", 64 * M, 9e6, destination="touch"), case("clone", 64 * M, 3e6, destination="touch"),
           case("memfd", 64 * K, 9e3, destination="touch"), case("clone", 64 * K, 12e3, destination="touch")]


class Clones(unittest.TestCase):
    def test_ratios(self):
        """Of each round, so that what all contenders share falls out: the interval has no width."""
        ratios = json.loads(run(result(DEMANDS), "--json"))["ratios"]
        found = [entry["ratio"] and round(entry["ratio"], 9) for entry in ratios]
        self.assertEqual(found, [30, 30, 20, 12, 1.25, 3, 0.75, None, None])
        for entry in ratios:
            if entry["ratio"]:
                self.assertAlmostEqual(entry["ci95"][0], entry["ci95"][1])
                self.assertEqual(entry["n"], len(WOBBLE))

    def test_case_that_failed_is_no_ratio(self):
        cases = [dict(entry, status="failed", reason="no reason") if entry["contender"] == "fork" else entry
                 for entry in DEMANDS]
        output = run(result(cases), "--ratios")
        self.assertIn("| clone / fork, for each page | get | 64M | not measured |", output)
        self.assertIn("failed: fork", output)

    def test_stream(self):
        """Up to 128 KiB a stream is one part; above, the stream through 128 KiB, whatever else is faster."""
        cases = [case("readv-locked", 64 * K, 10e3, destination="read"), case("clone", 64 * K, 20e3, destination="read"),
                 case("memfd", 64 * K, 16e3, destination="read"), case("memfd-kept", 64 * K, 1e3, destination="read"),
                 case("readv-locked", M, 1e3, destination="read"), case("readv-128k", M, 90e3, destination="read"),
                 case("clone-move", M, 30e3, destination="read"), case("fork", M, 1e3, destination="read")]
        once = json.loads(run(result(cases), "--json"))["once"]
        self.assertEqual([(line["size"], line["best"], round(line["ratio"], 9)) for line in once],
                         [(64 * K, "memfd", 0.625), (M, "clone-move", 3)])

    def test_tables(self):
        counts = {"destination-faults": 16, "memory": 64 * K, "source-faults": None, "flushes": 1}
        cases = [case("clone", 64 * K, 1e3, destination=use, counts=counts) for use in ("none", "touch", "read", "write")]
        cases += [case("clone", 64 * K, 1e3, destination="none", source="write",
                       counts={**counts, "source-faults": 16, "source-write": 32e3}),
                  case("clone", 64 * K, 2e3, source_threads=2, counts={"interrupts": 3}),
                  case("clone", 64 * K, 2e3, swap="half", counts={"swap-ins": 8})]
        output = run(result(cases))
        self.assertIn("| clone | 1.05 us | 1.05 us | 1.05 us | 1.05 us | 2.00 us | - | 16 / 16 / 16 / 16 | 16 | "
                      "64K / 64K / - |", output)
        self.assertIn("| clone | 1 | -, 525 ns | 3, 1.05 us |", output)
        self.assertIn("| clone | 8, 2.10 us |", output)
        self.assertIn("EMULATED", output)
        self.assertNotIn("Ratios", output)

    def test_unusable(self):
        self.assertIn("not JSON", run("{", status=1))
        self.assertIn("no cases of the scenario clone", run(result([]), status=1))
        self.assertIn("not a result file of version 1",
                      run({**result(DEMANDS), "schema": {"name": "mmlab-result", "version": 2}}, status=1))

    def test_wrong_arguments(self):
        run(result(DEMANDS), "--nonsense", status=2)


if __name__ == "__main__":
    unittest.main()
