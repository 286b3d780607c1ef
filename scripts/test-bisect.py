#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/bisect on made-up histories: the culprit is known, a fake command measures, and the real mmlab compare judges.

usage: test-bisect.py FAKES_PROGRAM [HISTORIES [TEST...]]
       test-bisect.py --measure FOLDER COMMIT FILE    (the fake command)

HISTORIES: how many are searched in each way (2).
"""
import json
import os
import random
import sys
import time

BISECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bisect")
SERIES = "fake/good pages=2 tasks=1 mode=process"
N = 64


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, data):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file)


# The fake command

def median(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def set_rounds(metric, rounds):
    """Raw samples, equal within a round, and the summary that belongs to them."""
    medians = sorted(samples[0] for samples in rounds)
    middle = median(medians)
    metric.update(rounds=rounds, n=len(rounds), min=medians[0], q1=medians[len(medians) // 4], median=middle,
                  q3=medians[-1 - len(medians) // 4], max=medians[-1], mad=median(abs(m - middle) for m in medians), reason=None)


def measure(folder, commit, path):
    truth, result = load(os.path.join(folder, "truth.json")), load(os.path.join(folder, "template.json"))
    seed, rounds = int(os.environ["MMLAB_BISECT_SEED"]), int(os.environ["MMLAB_BISECT_ROUNDS"])
    with open(os.path.join(folder, "calls"), "a", encoding="ascii") as file:
        file.write(f"{commit} {os.environ['MMLAB_BISECT_PURPOSE']} {rounds}\n")
    time.sleep(truth.get("slowness", 0))
    about = truth["commits"][commit]
    if about.get("exit"):
        return about["exit"]
    level = about.get("confirm", about["level"]) if os.environ["MMLAB_BISECT_PURPOSE"] == "confirm" else about["level"]
    former = os.environ["MMLAB_BISECT_FORMER"]
    chance = random.Random(f"{truth['seed']} {commit} {os.environ['MMLAB_BISECT_PURPOSE']} {seed} {rounds}")
    result["run"].update(commit=commit, seed=seed, rounds=rounds, id=f"20260101T000000Z-{chance.getrandbits(32):08x}")
    for case in result["cases"]:
        factor = level if case["contender"] == "good" else 1
        if case["contender"] == "good" and about.get("status"):
            case.update(status=about["status"], reason="the fake says so", metrics=[], counters=[])
            continue
        metric = next(metric for metric in case["metrics"] if metric["name"] == "time")
        if truth["noise"]:
            # A run has its own level, a round its own scatter, and now and then one is far off.
            run_noise, round_noise = truth["noise"]
            at = 1000 * factor * (1 + run_noise * chance.gauss(0, 1))
            values = [[at * (1 + round_noise * chance.gauss(0, 1)) * (1.3 if chance.random() < 0.03 else 1)] * 3 for _ in range(rounds)]
            if former:
                old = next(c for c in load(former)["cases"] if c["contender"] == case["contender"])["metrics"]
                values = (next(m for m in old if m["name"] == "time")["rounds"] + values)[:rounds]
        else:
            # Another program boots a little differently: by as much as the control shows, or a little less.
            jitter = random.Random(f"{truth['seed']} {commit} {seed} {case['contender']}").uniform(-1, 1) * truth["jitter"]
            values = [[1000 * factor * (1 + jitter)] * 3 for _ in range(rounds)]
        set_rounds(metric, values)
    save(path, result)
    return 0


if sys.argv[1:2] == ["--measure"]:
    sys.exit(measure(*sys.argv[2:5]))

# Not above: the fake command starts hundreds of times.
import importlib.machinery  # noqa: E402
import importlib.util  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import unittest  # noqa: E402

sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("validate", os.path.join(os.path.dirname(BISECT), "..", "results", "validate"))
validate = importlib.util.module_from_spec(importlib.util.spec_from_loader("validate", LOADER))
LOADER.exec_module(validate)
sys.path.insert(0, os.path.join(os.path.dirname(BISECT), "lib"))
import bisect_measure  # noqa: E402
PROGRAM = os.path.abspath(sys.argv[1])
HISTORIES = int(sys.argv[2]) if len(sys.argv) > 2 else 2


def template(deterministic):
    """A real file, for everything but the times."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        subprocess.run([PROGRAM, "run", "fake/good", "fake/null", "--rounds", "2", "--samples", "3", "--events", "none", "-o", path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        result = load(path)
    if deterministic:
        result["machine"].update(execution="tcg-icount", emulated=True)
    return result


TEMPLATES = {deterministic: template(deterministic) for deterministic in (True, False)}


def history(folder, n=N):
    """A repository of n commits on one line, in order."""
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    stream = "".join(f"commit refs/heads/main\ncommitter x <x@example.org> {1700000000 + i} +0000\ndata <<.\nchange {i}\n.\n\n"
                     for i in range(n))
    subprocess.run(["git", "-C", folder, "fast-import", "--quiet"], input=stream, text=True, check=True)
    return subprocess.run(["git", "-C", folder, "rev-list", "--reverse", "main"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.split()


class Bisect(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.repo, self.state = os.path.join(self.folder, "repo"), os.path.join(self.folder, "state")
        self.commits = history(self.repo)

    def make(self, levels, seed=1, noise=None, jitter=0.001, **abouts):
        """levels: by place; abouts: place as "_N" to what else is to be known of that commit."""
        commits = {commit: {"level": levels(i)} for i, commit in enumerate(self.commits)}
        for place, about in abouts.items():
            commits[self.commits[int(place[1:])]].update(about)
        self.truth = {"seed": seed, "noise": noise, "jitter": jitter, "commits": commits}
        self.save_truth()
        save(os.path.join(self.folder, "template.json"), TEMPLATES[not noise])

    def save_truth(self):
        save(os.path.join(self.folder, "truth.json"), self.truth)

    def command(self, *options, ends=("0", str(N - 1)), state=None):
        fake = f"{sys.executable} {os.path.abspath(__file__)} --measure {self.folder}"
        return [BISECT, "--run", fake, "--repo", self.repo, "--mmlab", PROGRAM, "--state", state or self.state,
                "--control", "fake/null", *options, *(self.commits[int(end)] if end.isdecimal() else end for end in ends), "fake/good"]

    def bisect(self, *options, status=0, **where):
        done = subprocess.run(self.command("--json", *options, **where), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=600)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout[-3000:])
        self.messages = done.stderr
        if status in (1, 2):
            return None
        report = json.loads(done.stdout)
        self.assertEqual(validate.problems(report), [])
        self.assertEqual(report, load(os.path.join(where.get("state") or self.state, "report.json")))
        for entry in report["measurements"]:
            if entry["file"]:
                self.assertTrue(load(os.path.join(report["folder"], entry["file"]))["run"]["complete"])
        with open(os.path.join(report["folder"], "report.txt"), encoding="utf-8") as file:
            text = file.read()
        for entry in report["measurements"]:
            self.assertIn(entry["file"] or entry["log"], text)
        return report

    def calls(self):
        with open(os.path.join(self.folder, "calls"), encoding="ascii") as file:
            return file.read().splitlines()

    def culprits(self, report):
        return [self.commits.index(step["name"]) for step in report["suspects"]]

    def random_history(self, seed, noise=None, change=None):
        """A culprit anywhere, up or down, and a fifth of the others cannot be measured."""
        chance = random.Random(seed)
        culprit = chance.randrange(1, N)
        factor = change or chance.choice((0.5, 0.9, 1.05, 1.2, 3))
        broken = {i: {"exit": 125} for i in range(1, N - 1) if i not in (culprit - 1, culprit) and chance.random() < 0.2}
        self.make(lambda i: factor if i >= culprit else 1, seed, noise, **{f"_{i}": about for i, about in broken.items()})
        return culprit

    def test_deterministic(self):
        for seed in range(HISTORIES):
            with self.subTest(seed):
                culprit = self.random_history(seed)
                report = self.bisect(state=f"{self.state}-{seed}")
                self.assertEqual((report["outcome"], self.culprits(report)), ("found", [culprit]))
                self.assertEqual(report["confirmation"]["direction"], report["change"]["direction"])
                self.assertEqual({entry["seed"] for entry in report["measurements"]}, {1, 2})

    def test_noisy(self):
        """Of 20 at most one may end elsewhere; where it cannot tell, what it suspects must hold the culprit."""
        right, wrong = 0, []
        for seed in range(HISTORIES):
            culprit = self.random_history(1000 + seed, (0.005, 0.01), 1.06 if seed % 2 else 0.92)
            done = subprocess.run(self.command("--json", "--noisy", state=f"{self.state}-{seed}"), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False, timeout=600)
            report = json.loads(done.stdout)
            right += (report["outcome"], self.culprits(report)) == ("found", [culprit])
            if report["outcome"] in ("found", "suspects") and culprit not in self.culprits(report):
                wrong.append(seed)
            elif report["outcome"] != "found":
                print(f"# history {seed}: {report['outcome']}, {len(report['suspects'])} suspects", file=sys.stderr)
        print(f"# noisy: {right} right, {len(wrong)} wrong of {HISTORIES}", file=sys.stderr)
        self.assertGreaterEqual(right, HISTORIES - max(1, HISTORIES // 20))
        self.assertLessEqual(len(wrong), HISTORIES // 20)

    def test_one_instruction(self):
        """Where the control is the same to the last instruction, the least change is enough."""
        self.make(lambda i: 1.00001 if i >= 41 else 1, jitter=0)
        report = self.bisect()
        self.assertEqual((report["outcome"], self.culprits(report)), ("found", [41]))

    def test_control_measured_apart(self):
        """Two runs of one boot become one valid file, and can be told apart again to add rounds to each."""
        names = {"control.json": "fake/null", "result.json": "fake/other"}
        paths = {name: os.path.join(self.folder, name) for name in names}
        for name, case in names.items():
            subprocess.run([PROGRAM, "run", case, "--rounds", "2", "--samples", "1", "--seed", "1", "--events", "none", "-o", paths[name]],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = {name: load(path) for name, path in paths.items()}
        bisect_measure.join(paths["result.json"], self.folder, names)
        joined = load(paths["result.json"])
        self.assertEqual(validate.problems(joined), [])
        self.assertEqual([case["contender"] for case in joined["cases"]], ["other", "null"])
        bisect_measure.split(paths["result.json"], "fake/null", list(paths.values()))
        for name, path in paths.items():
            self.assertEqual(load(path)["cases"], before[name]["cases"])
            self.assertEqual(validate.problems(load(path)), [])

    def test_no_control(self):
        """Then nobody knows what another boot alone would move: below the threshold nothing is believed."""
        for change, status in ((1.002, 4), (1.2, 0)):
            self.make(lambda i, change=change: change if i >= 41 else 1, jitter=0)
            report = self.bisect("--control", "fake/nobody", status=status, state=f"{self.state}-{change}")
        self.assertEqual(self.culprits(report), [41])

    def test_ends_the_other_way_round(self):
        self.make(lambda i: 1.1 if i >= 7 else 1)
        self.assertEqual(self.culprits(self.bisect(ends=(str(N - 1), "0"))), [7])

    def test_neighbours(self):
        self.make(lambda i: 1.1 if i >= 7 else 1)
        self.assertEqual(self.culprits(self.bisect(ends=("6", "7"))), [7])

    def test_ends_are_the_same(self):
        """A good end that is not good."""
        self.make(lambda i: 1.5 if i >= 7 else 1)
        report = self.bisect(status=3, ends=("20", "63"))
        self.assertEqual((report["outcome"], report["suspects"]), ("same", []))
        self.assertEqual(len(self.calls()), 2)
        self.assertIn("the ends do not differ in time of fake/good", report["reason"])

    def test_end_cannot_be_measured(self):
        self.make(lambda i: 1.5 if i >= 7 else 1, _63={"exit": 125})
        report = self.bisect(status=4)
        self.assertIn("(change 63) cannot be measured: the command skips it", report["reason"])
        self.truth["commits"][self.commits[63]].pop("exit")
        self.save_truth()
        self.bisect(status=4)  # it is known to be impossible
        self.assertEqual(self.culprits(self.bisect("--retry-skipped")), [7])

    def test_skipped_range(self):
        """The change is among commits that cannot be measured: all of them are suspects, and none more."""
        for culprit in (30, 35, 40):
            self.make(lambda i, culprit=culprit: 2 if i >= culprit else 1, **{f"_{i}": {"exit": 125} for i in range(30, 40)})
            report = self.bisect(status=5, state=f"{self.state}-{culprit}")
            self.assertEqual((report["outcome"], self.culprits(report)), ("suspects", list(range(30, 41))))
            self.assertEqual(report["confirmation"]["verdict"], "different")
            self.assertEqual({step["reason"].split(" (")[0] for step in report["left_out"]}, {"the command skips it with status 125"})

    def test_skipped_range_beside(self):
        """A long range that cannot be measured costs few attempts while the change is elsewhere."""
        self.make(lambda i: 2 if i >= 60 else 1, **{f"_{i}": {"exit": 125} for i in range(12, 52)})
        self.assertEqual(self.culprits(self.bisect()), [60])
        self.assertLess(len(self.calls()), 20)

    def test_case_is_missing_at_a_step(self):
        self.make(lambda i: 2 if i >= 31 else 1, **{f"_{i}": {"status": "skipped"} for i in range(31, 33)},
                  **{f"_{i}": {"status": "failed"} for i in range(34, 36)})
        report = self.bisect(status=5)
        self.assertEqual(self.culprits(report), [31, 32, 33])
        self.assertIn("the fake says so", report["left_out"][0]["reason"])

    def test_case_fails(self):
        """Whether it works at all is a metric, too."""
        self.make(lambda i: 1, **{f"_{i}": {"status": "failed"} for i in range(23, N)})
        report = self.bisect()
        self.assertEqual((report["target"]["metric"], self.culprits(report)), ("status", [23]))

    def test_two_changes(self):
        """The greater one is found, the other is told."""
        self.make(lambda i: 1 + 0.1 * (i >= 10) + 0.5 * (i >= 50))
        report = self.bisect()
        self.assertEqual(self.culprits(report), [50])
        self.assertEqual(len(report["others"]), 1)
        self.assertTrue(self.commits.index(report["others"][0]["after"]) < 10 <= self.commits.index(report["others"][0]["until"]))

    def test_not_confirmed(self):
        self.make(lambda i: 1.3 if i >= 12 else 1, _12={"confirm": 1.0})
        report = self.bisect(status=4)
        self.assertEqual((report["outcome"], self.culprits(report)), ("unconfirmed", [12]))

    def test_noisy_ends_cannot_be_told(self):
        self.make(lambda i: 1.04 if i >= 12 else 1, noise=(0.03, 0.01))
        report = self.bisect("--noisy", "--max-rounds", "24", status=4)
        self.assertEqual(report["outcome"], "cannot-tell")
        self.assertIn("24 rounds of each instead of 12", self.messages)
        self.make(lambda i: 1.1 if i >= 12 else 1, noise=(0.0005, 0.001))
        report = self.bisect("--noisy", "--rounds", "3", "--max-rounds", "3", status=4, state=self.state + "-3")
        self.assertRegex(report["reason"], r"(\d+) more rounds would decide, so take --max-rounds \d+")

    def test_noisy_takes_more_rounds(self):
        self.make(lambda i: 1.1 if i >= 12 else 1, noise=(0.0005, 0.001))
        report = self.bisect("--noisy", "--rounds", "3")
        self.assertEqual(self.culprits(report), [12])
        self.assertGreater(max(entry["rounds"] for entry in report["measurements"]), 3)
        grown = max(report["measurements"], key=lambda entry: entry["rounds"])
        self.assertEqual(load(os.path.join(self.state, grown["file"]))["run"]["rounds"], grown["rounds"])

    def test_killed(self):
        """Killed again and again, wherever it may be: it ends where it would have, and measures nothing twice that was done."""
        for seed in range(HISTORIES):
            culprit = self.random_history(seed)
            self.truth["slowness"] = 0.02
            self.save_truth()
            state, chance, kills = f"{self.state}-{seed}", random.Random(seed), 0
            before = len(self.calls()) if seed else 0
            while True:
                with subprocess.Popen(self.command(state=state), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                    try:
                        status = process.wait(chance.uniform(0.15, 1.2 + 0.1 * kills))  # gets somewhere on any machine
                        break
                    except subprocess.TimeoutExpired:
                        process.send_signal(signal.SIGKILL)
                        kills += 1
            with self.subTest(seed, kills=kills):
                self.assertEqual(status, 0)
                report = self.bisect(state=state)
                self.assertEqual(self.culprits(report), [culprit])
                self.assertLessEqual(len(self.calls()) - before, len(report["measurements"]) + kills)
                self.assertEqual([name for name in os.listdir(state) if name.startswith("measure-")], [])

    def test_report_is_checked(self):
        """What validate says of reports that contradict themselves."""
        self.make(lambda i: 1.3 if i >= 12 else 1)
        for words, change in {
                "with 0 suspects": lambda report: report.update(suspects=[]),
                "not one suspect": lambda report: report["suspects"].append(report["bad"]),
                "a comparison that it rests on": lambda report: report["confirmation"].update(verdict="same"),
                "never measured": lambda report: report["before"].update(name="0" * 40),
                "the reason why there is none": lambda report: report["measurements"][0].update(file=None),
                "without a reason": lambda report: report.update(outcome="same", suspects=[], before=None),
                "'certain' is not one of": lambda report: report.update(outcome="certain"),
                "'folder' is a required": lambda report: report.pop("folder")}.items():
            with self.subTest(words):
                report = self.bisect()  # measured once
                change(report)
                self.assertIn(words, "\n".join(validate.problems(report)))

    def test_interrupted(self):
        self.make(lambda i: 1.3 if i >= 12 else 1)
        self.truth["slowness"] = 0.3
        self.save_truth()
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            with subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
                for line in process.stderr:
                    if "steps between" in line:
                        break
                process.send_signal(number)
                self.assertIn("the same command goes on", process.stderr.read())
            self.assertEqual(process.returncode, status)
        self.truth["slowness"] = 0
        self.save_truth()
        self.assertEqual(self.culprits(self.bisect()), [12])

    def test_command_is_broken(self):
        """What is wrong with the set-up stops it, and is blamed on no commit."""
        self.make(lambda i: 1.3 if i >= 12 else 1, _31={"exit": 99})
        self.bisect(status=1)
        self.assertIn("ended with status 99", self.messages)
        self.truth["commits"][self.commits[31]].pop("exit")
        self.save_truth()
        self.assertEqual(self.culprits(self.bisect()), [12])

    def test_kernels(self):
        self.make(lambda i: 1)
        names = ["5.10", "6.1", "6.12", "6.18"]
        self.truth["commits"] = {name: {"level": 1.3 if i >= 2 else 1} for i, name in enumerate(names)}
        self.save_truth()
        report = self.bisect("--kernels", ",".join(names), ends=())
        self.assertEqual([step["kernel"] for step in report["suspects"]], ["6.12"])

    def test_other_settings(self):
        self.make(lambda i: 1.3 if i >= 12 else 1)
        self.bisect()
        self.bisect("--rounds", "4", status=1)
        self.assertIn("holds another bisection (different: rounds)", self.messages)
        self.bisect("--rounds", "4", "--restart")

    def test_wrong_usage(self):
        self.make(lambda i: 1)
        for arguments, status, words in (
                ((), 2, "GOOD, BAD and CASE are needed"),
                (("HEAD", "fake/good"), 2, "GOOD, BAD and CASE are needed"),
                (("HEAD~1", "HEAD", "stock"), 2, "is no case"),
                (("--kernels", "6.1", "stock/getppid"), 2, "two or more"),
                (("--kernels", "6.1,6.3", "stock/getppid"), 2, "unknown kernel '6.3'"),
                (("--native", "HEAD~1", "HEAD", "stock/getppid"), 2, "--native needs --noisy"),
                (("--run", "true", "--repo", self.repo, "main", "nosuch", "fake/good"), 1, "has no commit 'nosuch'"),
                (("--run", "true", "--repo", self.repo, "main", "main", "fake/good"), 1, "nothing between them"),
                (("--run", "true", "--repo", self.repo, "--mmlab", PROGRAM, "--state", self.state, "main~1", "main", "fake/good"), 1,
                 "wrote no file")):
            with self.subTest(arguments):
                done = subprocess.run([BISECT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    if not shutil.which("git"):
        print("git is missing, and without it there is no history")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
