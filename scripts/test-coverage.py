#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests the adding up of scripts/coverage on a small program that gcc compiles for gcov.

usage: test-coverage.py
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

import gcov_lines  # noqa: E402

PROGRAM = """int main(int n, char **words)
{
	if (n == 2)
		return 0;
	if (n == 3)
		n++;
	else
		n--;
	return n == 9 &&
	       words[1][0] == 'x';
}
"""


def compile_program(folder, text):
    with open(os.path.join(folder, "small.c"), "w", encoding="ascii") as file:
        file.write(text)
    subprocess.run(["gcc", "--coverage", "-O0", "-c", "small.c"], cwd=folder, check=True)
    subprocess.run(["gcc", "--coverage", "small.o", "-o", "small"], cwd=folder, check=True)


def counts_of(folder, name, *words):
    """The folder with the counts of one run."""
    subprocess.run([os.path.join(folder, "small"), *words], cwd=folder, check=True)
    counts = os.path.join(folder, name)
    os.mkdir(counts)
    shutil.move(os.path.join(folder, "small.gcda"), os.path.join(counts, "small.gcda"))
    return counts


def missed(folder, *runs):
    return gcov_lines.merge(folder, list(runs), {"small.c"})["small.c"]["missed"]


def unreadable(folder, run):
    try:
        missed(folder, run)
    except gcov_lines.Unreadable:
        return True
    return False


def main():
    n_failed = 0

    def check(name, good):
        nonlocal n_failed
        n_failed += not good
        print(f"{'ok' if good else 'not ok'} - {name}")

    with tempfile.TemporaryDirectory() as folder:
        compile_program(folder, PROGRAM)
        two, three, four = (counts_of(folder, name, *words) for name, words in (("two", "1"), ("three", "12"), ("four", "123")))
        check("what one run executed", missed(folder, two) == [5, 6, 8, 9, 10])
        check("runs are added", missed(folder, two, three) == [8, 10])
        check("what no run executes stays missed", missed(folder, two, three, four) == [10])
        files = gcov_lines.merge(folder, [two, three], {"small.c"})
        check("lines are counted once", gcov_lines.total(files) == {"lines": 8, "covered": 6, "percent": 75.0})
        empty = os.path.join(folder, "empty")
        os.mkdir(empty)
        check("a run without counts executed nothing", missed(folder, empty, two) == missed(folder, two))
        check("files of others are left out", not gcov_lines.merge(folder, [two], {"other.c"}))
        compile_program(folder, PROGRAM.replace("n == 9", "n == 8 && n"))
        check("counts of another build are refused", unreadable(folder, two))
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
