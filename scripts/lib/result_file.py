# SPDX-License-Identifier: MIT
"""A result file of mmlab as scripts read it: the cases of one scenario, and the statistics that go with rounds."""

import json


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


class ResultFile:
    """What all have; a scenario's own class says which scenario it is, and reads its cases."""

    scenario = None

    def __init__(self, raw):
        try:
            if raw["schema"]["name"] != "mmlab-result" or raw["schema"]["version"] != 1:
                raise Unusable("not a result file of version 1")
            self.run, self.machine = raw["run"], raw["machine"]
            cases = [case for case in raw["cases"] if case["scenario"] == self.scenario]
            if not cases:
                there = sorted({case["scenario"] for case in raw["cases"]})
                raise Unusable(f"no cases of the scenario {self.scenario} in it, only of {', '.join(there) or 'none'}")
            self.read(raw, cases)
        except (KeyError, TypeError, AttributeError) as error:
            raise Unusable(f"not a result file ({type(error).__name__}: {error}); results/validate says more") from error

    def read(self, raw, cases):
        """Take what is needed from the scenario's cases, of which there is at least one."""
        raise NotImplementedError

    @property
    def emulated(self):
        return bool(self.machine["emulated"])

    def execution_text(self):
        execution = self.machine["execution"]
        if execution == "tcg-icount":
            return "EMULATED (tcg-icount): times are numbers of instructions, not the speed of hardware"
        if self.emulated:
            return (f"EMULATED ({execution}): times show shapes and ratios, not the speed of hardware; "
                    "counts and bytes are exact")
        return f"execution: {execution}"

    @classmethod
    def load(cls, path):
        try:
            with open(path, encoding="utf-8") as file:
                return cls(json.load(file, parse_constant=refuse_constant))
        except OSError as error:
            raise Unusable(error.strerror or str(error)) from error
        except ValueError as error:
            raise Unusable(f"not JSON: {error}") from error


def refuse_constant(text):
    raise ValueError(f"{text} is not JSON")
