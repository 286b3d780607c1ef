#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Negative controls: modules with one mistake each, which a test or the kernel must find.

usage: scripts/test-plants.py [--kernel NAME] [--build DIR] [--log DIR] [PLANT...]

Runs the controls made for that kernel (default 6.1; 6.12-debug and 6.12-kcsan have some of their own), or only those
named. Prints a line "ok NAME" or "not ok NAME" for each way in which a mistake must show, and how many seconds after the first
test began it did. Exit status: 0 all passed, 1 one failed, 2 wrong arguments.
"""
import argparse
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
SCRIPTS = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(SCRIPTS)
BEGIN = "# the tests begin"
# For the guest's init and all that it runs: what leaks is not worth the minutes that objects may take to go.
ENVIRONMENT = "MMLAB_LEAK_WAIT_S=5"
STAMP = r"\[ *([0-9]+\.[0-9]+)\]"


@dataclasses.dataclass
class Control:
    """A module with mistakes, and what must be seen.

    @plant: make's PLANT for kmod/; code asks for it by IS_ENABLED(MMLAB_PLANT_...)
    @does: what such a module does, or fails to do
    @run: for the guest's shell, in a folder with all tests that it names
    @seen: (regular expression, who sees it): each must match a line; those of the kernel begin with "mmlab:   "
    @kernel: where
    @timeout: of the guest, in seconds
    @append: for the kernel's command line
    @failures: so many tests fail, all matching, and no others
    @tries: so often at most, where it depends on which processor does what when
    """

    plant: str
    does: str
    run: str
    seen: list
    kernel: str = "6.1"
    timeout: int = 120
    append: str = ""
    failures: int | None = None
    tries: int = 1


# Usually the first; where the tables were used again before they were freed twice, any other.
TABLES_KEPT = r"mmlab:   .*(pgtables_bytes|Bad page|bad p.d|\bBUG: |\bWARNING: |\bOops: )"
WRITES = [(r"not ok.*clone-is-frozen.*went on changing", "clone-is-frozen"),
          (r"not ok.*at-random.*(slot|passes)", "at-random"),
          (r"  failed.*clone: (operation|the module.s counter)", "the proof of clone/clone")]
WRITE_TESTS = """./test-clone clone-is-frozen; ./test-clone-random 20
mmlab run clone/clone --axis size=64K --rounds 1 --samples 1 --events none -o /tmp/clone.json"""
ARMED_TESTS = """for check in unmapped-parts overlaid protections; do ./test-spf-map $check; done
mmlab run faultmix/speculative --axis aborts=50 --axis threads=1 --axis mappers=0 --rounds 1 --events none -o /tmp/mix.json"""
PENDING_TESTS = """./test-arena-lock slow-fault-and-its-range
mmlab run faultmix/arena-tree --axis pending=cpu --axis threads=1 --axis mappers=0 --rounds 1 --events none -o /tmp/mix.json"""

CONTROLS = [
    Control("leak", "leaks objects", "./test-refpage", [(r"not ok.*live", "the count of live objects")]),
    Control("leak", "leaks objects", "./fuzz --only refpage --rounds 2",
            [(r"not ok - fuzz: something is left after round 0", "the fuzzer")], timeout=60),
    Control("omit", "lacks a mechanism", "./test-abi", [(r"not ok.*mechanisms-are-there", "test-abi")], timeout=60),
    Control("keep-contents", "does not clear new pages", "./test-security memory-is-fresh",
            [(r"not ok.*memory-is-fresh", "memory-is-fresh")], timeout=60, append="init_on_alloc=0"),
    # What is left in page tables is freed twice: the kernel says so, whether or not it survives that. A death may find no entry
    # attached, and four in a row sometimes do; of 400 most find some.
    Control("keep-attached", "leaves page tables attached", "./test-lockbuf-race 400 killed", [(TABLES_KEPT, "the kernel")], timeout=60, tries=3),
    # The kernel takes these for the process's own. Every mapping of this check has some when its process ends.
    Control("keep-shared", "leaves shared page tables in mappings", "./test-mshare faults-exact", [(TABLES_KEPT, "the kernel")], timeout=60),
    # Whether a write still goes through depends on which processor does what: 400 rounds with three writers.
    Control("keep-translations", "does not flush the processes that share", "./test-mshare-race protect-races 300 400",
            [(r"not ok.*protect-races", "protect-races-faults")], tries=3),
    # An access where nothing is mapped any more must not succeed, nor must a case of faultmix get a number.
    Control("keep-armed", "lets faults go on without a lock in regions that change", ARMED_TESTS,
            [(rf"not ok.*{check}/speculative", check) for check in ("unmapped-parts", "overlaid", "protections")] +
            [(r"  failed.* speculative: the module counts 0 faults before a first one", "the proof of faultmix/speculative")]),
    # The same if only those under way are not waited for. They are made slow, which alone does no harm.
    Control("dawdle", "has slow faults without a lock, and no mistake", "./test-spf-race 100 faults-under-way",
            [(r"ok 1 - faults-under-way", "nobody")], failures=0),
    Control("skip-wait", "does not wait for such faults", "./test-spf-race 100 faults-under-way",
            [(r"not ok 1 - faults-under-way", "faults-under-way")]),
    # Two ways to let the source of a clone go on writing to it: one check that looks for it, the stress, which meets it, and the
    # scenario's proof, by contents or by the flush that was not asked for.
    Control("share-writes", "lets sources write to clones", WRITE_TESTS, WRITES),
    Control("keep-writable", "does not flush sources that have lost the right to write", WRITE_TESTS, WRITES),
    # Three ways to let those meet who should not. Ranges that are held meet in every variant that the mistake is in, and in no other.
    Control("overlap-tree", "finds no conflicts in trees of ranges", "./test-arena-race random-holds",
            [(r"not ok.* random-holds/(tree|split)-", "random-holds")], timeout=240, failures=8),
    Control("overlap-list", "finds no conflicts in lists of ranges", "./test-arena-race random-holds",
            [(r"not ok.* random-holds/list-", "random-holds")], timeout=240, failures=4),
    Control("ignore-pending", "does not look for pending faults", PENDING_TESTS,
            [(r"not ok.* slow-fault-and-its-range/[a-z]*-(one-list|hash|cpu)", "slow-fault-and-its-range"),
             (r"  failed.* arena-tree: the module counts 0 searches for faults", "the proof of faultmix/arena-tree")],
            timeout=240, failures=12),

    # What a stock kernel would let pass.
    Control("unlocked-clear", "clears upper-level entries without their lock", "./test-lockbuf",
            [(r"mmlab:   .*WARNING: .*lockbuf_detach", "lockdep")], kernel="6.12-debug", timeout=600),
    Control("sleep-locked", "sleeps under a spin lock", "./test-mshare faults-exact",
            [(r"mmlab:   .*(sleeping function called from invalid context|scheduling while atomic|Voluntary context switch)", "the scheduler")],
            kernel="6.12-debug", timeout=600),
    Control("free-early", "frees what others may still walk", "./test-mshare-race flush-races-exit 300 200",
            [(r"mmlab:   .*BUG: KASAN: .*use-after-free", "KASAN")], kernel="6.12-debug", timeout=900),
    Control("keep-file", "keeps a reference to a file", "./test-mshare",
            [(r"not ok.*live", "the count of live objects")], kernel="6.12-debug", timeout=900),
    # KCSAN stops one access of many and looks whether the memory changes: for longer than usual, because an emulated processor may
    # have to wait for a real one.
    Control("race", "counts faults of all processors in one word", "./test-spf-race",
            [(r"mmlab:   .*BUG: KCSAN: data-race in ", "KCSAN")], kernel="6.12-kcsan", timeout=900,
            append="kcsan.skip_watch=2000 kcsan.udelay_task=2000"),
]


class Timed:
    """The lines that a command printed, and how many seconds after the line BEGIN each came."""

    def __init__(self, command, log):
        self.lines = []
        begun = None
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
            for line in process.stdout:
                if line.startswith(BEGIN):
                    begun = time.monotonic()
                self.lines.append((time.monotonic() - (begun or time.monotonic()), line.rstrip()))
        # What the kernel said is printed at the end. Its log has the time.
        with open(log, encoding="utf-8", errors="replace") as file:
            stamp = re.search(STAMP + ".*" + BEGIN, file.read())
        if stamp:
            self.lines = [(self.second(line, float(stamp[1]), second), line) for second, line in self.lines]

    @staticmethod
    def second(line, begun, otherwise):
        stamp = re.match("mmlab:   .*?" + STAMP, line)
        return float(stamp[1]) - begun if stamp else otherwise

    def find(self, pattern):
        """Return: the second of the first line that matches, or None."""
        return next((second for second, line in self.lines if re.match(pattern, line)), None)

    def count(self, pattern):
        return sum(re.match(pattern, line) is not None for _, line in self.lines)


def kernel_path(kernel, fact):
    command = [os.path.join(SCRIPTS, "kernels"), "path", kernel, fact]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def module(options, plant, work):
    folder = os.path.join(work, f"{plant}-{options.kernel}")
    if not os.path.exists(folder):
        subprocess.run([os.path.join(ROOT, "kmod", "build-module"), kernel_path(options.kernel, "kdir"), folder, f"PLANT={plant}"],
                       check=True)
    return os.path.join(folder, "mmlab.ko")


def run(options, control, work):
    """Return: whether the mistake showed in all ways."""
    log = os.path.join(work, "kernel.log")
    open(log, "w", encoding="utf-8").close()
    command = [os.path.join(SCRIPTS, "vm"), "--kernel", control.kernel, "--build", options.build, "--out", work, "--no-kmemleak",
               "--timeout", str(control.timeout), "--log", log, "--module", module(options, control.plant, work),
               "--append", f"{ENVIRONMENT} {control.append}"]
    for program in sorted(set(re.findall(r"\./([a-z-]+)", control.run))):
        command += ["--add", os.path.join(options.build, "kmod", program)]
    for _ in range(control.tries):
        result = Timed(command + ["--", "sh", "-c", f"echo '{BEGIN}' | tee /dev/kmsg; {control.run}"], log)
        seen = [(result.find(pattern), who) for pattern, who in control.seen]
        if control.failures is not None and control.failures != result.count("not ok.*"):
            seen = [(None, who) for _, who in seen]
        good = all(second is not None for second, _ in seen)
        if good:
            break
    for second, who in seen:
        print(f"{'not ok' if second is None else 'ok'} a module that {control.does} (PLANT={control.plant}) is caught by {who}" +
              ("" if second is None else f" # {second:.0f} s"), flush=True)
    if not good:
        print("\n".join(f"# {line}" for _, line in result.lines), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kernel", default="6.1")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("plants", nargs="*", metavar="PLANT")
    options = parser.parse_args()
    controls = [control for control in CONTROLS if control.kernel == options.kernel]
    unknown = set(options.plants) - {control.plant for control in controls}
    if unknown or not controls:
        known = sorted({control.plant for control in controls})
        parser.error(f"{', '.join(sorted(unknown)) or 'nothing'}: not for {options.kernel}, which has {', '.join(known) or 'no controls'}")
    with tempfile.TemporaryDirectory() as work:
        good = [run(options, control, work) for control in controls if not options.plants or control.plant in options.plants]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
