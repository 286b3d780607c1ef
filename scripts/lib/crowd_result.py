# SPDX-License-Identifier: MIT
"""The cases of scenario `fanout` in a result file: what each contender took, by number of processes and size."""

import json

from transfer_result import Unusable, median, present, refuse_constant

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


class Result:
    def __init__(self, raw):
        try:
            if raw["schema"]["name"] != "mmlab-result" or raw["schema"]["version"] != 1:
                raise Unusable("not a result file of version 1")
            self.run, self.machine = raw["run"], raw["machine"]
            cases = [case for case in raw["cases"] if case["scenario"] == SCENARIO]
            if not cases:
                there = sorted({case["scenario"] for case in raw["cases"]})
                raise Unusable(f"no cases of the scenario {SCENARIO} in it, only of {', '.join(there) or 'none'}")
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
        except (KeyError, TypeError, AttributeError) as error:
            raise Unusable(f"not a result file ({type(error).__name__}: {error}); results/validate says more") from error
        if not self.contenders:
            raise Unusable(f"none of its cases of {SCENARIO} was measured")

    @staticmethod
    def _setting(case):
        return "  ".join(f"{name}={value}" for name, value in case["params"].items() if name not in ("procs", "size"))

    @property
    def emulated(self):
        return bool(self.machine["emulated"])

    def execution_text(self):
        if self.emulated:
            return (f"EMULATED ({self.machine['execution']}): times show shapes and ratios, not the speed of hardware; "
                    "bytes are exact")
        return f"execution: {self.machine['execution']}"


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return Result(json.load(file, parse_constant=refuse_constant))
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error
    except ValueError as error:
        raise Unusable(f"not JSON: {error}") from error
