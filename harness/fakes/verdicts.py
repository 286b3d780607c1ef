#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How often `mmlab compare` is right on this machine, with runs of one build and with a planted slow-down of 5 %.

usage: verdicts.py BUILD_DIR FOLDER [PAIRS]

Learns margins from ten runs of the fake scenarios, then measures PAIRS (20) pairs of equal builds, and as many with the
second build slower in one contender. All files stay in FOLDER. Takes about a minute for each four pairs.
"""
import collections
import json
import os
import subprocess
import sys

ROUNDS = "12"


def run(program, path):
    subprocess.run([program, "run", "fake/null", "fake/good", "fake/calls", "--rounds", ROUNDS, "--events", "none", "-o", path],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


def compare(program, margins, base, head):
    done = subprocess.run([program, "compare", "--json", "--control", "fake/null", "--margins", margins, base, head],
                          check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 99
    build, folder = map(os.path.abspath, sys.argv[1:3])
    pairs = int(sys.argv[3]) if len(sys.argv) == 4 else 20
    fast, slow = (os.path.join(build, "harness", name) for name in ("mmlab-fakes", "mmlab-fakes-slower"))
    os.makedirs(folder, exist_ok=True)
    margins = os.path.join(folder, "margins.json")
    learned = [run(fast, os.path.join(folder, f"learn-{i}.json")) for i in range(10)]
    subprocess.run([fast, "compare", "--learn", margins, *learned], check=True)
    tally = collections.Counter()
    for i in range(pairs):
        base = run(fast, os.path.join(folder, f"base-{i}.json"))
        for what, program in (("equal", fast), ("planted", slow)):
            comparison = compare(fast, margins, base, run(program, os.path.join(folder, f"{what}-{i}.json")))
            tally[f"{what}: control {comparison['control']['state']}"] += 1
            for change in comparison["changes"]:
                if not change["exact"]:
                    group = "planted" if what == "planted" and change["contender"] == "calls" else "equal"
                    tally[f"{group}: {change['verdict']}"] += 1
    for name, n in sorted(tally.items()):
        print(f"{name:30} {n}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
