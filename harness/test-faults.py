#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A run under faults: whatever happens, the result file is valid or was never written, somebody is told, kernel
settings are put back, and no process stays. docs/robustness.md says what the user sees.

usage: test-faults.py PROGRAM RESULTS_FOLDER FAULTS_LIBRARY [sanitized]
"""
import errno
import importlib.machinery
import importlib.util
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, RESULTS, LIBRARY = map(os.path.abspath, sys.argv[1:4])
SANITIZED = "sanitized" in sys.argv[4:]
LOADER = importlib.machinery.SourceFileLoader("validate", os.path.join(RESULTS, "validate"))
sys.dont_write_bytecode = True
validate = importlib.util.module_from_spec(importlib.util.spec_from_loader("validate", LOADER))
LOADER.exec_module(validate)

CASES = ["fake/good", "fake/turns-knob"]

# Whoever started this may ignore it, as nohup does, and what is started here would as well.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class FaultsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.write("fake-knob", "off\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def command(self, *more, rounds=2, out="r.json"):
        return [PROGRAM, "run", *CASES, "--rounds", str(rounds), "--samples", "1", "--events", "none", "-o", out, *more]

    def run_mmlab(self, *more, env=None, limit=None, **options):
        return subprocess.run(self.command(*more, **options), cwd=self.folder, env={**os.environ, **(env or {})},
                              preexec_fn=limit and (lambda: resource.setrlimit(*limit)), capture_output=True, text=True,
                              timeout=120, check=False)

    def preloaded(self, **variables):
        return {"LD_PRELOAD": LIBRARY, **variables}

    def start(self, *more, **options):
        return subprocess.Popen(self.command(*more, **options), cwd=self.folder, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def result(self, name="r.json"):
        """The result file, which must be valid if it is there at all."""
        if not os.path.exists(self.path(name)):
            return None
        result = validate.load(self.path(name))
        self.assertEqual(validate.problems(result), [])
        return result

    def rounds_done(self, name="r.json"):
        result = self.result(name)
        metrics = result["cases"][0]["metrics"] if result else []
        return len(metrics[0]["rounds"]) if metrics else 0

    def wait_for_rounds(self, n):
        deadline = time.monotonic() + 60
        while self.rounds_done() < n:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def processes(self):
        """Those that work in this test's folder."""
        alive = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/cwd").startswith(os.path.realpath(self.folder)):
                    alive.append(pid)
            except OSError:
                pass
        return alive

    def assert_clean(self, temporary=0):
        deadline = time.monotonic() + 60
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.processes(), [])
        self.assertEqual(self.read("fake-knob")[:3], "off")
        left = [name for name in os.listdir(self.folder) if ".tmp." in name]
        self.assertLessEqual(len(left), temporary, left)

    def assert_said(self, done, *texts):
        self.assertEqual(done.returncode, 99, done.stderr)
        for text in texts:
            self.assertIn(text, done.stderr)

    # The disk.

    def test_no_space_from_the_start(self):
        done = self.run_mmlab(limit=(resource.RLIMIT_FSIZE, (100, 100)))
        self.assert_said(done, "cannot write the result file r.json: File too large")
        self.assertIsNone(self.result())
        self.assert_clean()

    def test_no_space_later(self):
        self.assertEqual(self.run_mmlab(rounds=1).returncode, 0)
        room = os.path.getsize(self.path("r.json")) + 300
        done = self.run_mmlab(rounds=60, limit=(resource.RLIMIT_FSIZE, (room, room)))
        self.assert_said(done, "cannot write the result file r.json: File too large", "cannot go on")
        self.assertFalse(self.result()["run"]["complete"])
        self.assertGreater(self.rounds_done(), 0)
        self.assert_clean()

    def test_full_file_system(self):
        os.mkdir(self.path("small"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "small", self.path("small")], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            self.skipTest("mounting a small file system needs root")
        self.addCleanup(subprocess.run, ["umount", self.path("small")], check=False)
        done = self.run_mmlab(rounds=200, out="small/r.json")
        self.assert_said(done, "cannot write the result file small/r.json: No space left on device")
        self.assertGreater(self.rounds_done("small/r.json"), 0)
        self.assertEqual(os.listdir(self.path("small")), ["r.json"])
        self.assert_clean()

    def test_folder_removed(self):
        os.mkdir(self.path("gone"))
        with self.start(rounds=1000, out="gone/r.json") as run:
            while not self.rounds_done("gone/r.json"):
                time.sleep(0.02)
            while os.path.exists(self.path("gone")): # a file may come while the others go
                shutil.rmtree(self.path("gone"), ignore_errors=True)
            said = run.communicate(timeout=60)[1]
        self.assertEqual(run.returncode, 99)
        self.assertIn("cannot write the result file gone/r.json: No such file or directory", said)
        self.assert_clean()

    def test_every_call_fails(self):
        """Each call that touches a file which is written, one after the other: the file stays valid, or was never there."""
        statuses = set()
        for n in range(1, 100):
            if os.path.exists(self.path("r.json")):
                os.unlink(self.path("r.json"))
            done = self.run_mmlab(env=self.preloaded(FAULT=f"{errno.EIO}:{n}"))
            self.result()
            statuses.add(done.returncode)
            if not done.returncode and "restore" not in done.stderr:
                break
            self.assertIn(os.strerror(errno.EIO), done.stderr + done.stdout + self.reasons())
            self.assert_clean() # the keeper could still write
        self.assertGreater(n, 10)
        self.assertIn(99, statuses)
        self.assertLessEqual(statuses, {0, 1, 99})

    def test_setting_not_put_back(self):
        """Once, between two cases: the one that would have run without it has failed, and says why."""
        for n in range(1, 100):
            done = self.run_mmlab(env=self.preloaded(FAULT=f"{errno.EIO}:{n}:once"))
            if "cannot put fake-knob back to off" in self.reasons():
                break
            self.assert_clean()
        self.assertEqual(done.returncode, 1, done.stderr)
        case = next(case for case in self.result()["cases"] if case["reason"])
        self.assertEqual((case["contender"], case["status"]), ("good", "failed"))
        self.assert_clean()

    def reasons(self):
        result = self.result()
        return "\n".join(case["reason"] or "" for case in result["cases"]) if result else ""

    def test_nobody_reads(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            for arguments in (self.command(), self.command("--json"), [PROGRAM, "report", "r.json"], [PROGRAM, "list"],
                              [PROGRAM, "env", "--json"], [PROGRAM, "publish", "r.json", "--to", "influx"]):
                done = subprocess.run(arguments, cwd=self.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
                self.assert_said(done, "cannot write")
        self.assertTrue(self.result()["run"]["complete"])
        self.assert_clean()

    def test_nobody_watches(self):
        """The run goes on when whoever read its progress has left."""
        for warning in ({}, {"FAULT_WARNING": "a library's warning, before anything else"}):
            read_end, write_end = os.pipe()
            os.close(read_end)
            run = subprocess.run(self.command(rounds=3), cwd=self.folder, env={**os.environ, **self.preloaded(**warning)},
                                 stdout=subprocess.DEVNULL, stderr=write_end, timeout=60, check=False)
            os.close(write_end)
            self.assertEqual(run.returncode, 0)
            self.assertTrue(self.result()["run"]["complete"])
            self.assert_clean()
            os.unlink(self.path("r.json"))

    # Death.

    def test_killed_at_every_call(self):
        """Before each call that touches a file which is written: the file is the old one, or a new one, and whole."""
        self.assertEqual(self.run_mmlab("--seed", "1").returncode, 0)
        old = self.read("r.json")
        for n in range(1, 100):
            self.write("r.json", old)
            done = self.run_mmlab("--seed", "2", env=self.preloaded(FAULT=f"kill:{n}"))
            result = self.result()
            if not done.returncode:
                break
            self.assertEqual(done.returncode, -signal.SIGKILL)
            self.assertTrue(self.read("r.json") == old or result["run"]["seed"] == 2)
            self.assert_clean(temporary=1)
            for name in os.listdir(self.folder):
                if ".tmp." in name:
                    os.unlink(self.path(name))
        self.assertGreater(n, 15)
        self.assertEqual(result["run"]["seed"], 2)

    def test_killed_at_any_time(self):
        seed = int(os.environ.get("FAULT_SEED", "1"))
        print(f"FAULT_SEED={seed}")
        chance = random.Random(seed)
        for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130), (signal.SIGHUP, 130)):
            for _ in range(7):
                with self.start(rounds=1000) as run:
                    time.sleep(chance.uniform(0, 0.5))
                    run.send_signal(number)
                    run.communicate(timeout=60)
                self.assertIn(run.returncode, (status, -number)) # before it catches signals, it just dies
                result = self.result()
                self.assertFalse(result and result["run"]["complete"])
                self.assert_clean(temporary=10)

    def test_keeper_outlives_the_terminal(self):
        """Whoever kills all that belongs to a terminal or a job does not keep settings from being put back."""
        with subprocess.Popen(self.command(rounds=1000), cwd=self.folder, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True) as run:
            self.wait_for_rounds(1)
            while self.read("fake-knob")[:2] != "on":
                time.sleep(0.001)
            os.killpg(run.pid, signal.SIGKILL)
        self.assert_clean(temporary=1)

    # Too little of something.

    @unittest.skipIf(SANITIZED, "sanitizers have an allocator of their own")
    def test_no_memory_any_more(self):
        """From some allocation on there is none. Loading the topology comes before, where the library itself may crash."""
        for n in (*range(0, 40, 3), *range(40, 400, 40), *range(400, 10_000_000, 400)):
            done = self.run_mmlab(env=self.preloaded(FAULT_MEMORY=str(n)))
            self.result()
            self.assert_clean()
            if not done.returncode:
                break
            self.assert_said(done, "memory")
        self.assertGreater(n, 1000)

    def test_few_descriptors(self):
        statuses = []
        for n in range(3, 20):
            done = self.run_mmlab(limit=(resource.RLIMIT_NOFILE, (n, n)))
            self.assertTrue(done.returncode == 0 or done.stderr or self.reasons(), f"limit {n}")
            self.result()
            self.assert_clean()
            statuses.append(done.returncode)
        self.assertEqual(statuses[-1], 0)
        self.assertGreater(len(set(statuses)), 1)

    # The clock.

    def test_clock_steps(self):
        for begin, step in ((1_800_000_000, -3600), (1_800_000_000, 86400 * 365), (5, -1), (253402300790, 3600)):
            with self.subTest(begin=begin, step=step):
                done = self.run_mmlab(env=self.preloaded(FAULT_CLOCK=f"{begin}:{step}"))
                self.assertEqual(done.returncode, 0, done.stderr)
                result = self.result()
                self.assertTrue(result["run"]["complete"])
                for case in result["cases"]:
                    self.assertTrue(all(metric["median"] > 0 for metric in case["metrics"]))
        self.assert_clean()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
