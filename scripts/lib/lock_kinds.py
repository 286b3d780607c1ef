# SPDX-License-Identifier: MIT
"""Locks of ranges, with the order in which they let waiters in, and where faults register instead.

TreeLock is in order of arrival. ListLock lets pass whoever overlaps no holder. Whatever another CPU has written has to come
from there: the spinlock, the nodes that are passed on the way, the slots that are searched. Left out: the list's patience.
"""

from lock_engine import BLOCK, Line, run
from lock_rwsem import Waits


class Held:
    """A range that a thread has, or waits for."""

    def __init__(self, first, last, shared, thread):
        self.first, self.last, self.shared, self.thread = first, last, shared, thread
        self.n_before, self.sleepers = 0, []

    def excludes(self, other):
        return self.first <= other.last and other.first <= self.last and not (self.shared and other.shared)


class RangeLock:
    """What both kinds share. step_ns is for one node; passing one costs a cache line more, as its owner has written it."""

    def __init__(self, engine, prices, step_ns):
        self.engine, self.prices, self.step_ns, self.waits = engine, prices, step_ns, Waits()
        self.line = Line(engine, prices.line_ns)
        self.ranges = []


class TreeLock(RangeLock):
    """Ranges in an interval tree under a spinlock: who overlaps waits for all who came before."""

    def _in_tree(self, thread):
        """Under the spinlock, from the root to a leaf."""
        depth = len(self.ranges).bit_length()
        return run(self.line.delay(thread, self.step_ns + depth * self.prices.line_ns))

    def lock(self, thread, first, last, shared):
        held = Held(first, last, shared, thread)
        yield self._in_tree(thread)
        self.waits.n_locks += 1
        held.n_before = sum(other.excludes(held) for other in self.ranges)
        self.ranges.append(held)
        if held.n_before:
            since = self.engine.now
            while held.n_before:
                yield BLOCK
            self.waits.add(self.engine.now - since)
        return held

    def unlock(self, thread, held):
        at = self.ranges.index(held)
        later = self.ranges[at + 1:]
        del self.ranges[at]  # it is no node that has to be fetched
        yield self._in_tree(thread)
        others = [other for other in later if held.excludes(other)]
        for other in others:
            other.n_before -= 1
        yield self.prices.wake(self.engine, [other.thread for other in others if not other.n_before])


class ListLock(RangeLock):
    """Ranges in a sorted list: all links before the place are read, one is swapped; to unlock, the head's always is."""

    def lock(self, thread, first, last, shared):
        held = Held(first, last, shared, thread)
        since = None
        while True:
            n_before = sum(other.first < first for other in self.ranges)
            yield run(self.line.delay(thread) + n_before * (self.step_ns + self.prices.line_ns))
            against = next((other for other in self.ranges if other.excludes(held)), None)
            if against is None:
                break
            since = self.engine.now if since is None else since
            against.sleepers.append(thread)
            yield BLOCK
        self.waits.n_locks += 1
        if since is not None:
            self.waits.add(self.engine.now - since)
        self.ranges.append(held)
        return held

    def unlock(self, thread, held):
        self.ranges.remove(held)
        yield run(self.line.delay(thread))
        yield self.prices.wake(self.engine, held.sleepers)


class Pending:
    """Where faults register: on one list, in a table of 64, or in slots of each CPU. None registers nothing.

    To link and to unlink writes to the neighbour's node as well. To search a list passes all its nodes, under its spinlock.
    """

    N_LISTS = {"list": 1, "hash": 64}

    def __init__(self, engine, prices, kind, n_cpus, step_ns):
        self.engine, self.kind, self.prices, self.step_ns = engine, kind, prices, step_ns
        n_lines = n_cpus if kind == "cpu" else self.N_LISTS.get(kind, 0)
        self.lines = [Line(engine, prices.line_ns) for _ in range(n_lines)]
        self.n_linked = [0] * n_lines
        self.n_inserted = self.n_searched = 0

    def _list_of(self, page):
        return (page * 0x9E3779B1 >> 8) % len(self.lines)

    def _link(self, thread, at, n):
        """Or unlink: n is -1."""
        has_neighbour = self.n_linked[at] > (n < 0)
        self.n_linked[at] += n
        return run(self.lines[at].delay(thread, self.step_ns + (self.prices.line_ns if has_neighbour else 0)))

    def begin(self, thread, page):
        self.n_inserted += 1
        if self.kind == "cpu":
            yield run(self.lines[thread.home].delay(thread))
        elif self.lines:
            yield self._link(thread, self._list_of(page), 1)

    def end(self, thread, page):
        if self.kind == "cpu":
            yield run(self.lines[thread.home].delay(thread))
        elif self.lines:
            yield self._link(thread, self._list_of(page), -1)

    def search(self, thread, first, last):
        """What a command pays before it may change a range in which no fault is."""
        if not self.lines:
            return
        if self.kind == "cpu" or last - first >= len(self.lines):
            places = range(len(self.lines))
        else:
            places = [self._list_of(page) for page in range(first, last + 1)]
        when = self.engine.now
        for at in places:
            n = 0 if self.kind == "cpu" else 1 + self.n_linked[at]
            when = self.lines[at].take(thread, when, n * self.step_ns + self.n_linked[at] * self.prices.line_ns)
        self.n_searched += len(places)
        yield run(when - self.engine.now)
