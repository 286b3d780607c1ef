#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Check that deterministic guests repeat to the last bit, and that the plugin counts known code exactly.

usage: scripts/test-deterministic.py [--kernel NAME] [BUILD]

Two boots. Prints a line "ok NAME", "not ok NAME" or "ok NAME # SKIP reason" for each check. Exit status: 0 all passed, 1
one failed, 77 without QEMU, the header of its plugins, or the programs in BUILD (default: build/ of the checkout).
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
SCRIPTS = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(SCRIPTS)
sys.path.insert(0, os.path.join(SCRIPTS, "lib"))

import tcg_counters  # noqa: E402

PROGRAMS = ("mmlab-counted", "mmlab-fakes", "mmlab-fakes-longer")
# What the guest does: the known code, then the same fake with and without one more instruction in each operation. The id
# of a run has its second in it, which in a guest that does not wait for sleepers takes no time.
COMMAND = """
./mmlab-counted
for program in mmlab-fakes mmlab-fakes-longer; do
    ./$program run fake/null fake/calls fake/good --rounds 1 --samples 1 --seed 1 -o $OUT/$program.json >/dev/null || exit
    sleep 1
done
"""
LOOPS, PAGES, CALLS = 1000000, 4096, 100  # as in harness/tcg-plugin/counted.c


class Checks:
    def __init__(self):
        self.failed = False

    def __call__(self, name, good, detail=""):
        if not good:
            print(f"# {detail}")
        print(f"{'ok' if good else 'not ok'} {name}", flush=True)
        self.failed |= not good

    def equal(self, name, found, wanted):
        self(name, found == wanted, f"{found!r} instead of {wanted!r}")


def skip(reason):
    print(f"ok deterministic # SKIP {reason}")
    sys.exit(77)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def boot(options, build, out):
    """Return: exit status and messages; the log of the plugin is out/log."""
    command = [os.path.join(SCRIPTS, "vm"), "--kernel", options.kernel, "--deterministic", "--counters", "--counter-log",
               os.path.join(out, "log"), "--profile", os.path.join(out, "profile"), "--module", "none", "--no-kmemleak", "--build", build, "--out", out]
    for program in PROGRAMS:
        command += ["--add", os.path.join(build, "harness", program)]
    result = subprocess.run(command + ["--", "sh", "-c", COMMAND], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False)
    return result.returncode, result.stdout


def by_event(counts):
    return dict(zip(tcg_counters.NAMES, counts))


def check_known_code(check, log):
    cases = tcg_counters.read_log(log)
    counts = {name: by_event(found) for name, found in cases.items() if isinstance(found, list)}
    if not set(range(1, 7)) <= set(counts):
        check("all marks are seen", False, f"the log has {sorted(cases)}")
        return
    check.equal("a loop of a million: user instructions", counts[1]["tcg-instructions", "u"], 2 * LOOPS + 1)
    check.equal("a loop accesses nothing", [counts[1][f"tcg-{event}", "u"] for event in ("loads", "stores", "dTLB-misses")], [0, 0, 0])
    for name, what in ((2, "new pages"), (3, "pages that are there")):
        check.equal(f"{PAGES} loads of {what}: loads", counts[name]["tcg-loads", "u"], PAGES)
        check.equal(f"{PAGES} loads of {what}: dTLB misses", counts[name]["tcg-dTLB-misses", "u"], PAGES)
        check.equal(f"{PAGES} loads of {what}: stores", counts[name]["tcg-stores", "u"], 0)
    # An instruction that faults is executed again.
    check.equal("user instructions without faults", counts[3]["tcg-instructions", "u"], 4 * PAGES)
    check.equal("user instructions with a fault each", counts[2]["tcg-instructions", "u"], 5 * PAGES)
    check.equal("without faults nothing happens in the kernel", counts[3]["tcg-instructions", "k"], 0)
    check.equal(f"{CALLS} getppid: user instructions", counts[5]["tcg-instructions", "u"], 4 * CALLS + 1)
    check(f"{CALLS} getppid: kernel instructions, the same for each", counts[5]["tcg-instructions", "k"] > 20 * CALLS and
          counts[5]["tcg-instructions", "k"] % CALLS == 0, repr(counts[5]))
    # What misses depends on where the kernel's data lie, and on what came before.
    twice = [[counts[name][f"tcg-{event}", scope] for event in ("instructions", "loads", "stores") for scope in "uk"] for name in (5, 6)]
    check.equal(f"{CALLS} getppid: the same twice", twice[1], twice[0])
    check("a case that ends inside is told", isinstance(cases.get(7), str), repr(cases.get(7)))


def case_of(path, contender):
    for case in json.loads(read(path))["cases"]:
        if case["contender"] == contender:
            return case
    return None


def instructions(case):
    """In user mode, or the whole counter where they are not exact."""
    for counter in case["counters"]:
        if counter["event"] == "tcg-instructions" and counter["scope"] == "u":
            return counter["value"] if counter["state"] == "exact" else counter
    return None


def check_profile(check, out):
    """Each function is counted apart from the counter of the whole scope, so that their sum proves both."""
    with open(os.path.join(out, "profile"), encoding="utf-8") as file:
        cases = [block.splitlines() for block in file.read().split("\n\n") if block.startswith("fake/calls ")]
    case = case_of(os.path.join(out, PROGRAMS[1] + ".json"), "calls")
    kernel = next(counter["value"] for counter in case["counters"] if (counter["event"], counter["scope"]) == ("tcg-instructions", "k"))
    check.equal("the profile has the case of both programs", len(cases), 2)
    entries = [(float(line.split()[0].replace(",", "")), line.split(None, 3)[3:]) for line in cases[0][1:]]
    check.equal("the profile's total is the counter", entries[0][0], round(kernel / case["counted_ops"], 1))
    check("the profile knows where system calls begin", any("entry_SYSCALL_64" in " ".join(name) for _, name in entries),
          repr(entries[:20]))
    check("the functions of the profile are its total, but for the small ones", abs(sum(count for count, _ in entries[1:]) /
          entries[0][0] - 1) < 0.1, repr(entries))


def check_results(check, build, out):
    plain, longer = (os.path.join(out, program + ".json") for program in PROGRAMS[1:])
    result = subprocess.run([os.path.join(ROOT, "results", "validate"), plain, longer], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False)
    check("result files with counts are valid", result.returncode == 0, result.stdout)
    for contender, more in (("null", 0), ("good", 0), ("calls", 1)):
        before, after = case_of(plain, contender), case_of(longer, contender)
        found, wanted = instructions(after), instructions(before)
        check(f"{more} more instructions in each of {before['counted_ops']} operations of {contender} are {more}",
              isinstance(found, int) and isinstance(wanted, int) and found - wanted == more * before["counted_ops"],
              f"{wanted!r} and then {found!r}")
    result = subprocess.run([os.path.join(build, "harness", "mmlab-fakes"), "compare", "--json", "--control", "fake/null", plain,
                             longer], stdout=subprocess.PIPE, text=True, check=False)
    verdicts = {change["contender"]: (change["verdict"], change["head"] - change["base"])
                for change in json.loads(result.stdout)["changes"] if change["metric"] == "tcg-instructions:u"}
    check.equal("compare reports the instruction, and nothing else", verdicts,
                {"null": ("same", 0), "good": ("same", 0), "calls": ("different", case_of(plain, "calls")["counted_ops"])})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kernel", default="6.1")
    parser.add_argument("build", nargs="?", default=os.path.join(ROOT, "build"))
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    missing = [program for program in PROGRAMS if not os.path.exists(os.path.join(build, "harness", program))]
    if missing:
        skip(f"{build} lacks {', '.join(missing)}; run: scripts/build")
    plugin = subprocess.run([os.path.join(SCRIPTS, "tcg-plugin")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            check=False)
    if plugin.returncode:
        skip((plugin.stderr.strip().splitlines() or ["no plugin"])[-1])
    check = Checks()
    with tempfile.TemporaryDirectory() as work:
        outs = [os.path.join(work, str(number)) for number in (1, 2)]
        for out in outs:
            os.mkdir(out)
            status, messages = boot(options, build, out)
            if status:
                check("the guest ends in order", False, f"status {status}: {messages}")
                return 1
        check_known_code(check, os.path.join(outs[0], "log"))
        check_results(check, build, outs[0])
        check_profile(check, outs[0])
        for name in ["log", "profile"] + [program + ".json" for program in PROGRAMS[1:]]:
            check(f"two boots give the same {name}, byte for byte",
                  read(os.path.join(outs[0], name)) == read(os.path.join(outs[1], name)), "they differ")
    return check.failed


if __name__ == "__main__":
    sys.exit(main())
