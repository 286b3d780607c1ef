#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Inputs of the fuzzer: a seed gives the same one each time, every kind of step comes, and the program of one compiles.

usage: kmod/test-fuzz.py FUZZ

Needs neither the module nor root: no step is carried out.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
KMOD = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(KMOD), "scripts", "lib"))

import fuzz_program  # noqa: E402


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def dump(fuzz, path, seed, number, *options):
    subprocess.run([fuzz, "--seed", str(seed), "--from", str(number), "--dump", path, *options], check=True)
    with open(path, "rb") as file:
        return file.read()


def main():
    fuzz = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "input")
        first = dump(fuzz, path, 7, 3)
        assert dump(fuzz, path, 7, 3) == first, "the same seed and round give another input"
        assert dump(fuzz, path, 7, 4) != first and dump(fuzz, path, 8, 3) != first, "another seed or round gives the same input"

        with open(os.path.join(KMOD, "fuzz-table.c"), encoding="utf-8") as file:
            kinds = set(re.findall(r'^\t\{ "([^"]+)", \.group', file.read(), re.M))
        assert len(kinds) > 90, f"{len(kinds)} kinds of steps are found in fuzz-table.c"
        seen = set()
        for number in range(300):
            dump(fuzz, path, 1, number)
            seen |= set(re.findall(r" # (.*)$", output(fuzz, "--text", path), re.M))
        assert kinds <= seen, f"in 300 rounds there is no step {sorted(kinds - seen)}"

        dump(fuzz, path, 1, 0, "--only", "arena")
        alone = set(re.findall(r" # (\w+) ", output(fuzz, "--text", path)))
        assert "arena" in alone and not alone & {"lockbuf", "mshare", "spf", "refpage"}, f"--only arena has steps of {sorted(alone)}"

        # Any bytes are an input.
        with open(path, "wb") as file:
            file.write(b"mmlabfz1" + (8).to_bytes(4, "little") + (64).to_bytes(4, "little") + os.urandom(64 * 16))
        text = output(fuzz, "--text", path)
        assert text.count("\n") == 65, "random bytes are not 64 steps"

        source = path + ".c"
        with open(os.path.join(KMOD, "fuzz-calls.h"), encoding="utf-8") as header, open(source, "w", encoding="utf-8") as file:
            file.write(fuzz_program.program(header.read(), output(fuzz, "--program", path), " * A test.\n"))
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-std=gnu11", "-Wall", "-Werror", "-Wno-unused-function", "-pthread", "-I" + KMOD,
                        "-I" + os.path.join(KMOD, "user"), "-o", path, source, os.path.join(KMOD, "user", "libmmlab.c")], check=True)


if __name__ == "__main__":
    main()
