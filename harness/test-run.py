#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Run the fake scenarios and see that the harness tells every way of failing apart.

usage: test-run.py PROGRAM RESULTS_FOLDER
"""
import importlib.machinery
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, RESULTS = map(os.path.abspath, sys.argv[1:3])
LOADER = importlib.machinery.SourceFileLoader("validate", os.path.join(RESULTS, "validate"))
sys.dont_write_bytecode = True
validate = importlib.util.module_from_spec(importlib.util.spec_from_loader("validate", LOADER))
LOADER.exec_module(validate)


class RunTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_mmlab(self, *args, command="run", status=0, seconds=120):
        done = subprocess.run([PROGRAM, command, *args], cwd=self.folder, capture_output=True, text=True,
                              timeout=seconds, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def measure(self, *args, status=0):
        """Run, validate the result file, return it."""
        self.run_mmlab(*args, "--events", "none", "-o", "r.json", status=status)
        return self.valid("r.json")

    def valid(self, name):
        result = validate.load(self.path(name))
        self.assertEqual(validate.problems(result), [])
        return result

    def only_case(self, contender, *args, status=1):
        result = self.measure(f"fake/{contender}", "--rounds", "2", "--timeout", "2" if contender == "hangs" else "60", *args,
                              status=status)
        self.assertEqual(len(result["cases"]), 1)
        return result["cases"][0]

    def test_good(self):
        result = self.measure("fake/good", "fake/other", "--rounds", "6", "--seed", "7", "--axis", "pages=1,5")
        self.assertTrue(result["run"]["complete"])
        self.assertEqual(result["run"]["seed"], 7)
        self.assertEqual([(c["contender"], c["params"]["pages"]) for c in result["cases"]],
                         [("good", 1), ("good", 5), ("other", 1), ("other", 5)])
        for case in result["cases"]:
            metrics = {metric["name"]: metric for metric in case["metrics"]}
            self.assertEqual(metrics["faults"]["median"], case["params"]["pages"])
            self.assertEqual(metrics["weight"]["rounds"], [[42.0]] * 6)
            self.assertIsNotNone(metrics["time"]["ci95"][0])
        self.assertEqual({(r["contender"], r["baseline"]) for r in result["ratios"]}, {("other", "good")})

    def test_once(self):
        """One operation in each process, which counts and is timed; "time" is the sum of its parts."""
        for events in ("none", "PAGE-FAULTS"):
            self.run_mmlab("once", "--rounds", "3", "--samples", "5", "--events", events, "-o", "r.json")
            case, = self.valid("r.json")["cases"]
            self.assertEqual((case["status"], case["loops"], case["counted_ops"]), ("ok", 1, 1), case["reason"])
            rounds = {metric["name"]: metric["rounds"] for metric in case["metrics"]}
            for time_ns, first, second, aside in zip(*(rounds[name] for name in ("time", "first", "second", "aside"))):
                self.assertAlmostEqual(time_ns[0], first[0] + 4 * second[0], delta=1)
                self.assertGreater(first[0], 1e6)
                self.assertGreater(second[0], 1e6)
                self.assertGreater(aside[0], 5e7)
                self.assertEqual(len(time_ns), 1)

    def test_tasks(self):
        result = self.measure("fake/good", "--rounds", "1", "--axis", "tasks=2", "--axis", "mode=process,thread")
        for case in result["cases"]:
            faults = next(m for m in case["metrics"] if m["name"] == "faults")
            self.assertEqual(faults["median"], case["params"]["pages"])

    def test_skips(self):
        self.assertEqual(self.only_case("skips", status=77)["reason"], "there is no moon here")
        self.assertIn("/nonexistent", self.only_case("needs-file", status=77)["reason"])
        self.assertEqual(self.only_case("skips", status=77)["status"], "skipped")

    def test_one_cpu(self):
        cpus = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, cpus)
        os.sched_setaffinity(0, {min(cpus)})
        self.assertIn("needs 2 CPUs; 1 may be used", self.only_case("needs-cpus", status=77)["reason"])
        self.assertEqual(self.only_case("needs-cpus", "--pin", "same", status=0)["status"], "ok")

    def test_failures(self):
        for contender, reason in {
                "fails-setup": "setting up 3 things: Cannot allocate memory",
                "fails-verify": "byte 7 is wrong",
                "fails-silently": "verify of task 0: Input/output error",
                "hangs": "killed: no answer within 2 s",
                "dies": "died of signal 11 (Segmentation fault)",
                "forgets-metric": "the metric weight was not reported",
        }.items():
            with self.subTest(contender):
                case = self.only_case(contender)
                self.assertEqual((case["status"], case["reason"], case["metrics"]), ("failed", reason, []))

    def test_dying_task(self):
        for mode in ("process", "thread"):
            case = self.only_case("task-dies", "--axis", "tasks=2", "--axis", f"mode={mode}")
            self.assertIn("died of signal 11", case["reason"])

    def test_inexact_count(self):
        self.assertIn("weight must repeat exactly", self.only_case("wavers")["reason"])

    def test_missing_number(self):
        case = self.only_case("lacks-number", status=0)
        weight = next(m for m in case["metrics"] if m["name"] == "weight")
        self.assertEqual((weight["median"], weight["reason"], weight["rounds"]), (None, "no scales", [[None], [None]]))

    def test_nothing_left_behind(self):
        self.assertEqual(self.only_case("leaves-process", status=0)["status"], "ok")
        self.assert_no_process()

    def assert_no_process(self):
        """Children of this test work in its folder; other runs on the machine are none of its business."""
        deadline = time.monotonic() + 60
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.processes(), [])

    def processes(self):
        alive = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(self.folder):
                    alive.append(pid)
            except OSError:
                pass
        return alive

    def test_knob_restored(self):
        with open(self.path("fake-knob"), "w", encoding="ascii") as knob:
            knob.write("off\n")
        self.measure("fake/turns-knob", "fake/dies", "--rounds", "2", status=1)
        with open(self.path("fake-knob"), encoding="ascii") as knob:
            self.assertEqual(knob.read()[:3], "off")

    def test_device_as_output(self):
        """By way of a link, which is what would be replaced: a device would be replaced for everybody."""
        os.symlink("/dev/null", self.path("r.json"))
        self.run_mmlab("fake/good", "--rounds", "1", "--events", "none", "-o", "r.json")
        self.assertTrue(os.path.islink(self.path("r.json")))

    def test_history(self):
        """A folder keeps a file for each run, found by the machine's key and the commit"""
        os.mkdir(self.path("history"))
        for seed in "1", "2":
            self.run_mmlab("fake/good", "--rounds", "1", "--seed", seed, "-o", "history")
        names = os.listdir(self.path("history"))
        self.assertEqual(len(names), 2)
        for name in names:
            result = self.valid(os.path.join("history", name))
            run = result["run"]
            commit = run["commit"][:12] + ("-dirty" if run["dirty"] else "")
            self.assertEqual(name, f"{result['machine']['key']}_{commit}_{run['id']}.json")

    def test_preset(self):
        result = self.measure("fake", "--preset", "pair", "--rounds", "1")
        self.assertEqual([(c["contender"], c["params"]["pages"]) for c in result["cases"]],
                         [("good", 1), ("good", 3), ("other", 1), ("other", 3)])

    def test_same_seed_same_order(self):
        first = self.run_mmlab("fake/good", "--rounds", "1", "--seed", "3", "--json", "--events", "none").stdout
        self.assertEqual(json.loads(first)["run"]["seed"], 3)

    def interrupt(self, number):
        with subprocess.Popen([PROGRAM, "run", "fake/good", "fake/other", "fake/turns-knob", "--rounds", "300",
                               "--events", "none", "--seed", "5", "-o", "r.json"],
                              cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                time.sleep(0.1)
                try:
                    if len(validate.load(self.path("r.json"))["cases"][0]["metrics"]) > 0:
                        break
                except OSError:
                    pass
            process.send_signal(number)
            status = process.wait(60)
        self.assert_no_process()
        result = self.valid("r.json")
        self.assertFalse(result["run"]["complete"])
        return status, result

    def test_interrupt_and_resume(self):
        with open(self.path("fake-knob"), "w", encoding="ascii") as knob:
            knob.write("off\n")
        status, before = self.interrupt(signal.SIGINT)
        self.assertEqual(status, 130)
        with open(self.path("fake-knob"), encoding="ascii") as knob:
            self.assertEqual(knob.read()[:3], "off")
        done = len(before["cases"][0]["metrics"][0]["rounds"])
        after = self.measure("fake/good", "fake/other", "fake/turns-knob", "--rounds", str(done + 3), "--resume",
                             "r.json")
        self.assertTrue(after["run"]["complete"])
        self.assertEqual(after["run"]["id"], before["run"]["id"])
        self.assertEqual(after["cases"][0]["metrics"][0]["rounds"][:done], before["cases"][0]["metrics"][0]["rounds"])
        self.assertEqual(len(after["cases"][0]["metrics"][0]["rounds"]), done + 3)

    def test_more_rounds_for_a_complete_run(self):
        before = self.measure("fake/good", "--rounds", "2")
        done = self.run_mmlab("fake/good", "--rounds", "2", "--resume", "r.json", status=99)
        self.assertIn("more --rounds than its 2 would extend it", done.stderr)
        after = self.measure("fake/good", "--rounds", "4", "--resume", "r.json")
        self.assertEqual((after["run"]["id"], after["run"]["rounds"]), (before["run"]["id"], 4))
        self.assertEqual(after["cases"][0]["metrics"][0]["rounds"][:2], before["cases"][0]["metrics"][0]["rounds"])

    def test_resume_of_a_damaged_file(self):
        self.measure("fake/good", "--rounds", "2")
        for text, damage in {
                "does not say which run it is of": lambda result: result["run"].pop("id"),
                "does not say which run it is of, or": lambda result: result["run"].update(started="x" * 40),
                "case fake/good of the file is damaged": lambda result: result["cases"][0].update(loops=-1),
                "fake/good of the file is damaged": lambda result: result["cases"][0]["metrics"][1]["rounds"].pop(),
                "good of the file is damaged": lambda result: result["cases"][0]["metrics"][0].update(rounds=[1, 2]),
                "of the file is damaged": lambda result: result["cases"][0]["metrics"].pop(),
        }.items():
            result = json.loads(open(self.path("r.json"), encoding="utf-8").read())
            damage(result)
            with open(self.path("damaged.json"), "w", encoding="utf-8") as file:
                json.dump(result, file)
            done = self.run_mmlab("fake/good", "--rounds", "4", "--resume", "damaged.json", "-o", "n.json", status=99)
            self.assertIn(text, done.stderr)

    def test_report_of_a_damaged_file(self):
        result = self.measure("fake/good", "fake/other", "--rounds", "1")
        result["cases"][0]["contender"] = None
        with open(self.path("r.json"), "w", encoding="utf-8") as file:
            json.dump(result, file)
        self.assertIn("other", self.run_mmlab("r.json", command="report").stdout)

    def test_killed(self):
        """Even SIGKILL leaves the file of the last round, and no process."""
        status, _ = self.interrupt(signal.SIGKILL)
        self.assertEqual(status, -signal.SIGKILL)

    def test_wrong_usage(self):
        for args, text in {
                ("nosuch",): "no scenario 'nosuch'; there are: fake",
                ("fake/nosuch",): "scenario fake has no contender 'nosuch'",
                ("fake", "--axis", "nosuch=1"): "no chosen scenario has the axis in 'nosuch=1'",
                ("fake", "--axis", "pages=x"): "axis pages has no point 'x'; it takes numbers from 1 to 1000",
                ("fake", "--axis", "mode=fibre"): "axis mode has no point 'fibre'; it takes process,thread",
                ("fake", "--preset", "nosuch"): "no chosen scenario has a preset 'nosuch'; there are: fake:pair",
                ("fake", "--events", "no-such-event"): "nobody knows the event 'no-such-event'",
                ("fake", "--rounds", "0"): "--rounds takes a whole number from 1",
                ("fake", "--rounds", "x"): "not 'x'",
                ("fake", "--pin", "left"): "--pin takes spread, sibling, nodes or same",
                ("fake", "-o", "/nonexistent/r.json"): "cannot write the result file /nonexistent/r.json: No such file",
                ("fake", "--resume", "/nonexistent"): "/nonexistent",
                ("fake", "--nosuch"): "see mmlab run --help",
        }.items():
            with self.subTest(args):
                done = self.run_mmlab(*args, status=99)
                self.assertIn(text, done.stderr)
                self.assertEqual(done.stdout, "")
        self.assertIn("no command 'nosuch'", self.run_mmlab(command="nosuch", status=99).stderr)

    def test_dry_run(self):
        done = self.run_mmlab("fake/good", "--axis", "pages=1,2", "--dry-run")
        self.assertEqual(done.stdout.splitlines(), ["fake/good pages=1 tasks=1 mode=process",
                                                    "fake/good pages=2 tasks=1 mode=process"])

    def test_full_only(self):
        for args, there in (([], False), (["fake"], True), (["fake/full"], True), (["--full"], True)):
            done = self.run_mmlab(*args, "--dry-run")
            self.assertEqual("fake/full " in done.stdout, there, args)

    def test_report(self):
        self.measure("fake/good", "fake/other", "--rounds", "1")
        self.assertIn("other", self.run_mmlab("--metric", "faults", "r.json", command="report").stdout)
        with open(self.path("bad.json"), "w", encoding="ascii") as bad:
            bad.write("{}")
        self.assertIn("is no mmlab-result file", self.run_mmlab("bad.json", command="report", status=99).stderr)

    def test_list(self):
        names = lambda *args: [scenario["name"] for scenario in
                               json.loads(self.run_mmlab("--json", *args, command="list").stdout)]
        self.assertIn("fake", names())
        self.assertEqual(names("fake"), ["fake"])
        self.assertIn("no scenario 'lost'", self.run_mmlab("lost", command="list", status=99).stderr)

    def test_help(self):
        for command in ("run", "list", "env", "report"):
            self.assertIn("usage: mmlab " + command, self.run_mmlab("--help", command=command).stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
