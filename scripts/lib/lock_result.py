# SPDX-License-Identifier: MIT
"""The cases of scenario `faultmix` in a result file: what one thread takes alone, and what several take together."""

import re

from lock_spaces import Costs, Plan
from result_file import ResultFile, Unusable, median, present

SCENARIO = "faultmix"
VMA_LOCKS = (6, 4)  # the release from which on faults of user mode take the lock of a mapping


def scheme_of(contender, release):
    """The way of locking that a contender is, on a kernel."""
    if contender in ("stock", "stock-hooked", "normal"):
        found = re.match(r"(\d+)\.(\d+)", release)
        return "vma-lock" if found and (int(found[1]), int(found[2])) >= VMA_LOCKS else "mmap-lock"
    return contender


def value_of(raw, name):
    """The median over rounds of a metric, or None."""
    metric = next((metric for metric in raw["metrics"] if metric["name"] == name), {"rounds": []})
    rounds = [median(present(samples)) for samples in metric["rounds"] if present(samples)]
    return median(rounds) if rounds else None


class Case:
    def __init__(self, raw, release, n_cpus):
        params = raw["params"]
        self.contender, self.pending = raw["contender"], params["pending"]
        self.scheme = scheme_of(self.contender, release)
        self.n_threads, self.writes, self.n_mappers = params["threads"], params["writes"], params["mappers"]
        self.layout = params["layout"]
        self.is_plain = params["holder"] == "none" and params["access"] == "user" and not params["aborts"]
        self.n_ops = params["ops"]
        self.n_cpus = n_cpus
        self.time_ns, self.write_rate = value_of(raw, "time"), value_of(raw, "write-rate")

    def plan(self, n_real):
        return Plan(self.n_threads, self.writes, self.n_mappers, self.layout == "shared", min(self.n_ops, 500), self.n_cpus,
                    n_real)

    def fits(self, n_real):
        """A guest's CPUs that share others can only be simulated with one thread on each."""
        return n_real is None or n_real >= self.n_cpus or self.n_threads + self.n_mappers <= self.n_cpus

    @property
    def is_alone(self):
        return self.n_threads == 1 and not self.n_mappers


class Result(ResultFile):
    scenario = SCENARIO

    def read(self, raw, cases):
        self.release = self.machine["kernel"]["release"]
        self.n_cpus = self.machine["topology"]["usable_threads"]
        measured = [Case(case, self.release, self.n_cpus) for case in cases if case["status"] == "ok"]
        self.cases = [case for case in measured if case.is_plain and case.time_ns]
        if not self.cases:
            raise Unusable(f"none of its cases of {SCENARIO} was measured without a holder, aborts and access by the kernel")

    def kinds(self):
        """(contender, pending), in the order of the file."""
        return list(dict.fromkeys((case.contender, case.pending) for case in self.cases))

    def costs(self, contender, pending, inside, alloc_ns, tree):
        """What one thread takes for a fault, and to map and unmap: Costs, or a reason."""
        alone = [case for case in self.cases
                 if (case.contender, case.pending) == (contender, pending) and case.is_alone]
        found = {writes: [case.time_ns for case in alone if case.writes == writes] for writes in (0, 100)}
        for writes, times in found.items():
            if not times:
                return f"needs threads=1, mappers=0 with writes={writes}"
        return Costs(median(found[0]), median(found[100]), inside, alloc_ns, tree)

    def held_out(self, contender, pending):
        """The cases that no cost was taken from."""
        return [case for case in self.cases if (case.contender, case.pending) == (contender, pending)
                and not (case.is_alone and case.writes in (0, 100))]
