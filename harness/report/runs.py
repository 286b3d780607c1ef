# SPDX-License-Identifier: MIT
"""Result files, as far as the page needs them, checked while they are read; and folders that hold a history of them.

Of a history only medians and intervals are kept, since hundreds of files of a megabyte would not fit into memory.
"""

import json
import math
import os

from result_file import median, present, refuse_constant


class Unusable(Exception):
    """A file cannot be used: the message is for the user."""


class OtherKind(Unusable):
    """JSON, but no result of mmlab."""


def need(data, key, kinds, path):
    if not isinstance(data, dict) or key not in data:
        raise Unusable(f"{path}: no field {key}; results/validate says more")
    value = data[key]
    if not isinstance(value, kinds) or isinstance(value, bool) and bool not in (kinds if isinstance(kinds, tuple) else (kinds,)):
        raise Unusable(f"{path}: the field {key} is {type(value).__name__}; results/validate says more")
    if isinstance(value, float) and not math.isfinite(value):
        raise Unusable(f"{path}: the field {key} is not finite")
    return value


NUMBER = (int, float)
NUMBER_OR_NONE = (int, float, type(None))
TEXT_OR_NONE = (str, type(None))


class Metric:
    def __init__(self, raw, path):
        self.name, self.unit = need(raw, "name", str, path), need(raw, "unit", str, path)
        self.better, self.kind = need(raw, "better", str, path), need(raw, "kind", str, path)
        self.exact, self.unstable = need(raw, "exact", bool, path), need(raw, "unstable", bool, path)
        self.median, self.n = need(raw, "median", NUMBER_OR_NONE, path), need(raw, "n", int, path)
        self.min, self.max = need(raw, "min", NUMBER_OR_NONE, path), need(raw, "max", NUMBER_OR_NONE, path)
        self.reason = need(raw, "reason", TEXT_OR_NONE, path)
        ends = need(raw, "ci95", list, path)
        if len(ends) != 2 or not all(isinstance(end, NUMBER_OR_NONE) for end in ends):
            raise Unusable(f"{path}: ci95 of {self.name} is no pair of numbers")
        self.ci95 = ends if None not in ends else None
        self.rounds = []
        for samples in need(raw, "rounds", list, path):
            if not isinstance(samples, list) or not all(isinstance(value, NUMBER_OR_NONE) for value in samples):
                raise Unusable(f"{path}: rounds of {self.name} are not numbers")
            self.rounds.append(present(samples))

    def round_medians(self):
        return [median(samples) for samples in self.rounds if samples]


class Case:
    def __init__(self, raw, path):
        self.scenario, self.contender = need(raw, "scenario", str, path), need(raw, "contender", str, path)
        self.status, self.reason = need(raw, "status", str, path), need(raw, "reason", TEXT_OR_NONE, path)
        self.params = need(raw, "params", dict, path)
        if not all(isinstance(value, (int, float, str)) for value in self.params.values()):
            raise Unusable(f"{path}: a point of an axis is neither number nor text")
        self.metrics = {metric.name: metric for metric in (Metric(item, path) for item in need(raw, "metrics", list, path))}

    @property
    def point(self):
        return tuple(sorted(self.params.items()))

    def metric(self, name):
        """A metric that has a number, or None."""
        metric = self.metrics.get(name) if self.status == "ok" else None
        return metric if metric and metric.median is not None else None


class Run:
    def __init__(self, raw, path):
        self.path, self.raw = path, raw
        run, machine = need(raw, "run", dict, path), need(raw, "machine", dict, path)
        self.run, self.machine = run, machine
        self.id, self.started = need(run, "id", str, path), need(run, "started", str, path)
        self.finished = need(run, "finished", str, path)
        self.commit, self.complete = need(run, "commit", str, path), need(run, "complete", bool, path)
        self.rounds = need(run, "rounds", int, path)
        self.kernel = need(need(machine, "kernel", dict, path), "release", str, path)
        self.execution, self.key = need(machine, "execution", str, path), need(machine, "key", str, path)
        self.emulated = need(machine, "emulated", bool, path)
        self.scenarios = need(raw, "scenarios", dict, path)
        for about in self.scenarios.values():
            for field in ("question", "op"):
                need(about, field, str, path)
            for field in ("floor", "baseline", "columns"):
                need(about, field, TEXT_OR_NONE, path)
        self.cases = [Case(item, path) for item in need(raw, "cases", list, path)]
        self.ratios = {}
        for item in need(raw, "ratios", list, path):
            if need(item, "kind", str, path) == "ratio":
                need(item, "ratio", NUMBER, path)
                self.ratios[self._ratio_key(item, path)] = item
        self.name = self.kernel  # how the page calls it beside others

    @staticmethod
    def _ratio_key(item, path):
        params = need(item, "params", dict, path)
        return (need(item, "scenario", str, path), need(item, "contender", str, path), need(item, "metric", str, path),
                tuple(sorted((axis, value) for axis, value in params.items() if isinstance(value, (int, float, str)))))

    def ratio(self, case, metric):
        """The ratio to the baseline in the same rounds, as (ratio, interval or None), or None."""
        item = self.ratios.get((case.scenario, case.contender, metric, case.point))
        if not item:
            return None
        ends = item.get("ci95")
        good = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, NUMBER) for end in ends)
        return item["ratio"], ends if good else None

    def of(self, scenario):
        return [case for case in self.cases if case.scenario == scenario]

    def execution_text(self):
        """The label that stands on every picture."""
        if self.execution == "tcg-icount":
            return "EMULATED (tcg-icount): times are numbers of instructions, not the speed of any hardware"
        if self.emulated:
            return f"EMULATED ({self.execution}): times show shapes and ratios, not the speed of any hardware"
        return f"execution: {self.execution}"


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file, parse_constant=refuse_constant)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path}: not JSON: {error}") from error
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if not isinstance(schema, dict) or schema.get("name") != "mmlab-result":
        raise OtherKind(f"{path}: not a result of mmlab")
    if schema.get("version") != 1:
        raise Unusable(f"{path}: version {schema.get('version')} of the schema; this program reads version 1")
    return Run(raw, path)


class Moment:
    """One run of a history: what the trend needs."""

    def __init__(self, run):
        self.path, self.id, self.started, self.commit = run.path, run.id, run.started, run.commit
        self.kernel, self.key, self.execution_text = run.kernel, run.key, run.execution_text()
        self.emulated, self.finished, self.complete = run.emulated, run.finished, run.complete
        self.scenarios = list(run.scenarios)
        self.values = {}  # (scenario, contender, point, metric): (median, interval or None, unit, better, exact)
        for case in run.cases:
            for name in case.metrics:
                metric = case.metric(name)
                if metric and (name == "time" or metric.exact or metric.kind == "bytes"):
                    self.values[case.scenario, case.contender, case.point, name] = (
                        metric.median, metric.ci95, metric.unit, metric.better, metric.exact)


class History:
    """All runs under a folder, oldest first, and what had to be passed over."""

    def __init__(self, folder):
        self.moments, self.passed_over = [], []
        found = {}
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                if not name.endswith(".json"):
                    continue
                path = os.path.join(place, name)
                try:
                    moment = Moment(load(path))
                except Unusable as problem:
                    self.passed_over.append(str(problem))
                    continue
                # The same run twice: a copy, or before and after it was resumed.
                other = found.get(moment.id)
                if not other or moment.finished > other.finished:
                    found[moment.id] = moment
        self.moments = sorted(found.values(), key=lambda moment: (moment.started, moment.id))
        if not self.moments:
            raise Unusable(f"{folder}: no result file in it" + (f"; {self.passed_over[0]}" if self.passed_over else ""))

    def latest(self, limit):
        """Paths of the newest run of each scenario on each machine and kernel, the newest first, at most so many runs."""
        seen, paths = set(), []
        for moment in reversed(self.moments):
            new = {(moment.key, moment.kernel, scenario) for scenario in moment.scenarios} - seen
            if new and len(paths) < limit:
                paths.append(moment.path)
                seen |= new
        return paths


def name_apart(runs):
    """Give runs names that tell them apart: kernel, then machine, commit and start."""
    for parts in ((lambda r: r.kernel,), (lambda r: r.kernel, lambda r: r.execution),
                  (lambda r: r.kernel, lambda r: r.commit[:8]),
                  (lambda r: r.kernel, lambda r: r.started), (lambda r: r.kernel, lambda r: r.id)):
        for run in runs:
            run.name = ", ".join(part(run) for part in parts)
        if len({run.name for run in runs}) == len(runs):
            return
    for i, run in enumerate(runs):
        run.name = f"{run.name}, file {i + 1}"
