# SPDX-License-Identifier: MIT
"""The cases of scenario `ipc` in a result file, by point of the axes."""

import json
import math

from result_file import ResultFile, Unusable, median, present

SCENARIO = "ipc"
MIN_ROUNDS = 6  # fewer give no 95 % interval


def combine(function, *series):
    """One value for each round in which all series have one."""
    return [function(*values) if None not in values else None for values in zip(*series)]


class Case:
    """One contender at one point: the times of its rounds, and its exact counts."""

    def __init__(self, raw):
        self.contender = raw["contender"]
        self.status = raw["status"]
        self.reason = raw["reason"]
        self.metrics = {metric["name"]: metric for metric in raw["metrics"]}
        self.counters = {(counter["event"], counter["scope"]): counter for counter in raw["counters"]}
        self.counted_ops = raw["counted_ops"]
        self.rounds = []
        if self.status == "ok":
            for samples in self.metrics["time"]["rounds"]:
                samples = present(samples)
                self.rounds.append(median(samples) if samples else None)

    @property
    def measured(self):
        return self.status == "ok" and bool(present(self.rounds))

    def median(self):
        return median(present(self.rounds))

    def count(self, name):
        """An exact count of one operation, or None."""
        metric = self.metrics.get(name)
        return metric["median"] if metric else None

    def event(self, name):
        """Events in one operation, over all tasks, if they were counted exactly; else None."""
        counter = self.counters.get((name, "uk"))
        return counter["value"] / self.counted_ops if counter and counter["state"] == "exact" else None


class Setting:
    """All cases that differ in size and contender only."""

    def __init__(self, params):
        self.params = params
        self.cases = {}  # size: {contender: Case}

    def sizes(self):
        return sorted(self.cases)

    def contenders(self):
        names = {}  # in the order of the file
        for size in self.sizes():
            names.update(dict.fromkeys(self.cases[size]))
        return list(names)

    def case(self, contender, size):
        """A case with a time, or None."""
        case = self.cases.get(size, {}).get(contender)
        return case if case and case.measured else None

    def text(self):
        return "  ".join(f"{name}={value}" for name, value in self.params.items())


class Result(ResultFile):
    scenario = SCENARIO

    def read(self, raw, cases):
        self.floor = raw["scenarios"][SCENARIO]["floor"]
        self.settings = self._settings(cases)
        if not any(case.measured for setting in self.settings for cases in setting.cases.values()
                   for case in cases.values()):
            raise Unusable(f"none of its cases of {SCENARIO} has a time")

    @staticmethod
    def _settings(cases):
        settings = {}
        for raw in cases:
            params = {name: value for name, value in raw["params"].items() if name != "size"}
            key = json.dumps(params, sort_keys=True)
            setting = settings.setdefault(key, Setting(params))
            setting.cases.setdefault(raw["params"]["size"], {})[raw["contender"]] = Case(raw)
        words = {"none": 0, "lines": 1, "all": 2}
        return sorted(settings.values(), key=lambda setting: [
            (words.get(value, 9), str(value)) if isinstance(value, str) else (0, f"{value:20}")
            for value in setting.params.values()])

    def not_measured(self):
        """(status, contender, reason): sizes in settings, for cases without a time."""
        found = {}
        for setting in self.settings:
            for size in setting.sizes():
                for case in setting.cases[size].values():
                    if not case.measured:
                        key = (case.status, case.contender, case.reason or "no number in any round")
                        found.setdefault(key, set()).add(size)
        return found


def log_interpolate(size_a, ratio_a, size_b, ratio_b):
    """The size at which the ratio is 1, on a straight line through two points in logarithms of both."""
    part = math.log(ratio_a) / (math.log(ratio_a) - math.log(ratio_b))
    return math.exp(math.log(size_a) + part * (math.log(size_b) - math.log(size_a)))
