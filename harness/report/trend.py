# SPDX-License-Identifier: MIT
"""Where a series of runs changed its level.

A split of a stretch of runs is judged by the difference of the medians of both parts, in logarithms, over the noise of
the series: 1.4826 times the median absolute difference between neighbours, over the root of 2, which a few changes of
level hardly touch. Medians need three runs on each side, so one outlier is no change. The best split counts if it exceeds
what noise alone gives in one series of a thousand (demand(), found by simulation and checked so in test-report.py) and
the least change that matters; then both parts are searched in turn. Exact values change where they differ. It is a hint where to
look: `mmlab compare` judges two runs.
"""

import math

from result_file import median

LEAST_RUNS = 8
SIDE = 3
LEAST_CHANGE = 0.03
LEAST_NOISE = 0.002


class Change:
    """From run `at` on another level."""

    def __init__(self, at, before, after):
        self.at, self.before, self.after = at, before, after

    @property
    def ratio(self):
        return self.after / self.before if self.before else math.inf


def noise(logs):
    steps = sorted(abs(b - a) for a, b in zip(logs, logs[1:]))
    return max(1.4826 * median(steps) / math.sqrt(2), LEAST_NOISE)


def demand(n):
    """The score that one series of a thousand without a change exceeds; from few runs the noise is known badly."""
    return 4 + 46 / n


def score(logs, sigma):
    """(score, place) of the best split: the one that leaves the least absolute deviations from both medians."""
    def left(part):
        middle = median(part)
        return sum(abs(value - middle) for value in part)
    places = range(SIDE, len(logs) - SIDE + 1)
    if not places:
        return 0.0, None
    k = min(places, key=lambda place: left(logs[:place]) + left(logs[place:]))
    step = abs(median(logs[:k]) - median(logs[k:]))
    if step <= math.log1p(LEAST_CHANGE):
        return 0.0, None
    return step / (1.2533 * sigma * math.sqrt(1 / k + 1 / (len(logs) - k))), k


def exact_changes(values):
    return [Change(i, a, b) for i, (a, b) in enumerate(zip(values, values[1:]), 1) if a != b]


def changes(values, exact=False):
    """Changes of level, in the order of the runs."""
    if exact:
        return exact_changes(values)
    if len(values) < LEAST_RUNS or min(values) <= 0:
        return []
    logs = [math.log(value) for value in values]
    sigma = noise(logs)
    found, stretches = [], [(0, len(logs))]
    while stretches:
        start, end = stretches.pop()
        best, k = score(logs[start:end], sigma)
        if k is not None and best > demand(len(logs)):
            found.append(start + k)
            stretches += [(start, start + k), (start + k, end)]
    ends = [0] + sorted(found) + [len(logs)]
    levels = [math.exp(median(logs[a:b])) for a, b in zip(ends, ends[1:])]
    return [Change(at, before, after) for at, before, after in zip(ends[1:-1], levels, levels[1:])]
