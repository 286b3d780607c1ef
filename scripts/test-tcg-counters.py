#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Check that what the plugin of the emulator logs gets to the right cases of a result file, and nothing else changes.

usage: scripts/test-tcg-counters.py MMLAB_FAKES
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SCRIPTS = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(SCRIPTS, "lib"))

import tcg_counters  # noqa: E402

FAKES = os.path.abspath(sys.argv.pop(1))
VALIDATE = os.path.join(os.path.dirname(SCRIPTS), "results", "validate")


def line(name, state, first):
    return f"{name:016x} {state} {' '.join(str(first + i) for i in range(len(tcg_counters.NAMES)))}\n"


class Merge(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "result.json")
        # Marks are no-ops here, and must disturb nothing.
        subprocess.run([FAKES, "run", "fake/null", "fake/good", "fake/skips", "--rounds", "2", "--samples", "1", "-o", self.path],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env={**os.environ, "MMLAB_MARKS": "1"})
        with open(self.path, "rb") as file:
            self.content = file.read()
        self.result = json.loads(self.content)
        self.hash = tcg_counters.hash32(self.result["run"]["id"])

    def merged(self, lines, reason=None):
        log = os.path.join(self.folder.name, "log")
        with open(log, "w", encoding="ascii") as file:
            file.writelines(lines)
        content = tcg_counters.add(self.content, tcg_counters.read_log(log), reason)
        with open(self.path, "wb") as file:
            file.write(content)
        subprocess.run([VALIDATE, self.path], stdout=subprocess.DEVNULL, check=True)
        return json.loads(content)

    def entries(self, result, contender):
        case = next(case for case in result["cases"] if case["contender"] == contender)
        return [counter for counter in case["counters"] if counter["event"].startswith("tcg-")]

    def index(self, contender):
        return [case["contender"] for case in self.result["cases"]].index(contender) + 1

    def name(self, contender):
        return self.hash << 32 | self.index(contender)

    def test_counts_reach_their_case(self):
        result = self.merged([line(self.name("good"), "ok", 100), line(self.name("null"), "ok", 200)])
        for contender, first in (("good", 100), ("null", 200)):
            entries = self.entries(result, contender)
            self.assertEqual([entry["value"] for entry in entries], [first + i for i in range(12)])
            self.assertEqual({entry["state"] for entry in entries}, {"exact"})
            self.assertEqual([entry["scope"] for entry in entries], ["u"] * 6 + ["k"] * 6)
        self.assertEqual(self.entries(result, "skips"), [])

    def test_nothing_else_changes(self):
        result = self.merged([line(self.name("good"), "ok", 1)])
        for case in result["cases"]:
            case["counters"] = [counter for counter in case["counters"] if not counter["event"].startswith("tcg-")]
        self.assertEqual(result, self.result)

    def reasons(self, lines, reason=None, contender="good"):
        entries = self.entries(self.merged(lines, reason), contender)
        self.assertEqual({entry["value"] for entry in entries}, {None})
        return {(entry["state"], entry["reason"]) for entry in entries}

    def test_what_is_missing_has_its_reason(self):
        self.assertEqual(self.reasons([]), {("not-counted", "the plugin saw no marks of this case")})
        self.assertEqual(self.reasons([], "no plugin for this QEMU: why"), {("not-supported", "no plugin for this QEMU: why")})
        (state, reason), = self.reasons([line(self.name("good"), "open", 1)])
        self.assertEqual(state, "not-counted")
        self.assertIn("inside", reason)
        (state, reason), = self.reasons([line(self.name("good"), "ok", 1), line(self.name("good"), "ok", 1)])
        self.assertIn("same id", reason)

    def test_another_run_is_another_run(self):
        other = (self.hash ^ 1) << 32 | self.index("good")
        self.assertEqual(self.reasons([line(other, "ok", 1)]), {("not-counted", "the plugin saw no marks of this case")})

    def test_counts_are_added_once(self):
        result = self.merged([line(self.name("good"), "ok", 7)])
        self.content = json.dumps(result).encode()
        self.assertEqual(self.merged([line(self.name("good"), "ok", 8)]), result)

    def test_other_files_stay(self):
        for content in (b"", b"\xff\x00", b"[]", b"{}", b'{"schema": 1}', b'{"schema": {"name": "other"}}', b"17"):
            self.assertEqual(tcg_counters.add(content, {}), content)


if __name__ == "__main__":
    unittest.main(verbosity=2)
