# SPDX-License-Identifier: MIT
"""The locks themselves, with the order in which they let waiters in. Each is used as `yield from lock.read(thread)`.

RwSem is the kernel's rw_semaphore of 6.1 and 6.12: readers that arrive while a writer waits queue up, but one that finds
the lock free steals it; a writer spins while the owner is a writer that runs; who wakes readers wakes all that wait; the
first waiter gets the lock handed over after 4 ms. TreeLock is in order of arrival. ListLock lets pass whoever overlaps no
holder. Left out: a writer's short spinning on a lock that readers have, and the list's patience.
"""

from lock_engine import BLOCK, SPIN, Line, run

HANDOFF_NS = 4_000_000


class Prices:
    """What hardware and scheduler take: not measured, but assumed."""

    def __init__(self, line_ns=60, wakeup_ns=5000):
        self.line_ns, self.wakeup_ns = line_ns, wakeup_ns


class Waits:
    def __init__(self):
        self.n_locks = self.n_waits = self.wait_ns = 0


class Waiter:
    """Threads may be woken in vain: what counts is that the lock was granted."""

    def __init__(self, thread, is_writer):
        self.thread, self.is_writer, self.granted = thread, is_writer, False


class RwSem:
    def __init__(self, engine, prices):
        self.engine, self.prices, self.waits = engine, prices, Waits()
        self.line = Line(engine, prices.line_ns)
        self.n_readers, self.writer, self.handoff = 0, None, None
        self.spinners, self.queue = [], []  # of Waiter, of Waiter

    def _waited(self, since):
        self.waits.n_waits += 1
        self.waits.wait_ns += self.engine.now - since

    def read(self, thread):
        yield run(self.line.delay(thread))
        self.waits.n_locks += 1
        if self.writer is None and self.handoff is None and (not self.queue or not self.n_readers):
            self.n_readers += 1
            return
        since = self.engine.now
        waiter = Waiter(thread, False)
        self.queue.append(waiter)
        while not waiter.granted:
            yield BLOCK
        self._waited(since)

    def unlock_read(self, thread):
        yield run(self.line.delay(thread))
        self.n_readers -= 1
        self._release()

    def _is_free_for(self, thread):
        return not self.n_readers and self.writer is None and self.handoff in (None, thread)

    def write(self, thread):
        yield run(self.line.delay(thread))
        self.waits.n_locks += 1
        if self._is_free_for(thread):
            self.writer = thread
            return
        since = self.engine.now
        if self.writer is not None and self.engine.is_running(self.writer) and not thread.cpu.queue:
            waiter = Waiter(thread, True)
            self.spinners.append(waiter)
            while not waiter.granted:
                yield SPIN
        else:
            yield from self._write_slow(thread, since)
        self._waited(since)

    def _write_slow(self, thread, since):
        waiter = Waiter(thread, True)
        self.queue.append(waiter)
        while True:
            yield BLOCK
            if self._is_free_for(thread):
                break
            if self.engine.now - since > HANDOFF_NS:
                self.handoff = thread
        self.queue.remove(waiter)
        self.writer, self.handoff = thread, None

    def unlock_write(self, thread):
        yield run(self.line.delay(thread))
        self.writer = None
        self._release()

    def _release(self):
        if self.n_readers or self.writer is not None:
            return
        if self.spinners and self.handoff is None:
            waiter = self.spinners.pop(0)
            waiter.granted, self.writer = True, waiter.thread
            self.engine.wake(waiter.thread, self.prices.line_ns)
        elif self.queue and self.queue[0].is_writer:
            self.engine.wake(self.queue[0].thread, self.prices.wakeup_ns)
        elif self.queue:
            readers = [waiter for waiter in self.queue if not waiter.is_writer]
            self.queue = [waiter for waiter in self.queue if waiter.is_writer]
            self.n_readers += len(readers)
            for waiter in readers:
                waiter.granted = True
                self.engine.wake(waiter.thread, self.prices.wakeup_ns)


class Held:
    """A range that a thread has, or waits for."""

    def __init__(self, first, last, shared, thread):
        self.first, self.last, self.shared, self.thread = first, last, shared, thread
        self.n_before, self.sleepers = 0, []

    def excludes(self, other):
        return self.first <= other.last and other.first <= self.last and not (self.shared and other.shared)


class RangeLock:
    """What both kinds share."""

    def __init__(self, engine, prices, step_ns):
        self.engine, self.prices, self.step_ns, self.waits = engine, prices, step_ns, Waits()
        self.line = Line(engine, prices.line_ns)
        self.ranges = []

    def excluded(self, page):
        probe = Held(page, page, True, None)
        return any(held.excludes(probe) for held in self.ranges)


class TreeLock(RangeLock):
    """Ranges in an interval tree under a spinlock: who overlaps waits for all who came before."""

    def lock(self, thread, first, last, shared):
        held = Held(first, last, shared, thread)
        yield run(self.line.delay(thread, self.step_ns))
        self.waits.n_locks += 1
        held.n_before = sum(other.excludes(held) for other in self.ranges)
        self.ranges.append(held)
        if held.n_before:
            since = self.engine.now
            while held.n_before:
                yield BLOCK
            self.waits.n_waits += 1
            self.waits.wait_ns += self.engine.now - since
        return held

    def unlock(self, thread, held):
        yield run(self.line.delay(thread, self.step_ns))
        at = self.ranges.index(held)
        later = self.ranges[at + 1:]
        del self.ranges[at]
        for other in later:
            if held.excludes(other):
                other.n_before -= 1
                if not other.n_before:
                    self.engine.wake(other.thread, self.prices.wakeup_ns)


class ListLock(RangeLock):
    """Ranges in a sorted list: steps past those before, and one compare-and-swap of the link of the one before.

    step_ns is for one node. The link is a line of the node that is before: of another CPU, unless it is the head's.
    """

    def lock(self, thread, first, last, shared):
        held = Held(first, last, shared, thread)
        since = None
        while True:
            n_before = sum(other.first < first for other in self.ranges)
            yield run(n_before * self.step_ns + (self.prices.line_ns if n_before else self.line.delay(thread)))
            against = next((other for other in self.ranges if other.excludes(held)), None)
            if against is None:
                break
            since = self.engine.now if since is None else since
            against.sleepers.append(thread)
            yield BLOCK
        self.waits.n_locks += 1
        if since is not None:
            self.waits.n_waits += 1
            self.waits.wait_ns += self.engine.now - since
        self.ranges.append(held)
        return held

    def unlock(self, thread, held):
        del thread
        yield run(0)
        self.ranges.remove(held)
        for sleeper in held.sleepers:
            self.engine.wake(sleeper, self.prices.wakeup_ns)


class Pending:
    """Where faults register: on one list, in a table of 64, or in slots of each CPU. None registers nothing."""

    N_LISTS = {"list": 1, "hash": 64, "cpu": 0}

    def __init__(self, engine, prices, kind, n_cpus, step_ns):
        self.kind, self.prices, self.n_cpus, self.step_ns = kind, prices, n_cpus, step_ns
        self.lines = [Line(engine, prices.line_ns) for _ in range(self.N_LISTS.get(kind, 0))]
        self.n_inserted = self.n_searched = 0

    def _line(self, page):
        return self.lines[(page * 0x9E3779B1 >> 8) % len(self.lines)]

    def begin(self, thread, page):
        self.n_inserted += 1
        if self.lines:
            yield run(self._line(page).delay(thread, self.step_ns))

    def end(self, thread, page):
        if self.lines:
            yield run(self._line(page).delay(thread, self.step_ns))

    def search(self, thread, first, last):
        """What a command pays before it may change a range in which no fault is."""
        if self.kind == "cpu":
            self.n_searched += self.n_cpus
            yield run(self.n_cpus * self.prices.line_ns)
        elif self.lines:
            pages = range(first, last + 1) if last - first < len(self.lines) else range(len(self.lines))
            for line in ([self._line(page) for page in pages] if len(self.lines) > 1 else self.lines):
                self.n_searched += 1
                yield run(line.delay(thread, self.step_ns))
