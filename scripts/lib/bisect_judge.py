# SPDX-License-Identifier: MIT
"""Asks mmlab compare what changed between two result files, and picks the one metric that the bisection follows."""
import json
import math
import subprocess

from bisect_state import Stop

ALPHA = 0.05
SAME, DIFFERENT, CANNOT_TELL = "same", "different", "cannot-tell"
STATUS = "status"  # as a metric: whether the case works at all


class Change:
    """What happened to the target between two steps."""

    def __init__(self, verdict, move=0.0, base=None, head=None, more=None, reason=None, direction="none", exact=False):
        self.verdict, self.move, self.base, self.head = verdict, move, base, head
        self.more, self.reason, self.direction, self.exact = more, reason, direction, exact

    def json(self):
        ratio = math.exp(self.move) if isinstance(self.move, float) and math.isfinite(self.move) else None
        return {"verdict": self.verdict, "direction": self.direction, "base": self.base, "head": self.head, "ratio": ratio,
                "exact": self.exact, "reason": self.reason, "more_rounds": self.more}


def move_of(item):
    """The change as a logarithm; infinite where there is no ratio."""
    ratio = item["ratio"]
    if ratio and ratio > 0:
        return math.log(ratio)
    return 0.0 if item["base"] == item["head"] else math.inf


class Judge:
    def __init__(self, program, case, options):
        self.program, self.case, self.metric = program, case, options.metric
        self.options = options
        self.margins = options.margins
        self.series = self.unit = None  # of the target, once it was chosen

    def learn(self, files, path):
        self._run(["--learn", path, *files], (0,))
        self.margins = path

    def _run(self, arguments, good):
        done = subprocess.run([self.program, "compare", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode not in good:
            raise Stop(f"mmlab compare: {done.stderr.strip() or f'status {done.returncode}'}")
        return done.stdout

    def comparison(self, base, head):
        arguments = ["--json", "--case", self.series or self.case, "--control", self.options.control]
        if self.options.threshold is not None:
            arguments += ["--threshold", str(self.options.threshold)]
        if self.margins:
            arguments += ["--margins", self.margins]
        return json.loads(self._run([*arguments, base, head], (0, 1, 2)))

    def _change(self, item, looks, comparison):
        """Who looks again has more than one chance to be wrong, and pays for it as in mmlab compare --until-decided."""
        verdict, reason, more = item["verdict"], item["reason"], item["more_rounds"]
        p, threshold = item["p_corrected"], math.log1p(comparison["rule"]["threshold"])
        # Without a control nobody knows how much another boot alone would move it.
        if verdict == DIFFERENT and comparison["deterministic"] and comparison["control"]["state"] == "missing" and \
                abs(move_of(item)) < threshold:
            verdict, reason = CANNOT_TELL, f"less than the threshold, and no control {self.options.control} to tell it from chance"
        if verdict == DIFFERENT and p is not None and looks and p * looks * (looks + 1) > ALPHA:
            verdict, reason = CANNOT_TELL, f"p = {p:.2g} is too weak for look {looks}"
        return Change(verdict, move_of(item), item["base"], item["head"], more, reason, item["direction"], item["exact"])

    def _status(self, item):
        """Of cases without numbers on both sides: what failed on one side only is a difference."""
        known = {"ok", "failed"}
        if item["base"] not in known or item["head"] not in known:
            reason = item["head_reason"] or item["base_reason"] or f"{item['base']}, then {item['head']}"
            return Change(CANNOT_TELL, 0.0, item["base"], item["head"], None, reason)
        different = item["base"] != item["head"]
        return Change(DIFFERENT if different else SAME, math.inf if different else 0.0, item["base"], item["head"], None,
                      item["head_reason"] or item["base_reason"], item["direction"], True)

    def choose(self, comparison, looks):
        """Sets the target from a comparison of both ends and returns its change.

        Named metric, else time if that changed, else what changed most: the clearest step is the easiest to find.
        """
        found = [((change["series"], change["metric"]), self._change(change, looks, comparison)) for change in comparison["changes"]
                 if self.metric in (None, change["metric"])]
        found += [((item["series"], STATUS), self._status(item)) for item in comparison["unmatched"]
                  if item["metric"] is None and self.metric in (None, STATUS)]
        if not found:
            known = sorted({change["metric"] for change in comparison["changes"]})
            missing = [f"{item['series']} is {item['base']}, then {item['head']}: {item['head_reason'] or item['base_reason']}"
                       for item in comparison["unmatched"]]
            raise Stop("neither end has a number to compare; " + "; ".join(missing[:3] or [f"metrics are {', '.join(known)}"]))

        def rank(entry):
            (_, metric), change = entry
            return (-(DIFFERENT, CANNOT_TELL, SAME).index(change.verdict), metric == "time", abs(change.move))

        (self.series, self.metric), change = max(found, key=rank)
        self.unit = next((item["unit"] for item in comparison["changes"] if item["metric"] == self.metric), None)
        return change

    def change(self, base, head, looks):
        comparison = self.comparison(base, head)
        for item in comparison["changes"]:
            if (item["series"], item["metric"]) == (self.series, self.metric):
                return self._change(item, looks, comparison)
        # Both work; a case whose state is followed has numbers then.
        if self.metric == STATUS and any(item["series"] == self.series for item in comparison["changes"]):
            return Change(SAME, 0.0, "ok", "ok", exact=True)
        for item in comparison["unmatched"]:
            if item["series"] == self.series and item["metric"] in (None, self.metric):
                if self.metric == STATUS:
                    return self._status(item)
                return Change(CANNOT_TELL, reason=f"{item['base']}, then {item['head']}: "
                              f"{item['head_reason'] or item['base_reason'] or 'no number'}")
        return Change(CANNOT_TELL, reason=f"{self.metric} of {self.series} is not in both files")
