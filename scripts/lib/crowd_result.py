# SPDX-License-Identifier: MIT
"""The cases of scenario `fanout` in a result file: what each contender took, by number of processes and size."""

from result_file import ResultFile, Unusable, median, present

SCENARIO = "fanout"


class Point:
    """One contender with so many processes and so much memory: medians over the rounds, and intervals."""

    def __init__(self, raw):
        self.n, self.bytes = raw["params"]["procs"], raw["params"]["size"]
        self.medians, self.intervals = {}, {}
        for metric in raw["metrics"]:
            rounds = [median(present(samples)) for samples in metric["rounds"] if present(samples)]
            if rounds:
                self.medians[metric["name"]] = median(rounds)
                self.intervals[metric["name"]] = metric.get("ci95")


class Result(ResultFile):
    scenario = SCENARIO

    def read(self, raw, cases):
        settings = sorted({self._setting(case) for case in cases})
        if len(settings) > 1:
            raise Unusable(f"its cases differ in more than procs and size ({'; '.join(settings)}): measure one of these")
        self.setting = settings[0]
        self.contenders = {}  # name: [Point], in the order of the file
        self.missing = {}     # (status, contender, reason): [(n, bytes)]
        for case in cases:
            if case["status"] == "ok":
                self.contenders.setdefault(case["contender"], []).append(Point(case))
            else:
                self.missing.setdefault((case["status"], case["contender"], case["reason"]), []).append(
                    (case["params"]["procs"], case["params"]["size"]))
        if not self.contenders:
            raise Unusable(f"none of its cases of {SCENARIO} was measured")

    @staticmethod
    def _setting(case):
        return "  ".join(f"{name}={value}" for name, value in case["params"].items() if name not in ("procs", "size"))
