# SPDX-License-Identifier: MIT
"""Adds up what gcov counted in several runs of the same program, by file and line."""

import json
import os
import shutil
import subprocess
import tempfile


class Unreadable(Exception):
    """gcov cannot read what was counted."""


def gcov(notes, counts, stem):
    """What gcov says about one object file; without counts, that nothing of it was executed."""
    with tempfile.TemporaryDirectory(prefix="mmlab-gcov-") as folder:
        shutil.copyfile(os.path.join(notes, stem + ".gcno"), os.path.join(folder, stem + ".gcno"))
        data = os.path.join(counts, stem + ".gcda")
        if os.path.exists(data):
            shutil.copyfile(data, os.path.join(folder, stem + ".gcda"))
        result = subprocess.run(["gcov", "--json-format", "--stdout", stem + ".gcno"], cwd=folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    # It goes on, with status 0, after counts of another build.
    if result.returncode != 0 or "mismatch" in result.stderr:
        raise Unreadable(f"gcov cannot read {data}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def merge(notes, runs, names):
    """{file: lines, covered, percent, missed} of the files with these names. Notes lie in one folder, each run's counts in one."""
    times = {}
    stems = sorted(name[:-5] for name in os.listdir(notes) if name.endswith(".gcno"))
    for stem in stems:
        for run in runs:
            for file in gcov(notes, run, stem)["files"]:
                name = os.path.basename(file["file"])
                if name not in names:
                    continue
                lines = times.setdefault(name, {})
                for line in file["lines"]:
                    lines[line["line_number"]] = lines.get(line["line_number"], 0) + line["count"]
    return {name: summary(lines) for name, lines in sorted(times.items())}


def summary(lines):
    missed = sorted(number for number, count in lines.items() if count == 0)
    return share(len(lines), len(lines) - len(missed)) | {"missed": missed}


def share(lines, covered):
    return {"lines": lines, "covered": covered, "percent": round(100 * covered / lines, 2) if lines else 100.0}


def total(files):
    return share(sum(entry["lines"] for entry in files.values()), sum(entry["covered"] for entry in files.values()))
