#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/crossover on made-up results whose answers are known.

usage: test-crossover.py
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "crossover")
K = 1024
SIZES = (4 * K, 16 * K, 64 * K, 256 * K, 1024 * K)
ROUNDS = 8
# A round's own speed, which must cancel, and a little noise for each contender, which must not decide anything.
SPEED = (1.0, 1.3, 0.8, 1.1, 2.0, 0.9, 1.0, 1.2)
NOISE = (1.0, 1.01, 0.99, 1.005, 0.995, 1.0, 1.01, 0.99)
POINT = {"receiver": "all", "producer": "all", "wake": "futex", "readers": 1}


def metric(name, rounds, exact=False, unit="ns", kind="time"):
    """Only what the program reads."""
    values = sorted(samples[0] for samples in rounds)
    return {"name": name, "unit": unit, "kind": kind, "exact": exact, "median": values[len(values) // 2], "rounds": rounds}


def ok(contender, size, ns, n_rounds=ROUNDS, wobble=1.0, shift=0, point=None, **counts):
    """wobble stretches the noise; shift turns it, so that two contenders do not wobble together."""
    rounds = []
    for i in range(n_rounds):
        noise = 1 + (NOISE[(i + shift) % len(NOISE)] - 1) * wobble
        value = ns * SPEED[i % len(SPEED)] * noise
        rounds.append([value * 1.5, value, value * 0.99])  # the median of the samples is what counts
    metrics = [metric("time", rounds)]
    for name in ("faults", "consumer-faults", "copied", "flushes"):
        value = counts.get(name.replace("-", "_"), None if name == "flushes" else 0)
        if value is not None:
            metrics.append(metric(name, [[value]] * n_rounds, True, "n", "count"))
    return {"scenario": "ipc", "contender": contender, "params": {"size": size, **(point or POINT)}, "status": "ok",
            "reason": None, "loops": 1, "units": 1, "counted_ops": 4, "metrics": metrics, "counters": []}


def absent(contender, size, status, reason, point=None):
    return {"scenario": "ipc", "contender": contender, "params": {"size": size, **(point or POINT)}, "status": status,
            "reason": reason, "loops": 0, "units": 1, "counted_ops": 4, "metrics": [], "counters": []}


def result(cases, execution="native", complete=True):
    return {"schema": {"name": "mmlab-result", "version": 1},
            "run": {"id": "20260131T120000Z-0badcafe", "complete": complete, "rounds": ROUNDS},
            "machine": {"execution": execution, "emulated": execution.startswith("tcg"),
                        "kernel": {"release": "6.1.0-test"}},
            "scenarios": {"ipc": {"floor": "shm", "baseline": "socketpair"}}, "cases": cases, "ratios": []}


def copying(sizes=SIZES, point=None):
    """pipe: 1 us and 1 ns a byte; socketpair is worse for small and better for large sizes."""
    return [ok("pipe", size, 1000 + size, copied=2 * size, shift=1, point=point) for size in sizes] + \
           [ok("socketpair", size, 9000 + 0.9 * size, copied=2 * size, shift=2, point=point) for size in sizes]


def run(raw, *options, stdout_only=True):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(raw if isinstance(raw, str) else json.dumps(raw))
        done = subprocess.run([PROGRAM, *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=60)
    if stdout_only and done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout if stdout_only else done


def techniques(raw, *options):
    table = json.loads(run(raw, "--json", *options))["crossovers"][0]
    return table, {technique["contender"]: technique for technique in table["techniques"]}


class Crossover(unittest.TestCase):
    def test_known_crossover(self):
        """50 us flat against 1 us + 1 ns a byte: equal at 49,000 bytes."""
        table, found = techniques(result(copying() + [ok("flat", size, 50000, shift=3) for size in SIZES]))
        flat = found["flat"]
        self.assertEqual(flat["verdict"], "from")
        self.assertEqual(flat["interval_bytes"], [16 * K, 64 * K])
        # On the line between the ratios at 16K and 64K: 50000 / 17384 and 50000 / 66536, in logarithms.
        self.assertAlmostEqual(flat["point_bytes"] / 48700, 1, delta=0.03)
        self.assertEqual(table["best_copies"], {str(size): "pipe" if size < 256 * K else "socketpair" for size in SIZES})
        self.assertEqual([entry["outcome"] for entry in flat["sizes"]], ["loses"] * 2 + ["beats"] * 3)

    def test_ratios_are_within_rounds(self):
        """The rounds differ by a factor of 2.5, the ratios by a few per cent."""
        _, found = techniques(result(copying() + [ok("near", size, 0.9 * (1000 + size), shift=3) for size in SIZES[:3]]))
        for entry in found["near"]["sizes"]:
            self.assertLess(entry["ci95"][1] - entry["ci95"][0], 0.05)
            self.assertEqual(entry["outcome"], "beats")

    def test_always_and_never(self):
        _, found = techniques(result(copying() + [ok("fast", size, 100) for size in SIZES] +
                                     [ok("slow", size, 1e9) for size in SIZES]))
        self.assertEqual(found["fast"]["verdict"], "always")
        self.assertIn("smallest measured", found["fast"]["text"])
        self.assertEqual(found["slow"]["verdict"], "never")
        self.assertEqual(found["slow"]["text"], "never up to 1M")
        self.assertIsNone(found["slow"]["point_bytes"])

    def test_not_monotonic(self):
        times = (100, 1e9, 100, 100, 100)
        _, found = techniques(result(copying() + [ok("odd", size, ns) for size, ns in zip(SIZES, times)]))
        self.assertEqual(found["odd"]["verdict"], "not-monotonic")
        self.assertEqual(found["odd"]["text"], "not monotonic: beats at 4K, loses at 16K, beats at 64K to 1M")

    def test_unclear_widens_the_interval(self):
        """Near 1 with much noise at 64K: the interval reaches over it."""
        times = (50000, 50000, 66536, 50000, 50000)
        _, found = techniques(result(copying() + [ok("noisy", size, ns, wobble=20 if size == 64 * K else 1, shift=3)
                                                  for size, ns in zip(SIZES, times)]))
        self.assertEqual([entry["outcome"] for entry in found["noisy"]["sizes"]],
                         ["loses", "loses", "unclear", "beats", "beats"])
        self.assertEqual(found["noisy"]["interval_bytes"], [16 * K, 256 * K])
        self.assertEqual(found["noisy"]["verdict"], "from")

    def test_unclear_at_the_end(self):
        times = (50000, 50000, 100000, 400000, 9000 + 0.9 * 1024 * K)
        _, found = techniques(result(copying() + [ok("late", size, ns, wobble=20 if size == SIZES[-1] else 1, shift=3)
                                                  for size, ns in zip(SIZES, times)]))
        self.assertEqual(found["late"]["verdict"], "undecided")
        self.assertEqual(found["late"]["interval_bytes"], [256 * K, None])

    def test_few_rounds(self):
        cases = [ok("pipe", size, size, 5, copied=size) for size in SIZES] + [ok("fast", size, 1, 5) for size in SIZES]
        _, found = techniques(result(cases))
        self.assertEqual(found["fast"]["verdict"], "undecided")
        self.assertIn("5 rounds", found["fast"]["text"])

    def test_missing_and_skipped(self):
        cases = copying() + [ok("thp", size, 100) for size in SIZES[3:]] + \
            [absent("thp", size, "skipped", "smaller than a huge page") for size in SIZES[:3]] + \
            [absent("broken", size, "failed", "wrong content") for size in SIZES]
        _, found = techniques(result(cases))
        self.assertEqual(found["thp"]["verdict"], "always")
        self.assertEqual(found["thp"]["sizes_missing"], list(SIZES[:3]))
        self.assertEqual(found["broken"]["verdict"], "not-measured")
        text = run(result(cases))
        self.assertIn("not measured at 4K, 16K, 64K", text)
        self.assertIn("skipped: thp at 4K, 16K, 64K: smaller than a huge page", text)
        self.assertIn("failed: broken at 4K, 16K, 64K, 256K, 1M: wrong content", text)

    def test_no_copies(self):
        text = run(result([ok("shm", size, 100) for size in SIZES]))
        self.assertIn("nothing to compare with", text)

    def test_chosen_copies(self):
        raw = result(copying() + [ok("flat", size, 50000) for size in SIZES])
        table, found = techniques(raw, "--copies", "socketpair")
        self.assertEqual(set(table["best_copies"].values()), {"socketpair"})
        self.assertNotIn("pipe", found)
        self.assertEqual(run(raw, "--copies", "nobody", stdout_only=False).returncode, 1)

    def test_receivers_apart(self):
        other = {**POINT, "receiver": "none"}
        raw = result(copying() + copying(point=other) + [ok("flat", size, 50000) for size in SIZES] +
                     [ok("flat", size, 100, point=other) for size in SIZES])
        tables = json.loads(run(raw, "--json"))["crossovers"]
        self.assertEqual([(table["params"]["receiver"], table["techniques"][0]["verdict"]) for table in tables],
                         [("none", "always"), ("all", "from")])

    def test_unequal_rounds(self):
        """An interrupted run: rounds are paired by number, the rest is left out."""
        cases = [ok("pipe", 4 * K, 1000, 8, copied=1), ok("fast", 4 * K, 100, 7)]
        _, found = techniques(result(cases, complete=False))
        self.assertEqual(found["fast"]["sizes"][0]["n"], 7)
        self.assertIn("INCOMPLETE", run(result(cases, complete=False)))


def priced(size=64 * K, extra=()):
    """wake 1 us; touching 10 us; a fault 100 ns; a copied byte 0.1 ns; a flush 2 us; tables 3 us; a new file 5 us."""
    pages = size // 4096
    shm, copy = 11000, size * 0.1
    cached, lock = shm + 3000 + 2 * 100, shm + 3000
    cases = [
        ok("wakeup", size, 1000), ok("shm", size, shm), ok("copy", size, shm + copy, copied=size),
        ok("pipe", size, shm + 2 * copy + 700, copied=2 * size),
        ok("memfd-cached-populate", size, cached, faults=1, consumer_faults=1),
        ok("memfd-cached", size, cached + (2 * pages - 2) * 100, faults=pages, consumer_faults=pages),
        ok("memfd-fresh-populate", size, cached + 5000 + (pages - 1) * 100, faults=pages, consumer_faults=1),
        ok("memfd-fresh", size, cached + 5000 + (2 * pages - 2) * 100 - 400, faults=pages, consumer_faults=pages),
        ok("lock-noflush", size, lock, flushes=0), ok("lock-both", size, lock + 4000, flushes=2),
        ok("lock-writer", size, lock + 2000 - 300, flushes=1), ok("lock-all", size, lock + 9000, flushes=2),
        ok("lock-cacheflush", size, lock + 4000 + 800, flushes=2),
        ok("mprotect", size, shm + 6000),
    ]
    return result(cases + list(extra))


class Costs(unittest.TestCase):
    def lines(self, raw):
        return {line["contender"]: line for line in json.loads(run(raw, "--json", "--costs"))["costs"][0]["lines"]}

    def check(self, line, residual, **components):
        for name, value in components.items():
            entry = line["components"][name.replace("_", " ").replace("wake up", "wake-up")]
            self.assertIsNotNone(entry["how"], name)
            self.assertAlmostEqual(entry["value_ns"] / 1050 / value if value else entry["value_ns"] + 1, 1, delta=0.02,
                                   msg=name)
        self.assertAlmostEqual(line["residual"]["value_ns"] / 1050, residual, delta=0.02 * line["measured_ns"] / 1050)

    def test_components(self):
        """The median speed of the rounds is 1.05; here values are in us."""
        lines, pages = self.lines(priced()), 16
        touch = {"wake_up": 1.0, "touching": 10.0}
        self.check(lines["wakeup"], 0, wake_up=1.0)
        self.check(lines["shm"], 0, **touch)
        self.check(lines["pipe"], 0.7, copying=2 * 6.5536, faults=0, **touch)
        self.check(lines["memfd-cached"], 0, faults=2 * pages * 0.1, page_tables=3.0, copying=0, **touch)
        self.check(lines["memfd-fresh"], -0.4, faults=2 * pages * 0.1, page_tables=3.0, file=5.0, **touch)
        self.check(lines["lock-both"], 0, flush=4.0, page_tables=3.0, **touch)
        self.check(lines["lock-writer"], -0.3, flush=2.0, page_tables=3.0, **touch)
        self.check(lines["lock-all"], 0, flush=9.0, page_tables=3.0, **touch)
        self.check(lines["lock-cacheflush"], 0, cache=0.8, flush=4.0, page_tables=3.0, **touch)
        self.check(lines["mprotect"], 6.0, faults=0, **touch)

    def test_adds_up(self):
        for line in self.lines(priced()).values():
            entries = [entry for entry in line["components"].values() if entry["value_ns"] is not None] + [line["residual"]]
            self.assertAlmostEqual(sum(entry["value_ns"] for entry in entries), line["measured_ns"], places=6)
            self.assertAlmostEqual(sum(entry["share"] for entry in entries), 1)
            low, high = line["residual"]["ci95"]
            self.assertTrue(low <= line["residual"]["share"] <= high)

    def test_speed_of_rounds_cancels(self):
        """Rounds differ by a factor of 2.5, shares do not."""
        for entry in self.lines(priced())["lock-writer"]["components"].values():
            if entry["share"] is not None:
                self.assertLess(entry["ci95"][1] - entry["ci95"][0], 1e-6)

    def test_residual_is_told_from_construction(self):
        lines = self.lines(priced())
        for name in ("shm", "memfd-cached", "lock-noflush", "memfd-fresh-populate"):
            self.assertTrue(lines[name]["residual"]["by_construction"], name)
        for name in ("pipe", "memfd-fresh", "lock-writer", "mprotect"):
            self.assertFalse(lines[name]["residual"]["by_construction"], name)
        self.assertLess(lines["memfd-fresh"]["residual"]["value_ns"], 0)
        self.assertIsNotNone(lines["memfd-fresh"]["residual"]["ci95"])

    def test_underived_is_not_zero(self):
        entry = self.lines(priced())["mprotect"]["components"]["flush"]
        self.assertIsNone(entry["value_ns"])
        self.assertIn("not counted", entry["reason"])
        without = priced()
        without["cases"] = [case for case in without["cases"] if case["contender"] not in ("wakeup", "lock-noflush")]
        lines = self.lines(without)
        self.assertIn("wakeup was not measured", lines["shm"]["components"]["wake-up"]["reason"])
        self.assertIn("lock-noflush was not measured", lines["lock-both"]["components"]["flush"]["reason"])

    def test_flushes_by_event(self):
        raw = priced()
        for case in raw["cases"]:
            count = {"shm": 8, "mprotect": 16}.get(case["contender"])
            if count:
                case["counters"] = [{"event": "tlb:tlb_flush", "scope": "uk", "state": "exact", "value": count}]
        entry = self.lines(raw)["mprotect"]["components"]["flush"]
        self.assertAlmostEqual(entry["value_ns"] / 1050, 2 * 2.0, delta=0.1)  # (16 - 8) / 4 operations

    def test_text(self):
        text = run(priced(), "--costs")
        row = [line for line in text.splitlines() if line.startswith("  memfd-fresh ")][-1]
        self.assertRegex(row, r"-\d+\.\d \[-\d+\.\d, -\d+\.\d\]$")  # a negative residual in plain sight
        self.assertRegex(text, r"\(\d+\) faults: exact count x price of a fault, \(memfd-cached - memfd-cached-populate\)")
        self.assertRegex(text, r"\(\d+\) flush: not derived: its flushes were not counted")
        self.assertRegex(text, r"\n  lock-noflush .* 0 =")


class Output(unittest.TestCase):
    def test_emulated(self):
        raw = result(copying() + [ok("flat", size, 50000) for size in SIZES], execution="tcg")
        self.assertTrue(run(raw).startswith("EMULATED (tcg)"))
        self.assertTrue(json.loads(run(raw, "--json"))["emulated"])
        native = run(result(copying()))
        self.assertTrue(native.startswith("execution: native"))
        self.assertNotIn("EMULATED", native)
        icount = run(result(copying(), execution="tcg-icount"))
        self.assertIn("numbers of instructions", icount)

    def test_svg(self):
        other = {**POINT, "receiver": "none"}
        raw = result(copying() + copying(point=other) + [ok("flat <&>", size, 50000) for size in SIZES] +
                     [ok("shm", size, 500) for size in SIZES], execution="tcg")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "p.svg")
            run(raw, "--svg", path)
            with open(path, encoding="utf-8") as file:
                picture = file.read()
        root = xml.etree.ElementTree.fromstring(picture)
        words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertTrue(any("EMULATED" in word for word in words))
        self.assertTrue(any(word.startswith("receiver=none") for word in words))
        self.assertTrue(any(word.startswith("flat <&>, from 4") for word in words))
        self.assertIn("shm (floor), always", words)
        self.assertEqual(picture.count('class="crossover"'), 1)
        self.assertNotRegex(picture, r"nan|inf\b")
        self.assertFalse(re.search(r"(href|url\()", picture))
        self.assertEqual(run(raw, "--svg", "/nonexistent/p.svg", stdout_only=False).returncode, 1)

    def test_one_size(self):
        raw = result(copying(SIZES[:1]) + [ok("fast", 4 * K, 10)])
        self.assertEqual(techniques(raw)[1]["fast"]["verdict"], "always")
        with tempfile.TemporaryDirectory() as folder:
            run(raw, "--svg", os.path.join(folder, "p.svg"))

    def test_errors(self):
        stock = result([{**case, "scenario": "stock"} for case in copying()])
        nothing = result([absent("pipe", 4 * K, "skipped", "no CPU")])
        for raw, message in (("{", "not JSON"), ('{"a": NaN}', "not JSON"), ("[]", "not a result file"), ("{}", "not a result"),
                             (stock, "only of stock"), (nothing, "has a time")):
            done = run(raw, stdout_only=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_usage(self):
        for arguments, status in (([], 2), (["--nonsense", "x"], 2), (["a", "b"], 2), (["/nonexistent"], 1), (["--help"], 0)):
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, status, arguments)
        self.assertIn("No such file", subprocess.run([PROGRAM, "/nonexistent"], capture_output=True, text=True,
                                                     check=False, timeout=60).stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0)
    unittest.main()
