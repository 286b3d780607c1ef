# SPDX-License-Identifier: MIT
"""The cases of scenario `clone` in a result file, and what is asked of them.

A case is found by all of its parameters; those that are not named have the value of the simplest case.
"""

from result_file import ResultFile, interval, median, present

SIMPLEST = {"destination": "none", "source": "none", "address": "same", "source-threads": 0, "swap": "none"}
STREAM_BYTES = 128 << 10

# What a consumer that reads once could do instead of a stream. Memory that stays mapped on both sides is left out: it
# is neither private nor handed over. So is fork, which makes the consumer.
MAPPINGS = ("clone", "clone-populate", "clone-move", "memfd", "memfd-populate")

# What was demanded: (what, factor, its metric and place, and of what it is to be a part). The larger over the smaller.
RATIOS = (
    ("readv into new memory / clone, same address", "time", 64 << 20, ("readv", {}), ("clone", {})),
    ("readv into new memory / clone, same address, obtaining alone", "get", 64 << 20, ("readv", {}), ("clone", {})),
    ("readv into new memory / clone, another address", "time", 64 << 20, ("readv", {}), ("clone", {"address": "other"})),
    ("the same, not equally far from 2 MiB", "time", 64 << 20, ("readv", {}), ("clone", {"address": "odd"})),
    ("clone / fork, for each page", "get", 64 << 20, ("clone", {}), ("fork", {})),
    ("memfd / clone: map, touch every page, unmap", "time", 64 << 20,
     ("memfd", {"destination": "touch"}), ("clone", {"destination": "touch"})),
    ("the same", "time", 64 << 10, ("memfd", {"destination": "touch"}), ("clone", {"destination": "touch"})),
    ("memfd-populate / clone: map, touch every page, unmap", "time", 64 << 20,
     ("memfd-populate", {"destination": "touch"}), ("clone", {"destination": "touch"})),
    ("the same", "time", 64 << 10, ("memfd-populate", {"destination": "touch"}), ("clone", {"destination": "touch"})),
)


class Case:
    """One contender at one point."""

    def __init__(self, raw):
        self.contender, self.params = raw["contender"], raw["params"]
        self.status, self.reason = raw["status"], raw["reason"]
        self.metrics = {metric["name"]: metric for metric in raw["metrics"]}

    def rounds(self, name):
        """One value, or None, for each round."""
        metric = self.metrics.get(name) if self.status == "ok" else None
        values = [present(samples) for samples in metric["rounds"]] if metric else []
        return [median(samples) if samples else None for samples in values]

    def value(self, name):
        """The median over rounds, or None."""
        values = present(self.rounds(name))
        return median(values) if values else None


class Result(ResultFile):
    scenario = "clone"

    def read(self, raw, cases):
        self.cases = [Case(case) for case in cases]

    def case(self, contender, size, **params):
        """The case that was measured there, or None."""
        wanted = {**SIMPLEST, **{name.replace("_", "-"): value for name, value in params.items()}, "size": size}
        for case in self.cases:
            if case.contender == contender and case.params == wanted and case.status == "ok":
                return case
        return None

    def points(self, axis):
        """Values of an axis, in order; words as in the file."""
        found = dict.fromkeys(case.params[axis] for case in self.cases)
        return list(found) if any(isinstance(value, str) for value in found) else sorted(found)

    def contenders(self, **params):
        """Those measured where these parameters have these values, in the order of the file."""
        wanted = {name.replace("_", "-"): value for name, value in params.items()}
        return list(dict.fromkeys(case.contender for case in self.cases if case.status == "ok" and
                                  all(case.params[name] == value for name, value in wanted.items())))

    def ratios(self):
        """What was demanded, as far as it was measured."""
        for what, metric, size, (above, above_params), (below, below_params) in RATIOS:
            entry = {"what": what, "metric": metric, "size": size, "ratio": None, "ci95": None, "n": 0}
            cases = self.case(above, size, **above_params), self.case(below, size, **below_params)
            if None not in cases:
                values = [one / other for one, other in zip(*(case.rounds(metric) for case in cases))
                          if one is not None and other]
                if values:
                    entry.update(ratio=median(values), ci95=interval(values), n=len(values))
            yield entry

    def stream(self, size):
        """The stream through 128 KiB; what is no larger is one part of it."""
        return self.case("readv-128k" if size > STREAM_BYTES else "readv-locked", size, destination="read")

    def once(self):
        """Whoever reads once: for each size the stream, the best mapping, and their ratio."""
        for size in self.points("size"):
            stream = self.stream(size)
            times = {name: case.value("time") for name in MAPPINGS
                     if (case := self.case(name, size, destination="read")) and case.value("time")}
            if stream is None or not stream.value("time") or not times:
                continue
            best = min(times, key=times.get)
            values = [one / other for one, other in
                      zip(stream.rounds("time"), self.case(best, size, destination="read").rounds("time"))
                      if one is not None and other]
            yield {"size": size, "stream_ns": stream.value("time"), "best": best, "best_ns": times[best],
                   "ratio": median(values), "ci95": interval(values), "n": len(values)}
