# SPDX-License-Identifier: MIT
"""The search: between two ends that differ for certain, ever closer, without ever believing a doubtful figure.

At all times the two ends of what is left are known to differ. A step between them moves one end only if the change was
shown to lie on one side of it; a step that cannot be measured or told apart is left out, and never blamed.
"""
import math
import time

from bisect_history import middle
from bisect_judge import CANNOT_TELL, DIFFERENT, SAME, Change
from bisect_state import say

# Builds differ by some instructions here and there; a change beside the one that is followed is at least this part of it.
OTHER_PART = 0.1
MARGIN_RUNS = 6  # of one build, to learn how far runs lie apart; Student's t with 5 degrees of freedom


class Refused(Exception):
    """The ends do not differ, or nobody can tell: outcome and reason."""

    def __init__(self, outcome, reason):
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


class Search:
    def __init__(self, steps, measurer, judge, state, options):
        self.steps, self.measurer, self.judge, self.state, self.options = steps, measurer, judge, state, options
        self.rounds = {}  # by step and purpose: how many it has
        self.used = []  # every measurement, in order
        self.visits = []  # every decision
        self.skipped = {}  # place: reason
        self.others = []  # changes beside the one that was followed
        self.ends = self.last = self.confirmation = None
        self.measured_anew = self.emulated = self.deterministic = False
        self.failure = None  # why the last measurement has no file
        self.notes = []  # of mmlab compare, on the ends
        self.lo, self.hi = 0, len(steps) - 1

    # Measurements

    def _measure(self, place, purpose, rounds):
        step = self.steps[place]
        have = self.rounds.get((place, purpose), 0)
        rounds = max(rounds, have)
        former = self._entry(place, purpose)["file"] if have < rounds and have else None
        fresh = self.measurer.running
        entry = self.measurer.measure(step, purpose, rounds, former)
        if entry["file"] or not have:
            self.rounds[place, purpose] = rounds
        if entry not in self.used:
            self.used.append(entry)
        if self.measurer.running > fresh:
            self.measured_anew = True
        self.failure = entry["reason"]
        return self.state.join(entry["file"]) if entry["file"] else None

    def _entry(self, place, purpose):
        rounds = self.rounds[place, purpose]
        return self.measurer.measure(self.steps[place], purpose, rounds)

    def _learn(self):
        """How far runs of one build lie apart here; the first of them also is the measurement of that end."""
        if not self.options.noisy or self.options.margins:
            return
        say(f"learning how noisy this is from {MARGIN_RUNS} runs of {self.steps[0].title}")
        files = []
        for purpose in ["search"] + [f"again-{i}" for i in range(2, MARGIN_RUNS + 1)]:
            files.append(self._measure(0, purpose, self.options.rounds))
            if not files[-1]:
                raise Refused(CANNOT_TELL, f"the end {self.steps[0].title} cannot be measured: {self.failure}")
        self.judge.learn(files, self.state.join("results", "margins.json"))

    def _more(self, changes, rounds):
        """As many rounds as mmlab compare asks for, or twice as many; None at the limit."""
        if not self.options.noisy or rounds >= self.options.max_rounds:
            return None
        asked = [change.more for change in changes if change.more]
        return min(self.options.max_rounds, rounds + (max(asked) if asked else rounds))

    def _look(self, looks):
        return looks if self.options.noisy else 0

    # The ends

    def check_ends(self):
        """Measures both ends and sets the target; raises Refused unless they differ for certain."""
        self._learn()
        rounds, looks = self.options.rounds, 1
        while True:
            paths = {}
            for place in self._in_turn((self.lo, self.hi), looks):
                paths[place] = self._measure(place, "search", rounds)
                if not paths[place]:
                    raise Refused(CANNOT_TELL, f"the end {self.steps[place].title} cannot be measured: {self.failure}")
            named = self.judge.metric
            comparison = self.judge.comparison(paths[self.lo], paths[self.hi])
            self.emulated, self.deterministic, self.notes = (comparison[key] for key in ("emulated", "deterministic", "notes"))
            self.ends = change = self.judge.choose(comparison, self._look(looks))
            if change.verdict == DIFFERENT:
                return
            more = self._more([change], rounds) if change.verdict == CANNOT_TELL else None
            if not more:
                break
            say(f"cannot tell the ends apart yet: {more} rounds of each instead of {rounds}")
            rounds, looks = more, looks + 1
            self.judge.series, self.judge.metric = None, named  # with more rounds something else may be the clearest
        if not self.deterministic and not self.options.noisy and not change.exact:
            raise Refused(change.verdict, f"{self.judge.metric} of {self.judge.series} is {change.verdict} and was not measured in the "
                          "deterministic mode: take --noisy")
        what = f"{self.judge.metric} of {self.judge.series}"
        if change.verdict == SAME:
            raise Refused(SAME, f"the ends do not differ in {what}: nothing between them can be found to have changed it. "
                          "Are they the right ones, and is it the machine or kernel that changed?")
        more = f"; {change.more} more rounds would decide, so take --max-rounds {rounds + change.more}" if change.more else \
            "; more rounds would not decide"
        raise Refused(CANNOT_TELL, f"whether the ends differ in {what} cannot be told: {change.reason or 'no reason given'}{more}")

    def _in_turn(self, places, looks):
        """Backwards every other time, so that a machine that slowly changes harms all alike."""
        return places if looks % 2 else places[::-1]

    # Between them

    def narrow(self):
        misses, decided, started = 0, 0, time.monotonic()
        while True:
            left = [i for i in range(self.lo + 1, self.hi) if i not in self.skipped]
            if not left:
                return
            self._tell_progress(len(left), decided, started)
            self.measured_anew = False
            place = middle(left, self.lo, self.hi, misses)
            side, reason = self._decide(place)
            decided += self.measured_anew
            misses = 0 if side else misses + 1
            if not side:
                self.skipped[place] = reason
            elif side == "below":
                self.hi = place
            else:
                self.lo = place

    def _tell_progress(self, left, decided, started):
        steps = math.ceil(math.log2(left + 1))
        text = f"{left} step{'s' * (left > 1)} between {self.steps[self.lo].short} and {self.steps[self.hi].short}: " \
            f"about {steps} to measure"
        if decided:
            minutes = (time.monotonic() - started) / decided * steps / 60
            text += f", {minutes:.0f} min" if minutes >= 1 else ", less than a minute"
        say(text)

    def _decide(self, place):
        """On which side of this step the change is: "below", "above", or None and the reason."""
        rounds, looks = self.options.rounds, 1
        while True:
            paths = {}
            for i in self._in_turn((place, self.lo, self.hi), looks):
                paths[i] = self._measure(i, "search", rounds)
                if not paths[i]:
                    return self._visited(place, None, None, None, self.failure)
            below = self.judge.change(paths[self.lo], paths[place], self._look(looks))
            above = self.judge.change(paths[place], paths[self.hi], self._look(looks))
            # The greater of both moves is where the change is, if it is one for certain.
            greater, side = (below, "below") if abs(below.move) >= abs(above.move) else (above, "above")
            if greater.verdict == DIFFERENT:
                return self._visited(place, below, above, side, None)
            more = self._more((below, above), rounds)
            if not more:
                reason = greater.reason or below.reason or above.reason or "it lies between both"
                return self._visited(place, below, above, None, f"cannot tell: {reason}")
            say(f"cannot tell yet: {more} rounds of each instead of {rounds}")
            rounds, looks = more, looks + 1

    def _visited(self, place, below, above, side, reason):
        step = self.steps[place]
        self.visits.append({"step": step.name, "side": side, "reason": reason, "lo": self.steps[self.lo].name,
                            "hi": self.steps[self.hi].name, "below": below and below.json(), "above": above and above.json()})
        if side:
            value = below.head if below.head is not None else above.base
            text = value if isinstance(value, str) else f"{value:.6g}"
            say(f"{step.title}: {text}, changed {'by then' if side == 'below' else 'later'}")
            other, first, last = (above, place, self.hi) if side == "below" else (below, self.lo, place)
            greater = below if side == "below" else above
            if other.verdict == DIFFERENT and abs(other.move) >= OTHER_PART * abs(greater.move):
                self.others.append({"after": self.steps[first].name, "until": self.steps[last].name, "change": other.json()})
        elif below:
            say(f"{step.title}: {reason}; leaving it out")
        return side, reason

    # At the end

    def confirm(self):
        """Measures what is left anew, independently of all before; True if it shows the same change."""
        first = self.judge.change(*(self.state.join(self._entry(i, "search")["file"]) for i in (self.lo, self.hi)), 0)
        self.last = first.json()
        rounds, looks = max(self.options.rounds, *(self.rounds[i, "search"] for i in (self.lo, self.hi))), 1
        say(f"confirming {self.steps[self.hi].title} by a second measurement")
        while True:
            paths = {i: self._measure(i, "confirm", rounds) for i in self._in_turn((self.lo, self.hi), looks)}
            if None in paths.values():
                self.confirmation = Change(CANNOT_TELL, reason="it could not be measured a second time").json()
                return False
            change = self.judge.change(paths[self.lo], paths[self.hi], self._look(looks))
            self.confirmation = change.json()
            more = self._more([change], rounds) if change.verdict == CANNOT_TELL else None
            if not more:
                break
            rounds, looks = more, looks + 1
        return change.verdict == DIFFERENT and change.direction == first.direction
