#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Pages and pictures, from real runs, from runs with planted figures, hostile texts and damage; without a browser.

usage: test-report.py FAKES MAKER PLAIN_MAKER MMLAB
"""
import base64
import copy
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree

from sample import FAKE, IPC, MAKER, MMLAB, PLAIN, Folder, cases, changed, plant, poison

import markup
import runs
import trend
from answers import answers

UPLOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "uplot")


class Pages(Folder):
    def test_real_runs(self):
        for result in (FAKE, IPC):
            text = self.make(result)
            parser = self.check(text)
            self.assertGreater(len(parser.svg_texts), 1)
            for name, about in result["scenarios"].items():
                self.assertIn(name, parser.ids)
                self.assertIn(str(markup.safe(about["question"])), text)
            for case in result["cases"]:
                for metric in case["metrics"]:
                    if metric["median"] is not None:
                        self.assertIn(f"<td>{metric['median']:.10g}</td>", text)
                if case["status"] != "ok":
                    self.assertIn(str(markup.safe(case["reason"])), text)

    def test_numbers_are_in_the_tables_without_a_script(self):
        text = re.sub(r"<script.*?</script>", "", self.make(IPC), flags=re.DOTALL)
        body = text[text.index("<h3>Numbers"):]
        for contender in {case["contender"] for case in IPC["cases"] if case["status"] == "ok"}:
            self.assertRegex(body, f'<tr data-c="{contender}"><th scope="row">{contender}</th><td><span>[0-9.]+ [num]?s')

    def test_raw_samples_are_there(self):
        text = self.make(IPC)
        case = cases(IPC, "copy")[0]
        samples = " | ".join(" ".join(f"{value:.8g}" for value in samples) for samples in case["metrics"][0]["rounds"])
        self.assertIn(f"time [ns]: {samples}", text)

    def test_same_bytes(self):
        self.assertEqual(self.make(IPC), self.make(IPC))

    def test_emulated_on_every_picture(self):
        result = changed(IPC, execution="tcg", emulated=True)
        parser = self.check(self.make(result))
        self.assertTrue(all("EMULATED (tcg)" in label for label in parser.svg_texts))
        self.assertIn("EMULATED", "".join(parser.texts).split("One operation")[0])
        self.assertNotIn("EMULATED (", "".join(self.check(self.make(IPC)).texts))

    def test_without_the_chart_library(self):
        text = self.make(IPC, maker=PLAIN)
        self.check(text)
        self.assertIn('id="no-chart"', text)
        self.assertNotIn("uPlot.iife", text)
        self.assertGreater(text.count("<svg"), 1)

    def test_chart_library_brings_its_licence(self):
        text = self.make(IPC)
        if 'id="no-chart"' in text:
            self.skipTest("built without the chart library")
        self.assertIn("Leon Sorokin", text)

    def test_kernels_side_by_side(self):
        other = changed(IPC, kernel="9.9.9-other", id="20260101T000000Z-00000001")
        for case in cases(other, "copy"):
            plant(case, "time", case["metrics"][0]["median"] * 40)
        text = self.make(IPC, other)
        parser = self.check(text)
        both = [label for label in parser.svg_texts if "9.9.9-other" in label]
        self.assertEqual(len(both) * 2, len(parser.svg_texts))
        self.assertRegex(text, r"9\.9\.9-other against [^<]*: </strong>[^<]*judged by mmlab compare")
        self.assertRegex(text, "(different, )?regression")
        # One table for both, and the ratio of the second to the first.
        self.assertRegex(text, r"<th[^>]*>[^<]*9\.9\.9-other</th>")
        self.assertRegex(text, r'<th[^>]*>copy</th><td>.*?<small>40\.\dx</small>')

    def test_other_machines_are_shown_with_the_reason(self):
        text = self.make(IPC, changed(IPC, key="1-000000000000", id="20260101T000000Z-00000001"))
        self.check(text)
        self.assertIn("was not compared:", text)

    def test_pictures_as_files(self):
        out = os.path.join(self.folder, "pictures")
        self.make(IPC, options=("--svg", out))
        paths = self.printed.split()
        self.assertGreater(len(paths), 2)
        self.assertEqual(sorted(os.path.join(out, name) for name in os.listdir(out)), sorted(paths))
        for path in paths:
            root = xml.etree.ElementTree.parse(path).getroot()
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
            texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
            self.assertTrue(any(text.startswith("execution: ") for text in texts))
            style = root.find("{http://www.w3.org/2000/svg}style").text
            self.assertNotIn("--", style, "variables, which few programs know")
            self.assertIn(".picture .s0 .line { fill: none; stroke: #1b6ca8;", style)


class Answers(Folder):
    def said(self, result, scenario):
        """The sentences at the first setting, and the remarks."""
        said, remarks = answers(runs.load(self.write("a.json", result)), scenario)
        return " ".join(said[0][1]) if said else "", remarks

    def test_crossover(self):
        result = copy.deepcopy(IPC)
        for case in result["cases"]:
            size = case["params"]["size"]
            if case["status"] == "ok":
                planted = {"copy": 1000 + size / 4, "mprotect": 6000, "wakeup": 100, "shm": 200}
                plant(case, "time", planted.get(case["contender"], 1e6 + size))
        said, remarks = self.said(result, "ipc")
        self.assertRegex(said, r"Mapping overtakes the best copy with “mprotect” from about 19\.\dK \(16K to 64K\)")
        self.assertRegex(said, "Never cheaper up to the largest size: .*“memfd-fresh”")
        self.assertRegex(said, r"At 64K the best that maps, “mprotect”, takes 0\.345 times \(.*“copy”")
        self.assertEqual(remarks, "")
        text = self.make(result)
        self.assertIn('class="ring"', text)
        self.assertIn('class="line copy"', text)
        self.assertIn("where the time of a transfer goes", text)

    def test_baseline_and_few_rounds(self):
        result = copy.deepcopy(FAKE)
        said, _ = self.said(result, "fake")
        self.assertTrue(said)
        result["run"]["rounds"] = 2
        self.assertIn("With 2 rounds there are no intervals", self.said(result, "fake")[1])

    def test_page_tables(self):
        result = copy.deepcopy(IPC)
        result["scenarios"] = {"fanout": {**result["scenarios"]["ipc"], "columns": "procs", "baseline": "copy", "floor": None}}
        result["ratios"], result["cases"] = [], [case for case in result["cases"] if case["status"] == "ok"]
        for case in result["cases"]:
            n = {4096: 1, 16384: 100, 65536: 1000}[case["params"]["size"]]
            case["scenario"], case["params"] = "fanout", {"procs": n, "size": 1 << 26}
            metric = copy.deepcopy(case["metrics"][0])
            case["metrics"].append({**metric, "name": "tables-system", "unit": "bytes", "kind": "bytes"})
            plant(case, "tables-system", {"copy": 131072 * n, "shm": 4096 * (n - 1)}.get(case["contender"], 65536))
        said, _ = self.said(result, "fanout")
        self.assertRegex(said, r"With 1000 processes, page tables take 125 MiB with “copy” and 64.\d KiB with “\S+”, 2,000 times less\. "
                                     r"Each further process adds 128 KiB with “copy” and 0 B")
        text = self.make(result)
        self.assertIn("0 cannot be shown on this axis: parts of shm are in the table only", text)
        self.assertIn("bytes of page tables, by number of processes", text)

    def test_nothing_measured(self):
        result = copy.deepcopy(FAKE)
        for case in result["cases"]:
            case.update(status="skipped", reason="not here", metrics=[], counters=[])
        result["ratios"] = []
        self.assertEqual(self.said(result, "fake"), ("", ""))
        self.assertIn("nothing was measured", self.make(result))


class Hostile(Folder):
    def test_texts(self):
        clean = self.check(self.make(FAKE)).elements + self.check(self.make(IPC)).elements
        for seed in range(6):
            rng = random.Random(seed)
            out = os.path.join(self.folder, f"pictures-{seed}")
            text = self.make(poison(rng), options=("--svg", out))
            parser = self.check(text)
            self.assertEqual(set(parser.elements) - set(clean) - {("td", ("class",)), ("span", ("class",))}, set())
            self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\u202e]")
            for name in os.listdir(out):
                self.assertRegex(name, r"\A[A-Za-z0-9-]+\.svg\Z")
                xml.etree.ElementTree.parse(os.path.join(out, name))

    def test_policy_names_the_only_script(self):
        text = self.make(poison(random.Random(3)))
        code = re.search(r"<script>(.*)</script>\s*</body>", text, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        self.assertIn(f"default-src 'none'; script-src 'sha256-{digest}';", text)

    def test_damage(self):
        """Fields that are missing or of another type: a page or a refusal in one line, never a trace of the program."""
        done = {0: 0, 99: 0}
        program = ("import sys, json, runs, page\nfiles = {'page.css': '', 'page.js': '', 'picture.css': 'svg.picture { --ink: #000; }'}\n"
                   "for line in sys.stdin:\n"
                   "    try:\n        page.page([runs.Run(json.loads(line), 'file')], None, [], files); print(0)\n"
                   "    except runs.Unusable: print(99)\n")
        damaged = []
        for seed in range(150):
            rng = random.Random(seed)
            result = copy.deepcopy(rng.choice((FAKE, IPC)))
            for _ in range(rng.randint(1, 3)):
                place = result
                while True:
                    keys = list(place) if isinstance(place, dict) else range(len(place))
                    if not keys:
                        break
                    key = rng.choice(list(keys))
                    if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.85:
                        place = place[key]
                        continue
                    if rng.random() < 0.4:
                        del place[key]
                    else:
                        place[key] = rng.choice((None, True, -1, 0, 1e308, "", "x", [], {}, [None], 1 << 70))
                    break
            damaged.append(json.dumps(result))
        ended = subprocess.run(["python3", "-c", program], input="\n".join(damaged), text=True, capture_output=True, check=False,
                               env={**os.environ, "PYTHONPATH": MAKER}, timeout=120)
        self.assertEqual(ended.returncode, 0, ended.stderr[-1500:])
        for line in ended.stdout.split():
            done[int(line)] += 1
        self.assertEqual(sum(done.values()), 150)
        self.assertGreater(min(done.values()), 12, "the damage is one-sided")

    def test_refusals(self):
        broken = os.path.join(self.folder, "broken.json")
        with open(broken, "w", encoding="utf-8") as file:
            file.write('{"schema": NaN}')
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        old = copy.deepcopy(FAKE)
        old["schema"]["version"] = 2
        endless = copy.deepcopy(FAKE)
        endless["cases"][0]["metrics"][0]["median"] = 10 ** 400
        for arguments, said in (((broken,), "not JSON"), (("/nowhere/x.json",), "No such file"), ((old,), "version 2"),
                                ((empty,), "no result file"), ((FAKE, empty), "or one folder"), (({"schema": {}},), "not a result")):
            with self.subTest(said):
                self.assertIn(said, self.make(*arguments, status=99))


class Histories(Folder):
    def test_changes_are_found(self):
        folder = self.history()
        self.write("history/note.json", {"schema": {"name": "mmlab-margins", "version": 1}})
        text = self.make(folder)
        parser = self.check(text)
        self.assertIn("history", parser.ids)
        rows = re.findall(r'<tr data-c="([^"]*)"><th scope="row">[^<]*</th><td>(time|faults)</td><td>([^<]*)</td><td>([^<]*)</td>',
                          text[text.index("Changes of level"):text.index("These runs")])
        where = {(name, metric, after.split()[0]) for name, metric, _, after in rows}
        self.assertEqual(where, {("other", "time", f"{9:040x}"[:12]), ("good", "faults", f"{5:040x}"[:12])})
        self.assertIn("1 file was passed over", text)
        self.assertIn("time over 14 runs", text)
        self.assertTrue(any('over 14 runs' in label and "execution" in label for label in parser.svg_texts))

    def test_latest_of_each_kernel(self):
        for i, kernel in enumerate(("6.1", "6.12", "6.1")):
            self.write(f"h/{i}.json", changed(FAKE, id=f"2026010{i + 1}T000000Z-00000000", kernel=kernel, started=f"2026-01-0{i + 1}T00:00:00Z"))
        history = runs.History(os.path.join(self.folder, "h"))
        self.assertEqual([os.path.basename(path) for path in history.latest(4)], ["2.json", "1.json"])
        self.check(self.make(os.path.join(self.folder, "h")))

    def test_a_run_twice_counts_once(self):
        for i, finished in enumerate(("2026-01-01T00:00:05Z", "2026-01-01T00:00:09Z", "2026-01-01T00:00:07Z")):
            self.write(f"h/{i}.json", changed(FAKE, finished=finished))
        history = runs.History(os.path.join(self.folder, "h"))
        self.assertEqual([os.path.basename(moment.path) for moment in history.moments], ["1.json"])


class Changes(unittest.TestCase):
    def test_noise_alone(self):
        """At most 5 alarms in 1500 series without a change, even with nothing that is too small to matter."""
        rng, least = random.Random(11), trend.LEAST_CHANGE
        trend.LEAST_CHANGE = 0.0
        try:
            alarms = sum(bool(trend.changes([1000 * rng.lognormvariate(0, 0.05) for _ in range(n)]))
                         for n in (8, 12, 24) for _ in range(500))
        finally:
            trend.LEAST_CHANGE = least
        self.assertLessEqual(alarms, 5)

    def test_a_step_is_found_where_it_is(self):
        rng = random.Random(12)
        for _ in range(100):
            n, at, factor = 20, rng.randint(5, 15), rng.choice((0.85, 1.15))
            values = [1000 * rng.lognormvariate(0, 0.01) * (factor if i >= at else 1) for i in range(n)]
            found = trend.changes(values)
            self.assertEqual([change.at for change in found], [at])
            self.assertAlmostEqual(found[0].ratio, factor, delta=0.03)

    def test_two_steps(self):
        values = [(100 if i < 8 else 130 if i < 16 else 90) * (1 + (i * 7 % 5) / 500) for i in range(24)]
        self.assertEqual([change.at for change in trend.changes(values)], [8, 16])

    def test_one_outlier_is_no_change(self):
        values = [100 * (1 + (i * 7 % 5) / 500) for i in range(20)]
        values[9] *= 3
        self.assertEqual(trend.changes(values), [])

    def test_few_runs_and_exact_values(self):
        self.assertEqual(trend.changes([1, 1, 1, 2, 2, 2]), [])
        self.assertEqual([change.at for change in trend.changes([4, 4, 5, 5, 4], exact=True)], [2, 4])


class Program(Folder):
    def test_through_mmlab(self):
        path, page = self.write("r.json", IPC), os.path.join(self.folder, "a b.html")
        subprocess.run([MMLAB, "report", "--html", page, path], check=True, timeout=60)
        with open(page, encoding="utf-8", newline="") as file:
            self.check(file.read())
        self.assertEqual(os.stat(page).st_mode & 0o111, 0)
        printed = subprocess.run([MMLAB, "report", "--html", "-", path], check=True, timeout=60, capture_output=True).stdout
        with open(page, "rb") as file:
            self.assertEqual(printed, file.read())

    def refused(self, *arguments, program=MMLAB, **more):
        done = subprocess.run([program, "report", *arguments], text=True, capture_output=True, check=False, timeout=60, **more)
        self.assertEqual(done.returncode, 99)
        return done.stderr

    def test_wrong_usage(self):
        path = self.write("r.json", FAKE)
        self.assertIn("--metric is for tables", self.refused("--html", "x.html", "--metric", "time", path))
        self.assertIn("name a result file", self.refused("--html", "x.html"))
        self.assertIn("cannot write", self.refused("--html", "/nowhere/x.html", path))
        self.assertIn("cannot make the folder", self.refused("--svg", path, path))

    def test_maker_is_missing(self):
        alone = shutil.copy(MMLAB, self.folder)
        self.assertIn("mmlab-report.pyz", self.refused("--html", "x.html", self.write("r.json", FAKE), program=alone))

    def test_python_is_missing(self):
        said = self.refused("--html", "x.html", self.write("r.json", FAKE), env={"PATH": self.folder})
        self.assertIn("need python3", said)


class Fetching(Folder):
    """scripts/uplot, with an npm that delivers something else."""

    def fetch(self, *arguments):
        fake = os.path.join(self.folder, "bin")
        os.makedirs(fake, exist_ok=True)
        with open(os.path.join(fake, "npm"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho other >uplot-1.6.32.tgz\n")
        os.chmod(os.path.join(fake, "npm"), 0o755)
        return subprocess.run([UPLOT, *arguments], capture_output=True, text=True, check=False, timeout=60, env={
            **os.environ, "PATH": f"{fake}:{os.environ['PATH']}", "MMLAB_CACHE": os.path.join(self.folder, "cache")})

    def test_another_file_is_refused(self):
        done = self.fetch()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("is not what it was", done.stderr)
        self.assertEqual(self.fetch("--cached").stdout, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
