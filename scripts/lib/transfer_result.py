# SPDX-License-Identifier: MIT
"""The cases of scenario `ipc` in a result file, by point of the axes, and the statistics that go with rounds."""

import json
import math

SCENARIO = "ipc"
MIN_ROUNDS = 6  # fewer give no 95 % interval


class Unusable(Exception):
    """The file cannot be analysed: the message is for the user."""


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def interval(values):
    """The pair of order statistics that covers the median with at least 95 %, as in result files; or None."""
    n = len(values)
    term = 0.5 ** n
    tail, rank = term, 0
    while tail <= 0.025 and rank < n // 2:
        rank += 1
        term *= (n - rank + 1) / rank
        tail += term
    values = sorted(values)
    return [values[rank - 1], values[n - rank]] if rank else None


def combine(function, *series):
    """One value for each round in which all series have one."""
    return [function(*values) if None not in values else None for values in zip(*series)]


def present(series):
    return [value for value in series if value is not None]


def size_text(size):
    """As on the command line of mmlab."""
    for shift, letter in ((30, "G"), (20, "M"), (10, "K")):
        if size >= 1 << shift:
            value = size / (1 << shift)
            return f"{value:.0f}{letter}" if value == int(value) or value >= 100 else f"{value:.3g}{letter}"
    return f"{size:.0f}"


def time_text(ns):
    value, unit = ns, "ns"
    for larger in ("us", "ms", "s"):
        if abs(value) < 1000:
            break
        value, unit = value / 1000, larger
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}"


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
            self.floor = raw["scenarios"][SCENARIO]["floor"]
            self.settings = self._settings(cases)
        except (KeyError, TypeError, AttributeError) as error:
            raise Unusable(f"not a result file ({type(error).__name__}: {error}); results/validate says more") from error
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

    @property
    def emulated(self):
        return bool(self.machine["emulated"])

    def execution_text(self):
        execution = self.machine["execution"]
        if execution == "tcg-icount":
            return "EMULATED (tcg-icount): times are numbers of instructions, not the speed of hardware"
        if self.emulated:
            return f"EMULATED ({execution}): times show shapes and regressions, not the speed of hardware"
        return f"execution: {execution}"

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


def refuse_constant(text):
    raise ValueError(f"{text} is not JSON")


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return Result(json.load(file, parse_constant=refuse_constant))
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error
    except ValueError as error:
        raise Unusable(f"not JSON: {error}") from error


def log_interpolate(size_a, ratio_a, size_b, ratio_b):
    """The size at which the ratio is 1, on a straight line through two points in logarithms of both."""
    part = math.log(ratio_a) / (math.log(ratio_a) - math.log(ratio_b))
    return math.exp(math.log(size_a) + part * (math.log(size_b) - math.log(size_a)))
