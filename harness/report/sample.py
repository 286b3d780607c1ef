# SPDX-License-Identifier: MIT
"""What the tests of pages share: runs that were measured, with figures or texts planted, and what holds for every page."""

import copy
import html.parser
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

FAKES, MAKER, PLAIN, MMLAB = map(os.path.abspath, sys.argv[1:5])
sys.dont_write_bytecode = True
sys.path.insert(0, MAKER)  # what is tested is what is installed

from result_file import interval, median  # noqa: E402

HOSTILE = ("</script><script>window.pwned=1</script>", "\"'><img src=x onerror=window.pwned=1>", "]]></style><b>", "a&lt;b&amp;",
           "\x00\x1b[31m\u202e\ud800", "--><svg onload=window.pwned=1>", "javascript:window.pwned=1", "x" * 300, "</title></svg>", "")
VOID = {"meta", "input", "br"}


def measure(program, *arguments):
    """A real result; two samples, six rounds."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        subprocess.run([program, "run", *arguments, "--rounds", "6", "--samples", "2", "--events", "none", "-o", path], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as file:
            return json.load(file)


FAKE = measure(FAKES, "fake/good", "fake/other", "fake/lacks-number", "fake/skips", "--axis", "pages=1,5")
IPC = measure(MMLAB, "ipc/wakeup", "ipc/shm", "ipc/copy", "ipc/socketpair", "ipc/mprotect", "ipc/memfd-fresh", "ipc/memfd-cached",
              "ipc/memfd-fresh-populate", "ipc/memfd-cached-populate", "--axis", "size=4K,16K,64K")


def plant(case, name, value):
    """Give a metric of a case these figures: six rounds of two samples, a thousandth apart."""
    metric = next(metric for metric in case["metrics"] if metric["name"] == name)
    metric["rounds"] = [[value * (1 + i / 1000)] * 2 for i in range(6)]
    middles = [samples[0] for samples in metric["rounds"]]
    metric.update(median=median(middles), min=min(middles), max=max(middles), ci95=interval(middles), unstable=False, n=6,
                  reason=None)


def cases(result, contender):
    return [case for case in result["cases"] if case["contender"] == contender and case["status"] == "ok"]


def changed(result, **fields):
    """A copy of a run with other fields; key, kernel, execution and emulated are the machine's."""
    other = copy.deepcopy(result)
    for name, value in fields.items():
        if name == "kernel":
            other["machine"]["kernel"]["release"] = value
        else:
            other["machine" if name in ("key", "execution", "emulated") else "run"][name] = value
    return other


def poison(rng):
    """Every text of a result that a file could have changed."""
    names = {}

    def spoil(value):
        return names.setdefault(value, f"{value[:1]}{rng.choice(HOSTILE)}{len(names)}")
    result = copy.deepcopy(rng.choice((FAKE, IPC)))
    for item in result["cases"] + result["ratios"]:
        item["contender"] = spoil(item["contender"])
        item["params"] = {spoil(axis): spoil(value) if isinstance(value, str) else value for axis, value in item["params"].items()}
        if item.get("reason"):
            item["reason"] = spoil(item["reason"])
        for metric in item.get("metrics", ()):
            if metric["name"] != "time":
                metric["name"], metric["unit"] = spoil(metric["name"]), spoil(metric["unit"])
    for about in result["scenarios"].values():
        for field in ("question", "op", "floor", "baseline", "columns"):
            about[field] = about[field] and spoil(about[field])
    if rng.random() < 0.5:
        result["scenarios"] = {spoil(name): about for name, about in result["scenarios"].items()}
        for item in result["cases"] + result["ratios"]:
            item["scenario"] = spoil(item["scenario"])
    result["machine"]["kernel"].update(release=spoil("6.1"), version=spoil("v"), cmdline=spoil("c"))
    result["machine"].update(execution=spoil("kvm"), identity=spoil("i"), key=spoil("k"))
    result["run"].update(id=spoil("id"), started=spoil("st"), commit=spoil("co"), argv=[spoil("mmlab"), spoil("run")])
    return result


class Parser(html.parser.HTMLParser):
    """Elements in order, that they are closed in order, and what refers to what."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.elements, self.ids, self.links, self.texts, self.problems = [], [], [], [], [], []
        self.svg_texts, self.scripts = [], []
        self.feed(text)
        self.close()
        if self.stack:
            self.problems.append(f"not closed: {self.stack}")

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[name] for name in ("href", "src", "action", "data", "srcset", "xlink:href") if name in attrs]
        if tag == "svg":
            self.svg_texts.append("")
        if tag == "script":
            self.scripts.append(attrs.get("type"))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.problems.append(f"{tag} is closed, but not open, at {self.getpos()}")

    def handle_data(self, data):
        self.texts.append(data)
        if "svg" in self.stack and self.stack[-1] == "text":  # what is seen
            self.svg_texts[-1] += data + "\n"


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mmlab-report-")
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, result):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(result, file)
        return path

    def make(self, *results, maker=MAKER, options=(), status=0):
        """Run the maker on results; its page as text."""
        paths = [self.write(f"{i}.json", result) if isinstance(result, dict) else result for i, result in enumerate(results)]
        page = os.path.join(self.folder, "page.html")
        done = subprocess.run(["python3", maker, "--program", MMLAB, "--html", page, *options, "--", *paths], text=True,
                              capture_output=True, check=False, timeout=120)
        self.assertEqual(done.returncode, status, done.stderr[-2000:])
        self.assertNotIn("Traceback", done.stderr)
        self.printed = done.stdout
        if status:
            self.assertRegex(done.stderr, r"\Ammlab report: [^\n]+\n\Z")
            self.assertFalse(os.path.exists(page))
            return done.stderr
        with open(page, encoding="utf-8", newline="") as file:
            return file.read()

    def check(self, text):
        """What holds for every page."""
        parser = Parser(text)
        self.assertEqual(parser.problems, [])
        self.assertEqual(len(parser.ids), len(set(parser.ids)), "an id stands twice")
        for link in parser.links:
            self.assertRegex(link, "^#", "a page that refers to something outside")
            self.assertIn(link[1:], parser.ids, "a link to nowhere")
        self.assertNotRegex(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL), r"url\(|@import")
        self.assertEqual([kind for kind in parser.scripts if kind is None], [None])
        for label in parser.svg_texts:
            self.assertRegex(label, "execution:|EMULATED")
        return parser

    def history(self, n=14):
        """A folder of so many runs, with a step in the times of one contender and in the faults of another."""
        rng = random.Random(7)
        for i in range(n):
            result = changed(FAKE, id=f"202601{i + 1:02d}T000000Z-{i:08x}", started=f"2026-01-{i + 1:02d}T00:00:00Z",
                             finished=f"2026-01-{i + 1:02d}T00:00:01Z", commit=f"{i:040x}")
            for name in ("good", "other"):
                for case in cases(result, name):
                    plant(case, "time", 1000 * rng.gauss(1, 0.01) * (1.12 if name == "other" and i >= 9 else 1))
                    if name == "good" and i >= 5:
                        plant(case, "faults", 77)
                        for metric in case["metrics"]:
                            if metric["name"] == "faults":
                                metric["median"] = 77
            self.write(f"history/sub{i % 3}/{n - i}.json", result)
        return os.path.join(self.folder, "history")
