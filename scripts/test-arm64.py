#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Check the suite on arm64, emulated: real PMU events against code that is known, and the module's mechanisms there.

usage: scripts/test-arm64.py [--kernel NAME] [BUILD]

Three boots: one in which time is the number of instructions, one with two processors, and one with two of a kind that sets
accessed and dirty bits of page-table entries itself. Prints a line "ok NAME", "not ok NAME" or "ok NAME # SKIP reason" for
each check. Exit status: 0 all passed, 1 one failed, 77 without what is needed.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
SCRIPTS = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(SCRIPTS)

TESTS = ("test-pmu", "test-mmu")
FAKES = ("mmlab-fakes", "mmlab-fakes-longer")
EVENTS = "instructions:u,instructions:k,cycles:u,dTLB-load-misses:u,page-faults"
# The same fake with and without one more instruction in each operation, and the cheapest point of stock.
COUNT = f"""
./test-pmu
for program in {' '.join(FAKES)}; do
    ./$program run fake/null fake/calls --rounds 1 --samples 1 --seed 1 --events {EVENTS} -o $OUT/$program.json >/dev/null || exit
done
mmlab run stock --rounds 1 --samples 1 --seed 1 --pin same --axis tasks=1 --axis size=2M -o $OUT/stock.json >/dev/null
"""
MODULE_TESTS = ("abi", "lockbuf", "lockbuf-args", "lockbuf-mm", "refpage", "refpage-access")
# Cases that take page faults for those bits, where the processor leaves them to the kernel: 16 pages each.
BITS = """
./test-mmu $BITS
few="--rounds 1 --samples 1 --events none --axis size=64K"
mmlab run refpage/fork-template ipc/memfd-fresh-populate ipc/memfd-cached-populate clone/fork clone/memfd-populate $few --axis touch=100 \
    --axis order=read,write,readwrite --axis destination=read,write -o $OUT/bits.json >/dev/null
mmlab run lock/memfd-populate $few --axis touch=pages -o $OUT/bits-lock.json >/dev/null
true # a case that failed is told below
"""
# Page faults of one operation by metric and case, where the processor sets the bits and where it does not. What fork-template
# takes is proved by the case itself: beside the memory there are faults of starting a process, which vary.
BITS_FAULTS = {
    ("ipc/memfd-fresh-populate", "", "faults"): (16, 32),
    ("ipc/memfd-cached-populate", "", "faults"): (1, 17),
    ("clone/fork", "destination=read", "destination-faults"): (0, 16),
    ("clone/fork", "destination=write", "destination-faults"): (16, 16),
    ("clone/memfd-populate", "destination=read", "destination-faults"): (1, 1),
    ("clone/memfd-populate", "destination=write", "destination-faults"): (1, 17),
    ("lock/memfd-populate", "", "faults"): (1, 17),
}
MODULE = """
./test-pmu no-instructions
for test in ./test-[!pm]*; do
    $test || [ $? -eq 77 ] || echo "not ok $test ended with an error"
done
mmlab run refpage ipc --rounds 1 --samples 1 --events none --axis size=64K --axis touch=10 -o $OUT/module.json >/dev/null
true # a case that failed is told below
"""


class Checks:
    def __init__(self, kernel):
        self.kernel = kernel
        self.failed = False

    def __call__(self, name, good, detail=""):
        if not good:
            print("\n".join(f"# {line}" for line in str(detail).splitlines()))
        print(f"{'ok' if good else 'not ok'} [{self.kernel}] {name}", flush=True)
        self.failed |= not good

    def equal(self, name, found, wanted):
        self(name, found == wanted, f"{found!r} instead of {wanted!r}")


def skip(reason):
    print(f"ok arm64 # SKIP {reason}")
    sys.exit(77)


def cases_of(path):
    """By a name that no other case has."""
    with open(path, encoding="utf-8") as file:
        return {" ".join([f"{case['scenario']}/{case['contender']}"] + [f"{axis}={point}" for axis, point in case["params"].items()]): case
                for case in json.load(file)["cases"]}


def case_of(cases, contender):
    return next(case for name, case in cases.items() if name.split()[0] == contender)


def counter(case, event, scope):
    return next(found for found in case["counters"] if (found["event"], found["scope"]) == (event, scope))


def instructions(case):
    found = counter(case, "instructions", "u")
    return found["value"] if found["state"] == "exact" else found


def boot(check, options, build, out, what, words, script):
    """Hands on the lines of the guest's tests. Return: whether it ended in order."""
    command = [os.path.join(SCRIPTS, "vm"), "--kernel", options.kernel, "--build", build, "--out", out, "--timeout", "900",
               *(word for name in TESTS for word in ("--add", os.path.join(build, "harness", name))), *words, "--", "sh", "-c", script]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    tests = re.findall(r"^(ok|not ok) (?:- )?(.*)$", result.stdout, re.MULTILINE)
    for verdict, name in tests:
        print(f"{verdict} [{options.kernel}{what}] {name}", flush=True)
        check.failed |= verdict != "ok"
    check(f"the guest{what} ends in order, its kernel silent", result.returncode == 0 and tests,
          f"status {result.returncode}:\n{result.stdout[-3000:]}")
    return result.returncode == 0


def check_counters(check, out):
    """What the harness itself makes of the PMU: counts of a run, in its result file."""
    plain, longer = (cases_of(os.path.join(out, program + ".json")) for program in FAKES)
    for contender, more in (("null", 0), ("calls", 1)):
        before, after = case_of(plain, "fake/" + contender), case_of(longer, "fake/" + contender)
        found, wanted = instructions(after), instructions(before)
        check(f"{more} more instructions in each of {before['counted_ops']} operations of {contender} are {more}",
              isinstance(found, int) and isinstance(wanted, int) and found - wanted == more * before["counted_ops"],
              f"{wanted!r} and then {found!r}")
    calls = case_of(plain, "fake/calls")
    for event, scope in (("instructions", "u"), ("instructions", "k"), ("cycles", "u")):
        check.equal(f"{event}:{scope} of a run is exact", counter(calls, event, scope)["state"], "exact")
    lacking = counter(calls, "dTLB-load-misses", "u")
    check(f"dTLB-load-misses:u, which this PMU lacks, is {lacking['state']}: {lacking.get('reason')}",
          lacking["state"] == "not-supported" and lacking.get("reason"), repr(lacking))
    for name, case in cases_of(os.path.join(out, "stock.json")).items():
        if not is_skipped(check, name, case):
            found = [instructions(case), counter(case, "instructions", "k")["state"]] if case["status"] == "ok" else [case["reason"]]
            check(f"{name} has its instructions counted", isinstance(found[0], int) and found[0] > 0 and found[1] == "exact", repr(found))


def is_skipped(check, name, case):
    if case["status"] == "skipped":
        print(f"ok [{check.kernel}] {name} # SKIP {case['reason']}")
    return case["status"] == "skipped"


def check_cases(check, cases):
    for name, case in cases.items():
        if not is_skipped(check, name, case):
            check(name, case["status"] == "ok", repr(case["reason"]))


def check_module(check, out):
    """Whatever the module offers here runs; whatever it doesn't is skipped, with a reason."""
    cases = cases_of(os.path.join(out, "module.json"))
    check_cases(check, cases)
    served = {name.split()[0] for name, case in cases.items() if case["status"] == "ok"}
    check("the module serves reference pages and lockable buffers", {"refpage/refpage-uncounted", "refpage/refpage-counted",
          "refpage/refpage-fill", "ipc/lock-all", "ipc/lock-both", "ipc/lock-writer"} <= served, repr(served))


def check_bits(check, out, sets_bits):
    cases = {**cases_of(os.path.join(out, "bits.json")), **cases_of(os.path.join(out, "bits-lock.json"))}
    check_cases(check, cases)
    for (contender, point, metric), faults in BITS_FAULTS.items():
        found = [next(found["median"] for found in case["metrics"] if found["name"] == metric)
                 for name, case in cases.items() if name.split()[0] == contender and point in name and case["status"] == "ok"]
        wanted = faults[0 if sets_bits else 1]
        check.equal(" ".join(filter(None, [contender, point, "takes", str(wanted), metric])), found, [wanted])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kernel", default="6.1-arm64")
    parser.add_argument("build", nargs="?", default=os.path.join(ROOT, "build", "arm64"))
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    needed = [*("harness/" + name for name in TESTS + FAKES), *("kmod/test-" + name for name in MODULE_TESTS)]
    missing = [name for name in needed if not os.path.exists(os.path.join(build, name))]
    if missing:
        skip(f"{build} lacks {', '.join(missing)}; run: scripts/build --arch arm64")
    check = Checks(options.kernel)
    with tempfile.TemporaryDirectory() as work:
        fakes = [word for name in FAKES for word in ("--add", os.path.join(build, "harness", name))]
        if boot(check, options, build, work, ", counting instructions", ["--deterministic", *fakes], COUNT):
            check_counters(check, work)
        tests = [word for name in MODULE_TESTS for word in ("--add", os.path.join(build, "kmod", "test-" + name))]
        # Cortex-A57: ARMv8.0, which leaves both bits to the kernel.
        if boot(check, options, build, work, ", two processors", [*tests, "--env", "BITS=neither"], MODULE + BITS):
            check_module(check, work)
            check_bits(check, work, False)
        check.kernel += ", Cortex-A76"
        words = ["--processor", "cortex-a76", "--env", "BITS=accessed dirty"]
        if boot(check, options, build, work, ", two Cortex-A76", words, BITS):
            check_bits(check, work, True)
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
