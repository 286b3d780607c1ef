# SPDX-License-Identifier: MIT
"""The kernel's rw_semaphore, as it is in 6.1 and 6.12. Used as `yield from lock.read(thread)`.

Who reads gets in if no writer has the lock and nobody waits, or, as a thief, if nobody at all has it. Who writes takes a
lock that is free, past those who wait; else spins, one of all spinners at a time, while the owner is a writer that runs,
or for 10 to 25 us while readers own it; else waits. A lock that becomes free goes to who spins; only then to the first that
waits: a writer is woken and tries, readers are granted it together. Who waits for longer than a tick of 4 ms has it
handed over: neither thieves nor spinners pass any more.

Left out: the spinlock of the queue, on the same cache line.
"""

from lock_engine import BLOCK, SPIN, Line, run

TICK_NS = 4_000_000
READER_SPIN_NS, FOR_EACH_READER_NS, MAX_READERS = 10_000, 500, 30


class Prices:
    """What hardware and scheduler take: not measured, but assumed."""

    def __init__(self, line_ns=60, wakeup_ns=5000, waker_ns=0, jitter=0):
        self.line_ns, self.wakeup_ns, self.waker_ns, self.jitter = line_ns, wakeup_ns, waker_ns, jitter

    def steady(self):
        """The same without jitter."""
        return Prices(self.line_ns, self.wakeup_ns, self.waker_ns)

    def wake(self, engine, threads):
        """Those that sleep. Return: what that takes of the waker."""
        n_woken = 0
        for thread in threads:
            n_woken += engine.wake(thread, self.wakeup_ns)
        return run(n_woken * self.waker_ns)


class Waits:
    def __init__(self):
        self.n_locks = self.n_waits = self.wait_ns = 0

    def add(self, ns):
        self.n_waits += 1
        self.wait_ns += ns


class Waiter:
    """Threads may be woken in vain: what counts is that the lock was granted."""

    def __init__(self, thread, is_writer, since):
        self.thread, self.is_writer, self.since = thread, is_writer, since
        self.granted = self.has_stopped = False  # the latter: to spin


class RwSem:
    def __init__(self, engine, prices):
        self.engine, self.prices, self.waits = engine, prices, Waits()
        self.line = Line(engine, prices.line_ns)
        self.n_readers, self.writer = 0, None
        self.has_handoff = False     # to the first that waits
        self.is_spinnable = True     # False: readers have it for too long
        self.n_reader_phases = 0
        self.spinners, self.queue = [], []  # of Waiter; the first of spinners looks at the lock, the others at him
        engine.preempted.append(self._preempted)

    def _is_free(self):
        return not self.n_readers and self.writer is None

    def _is_late(self, waiter):
        return self.engine.now // TICK_NS > waiter.since // TICK_NS + 1

    def _add_readers(self, n):
        self.n_readers += n
        if self.n_readers == n:
            self.n_reader_phases += 1
            self._look()

    def read(self, thread):
        yield run(self.line.delay(thread))
        self.waits.n_locks += 1
        if self.writer is None and not self.has_handoff and (not self.queue or not self.n_readers):
            self._add_readers(1)
            return
        waiter = Waiter(thread, False, self.engine.now)
        self.queue.append(waiter)
        if self.writer is None and not self.queue[0].is_writer:
            yield self._grant_readers()
        while not waiter.granted:
            yield BLOCK
        self.waits.add(self.engine.now - waiter.since)

    def unlock_read(self, thread):
        yield run(self.line.delay(thread))
        self.n_readers -= 1
        yield self._release()

    def write(self, thread):
        yield run(self.line.delay(thread))
        self.waits.n_locks += 1
        if self._is_free() and not self.has_handoff and not (self.queue and self.spinners):
            self._own(thread)
            return
        waiter = Waiter(thread, True, self.engine.now)
        if self._may_spin(thread):
            self.spinners.append(waiter)
            if self.spinners[0] is waiter:
                self._look()
            while not waiter.granted and not waiter.has_stopped:
                yield SPIN
                if self.engine.must_yield(thread):
                    waiter.has_stopped = True
                elif self.spinners and self.spinners[0] is waiter:
                    self._look()
            if waiter in self.spinners:
                self._stop(waiter)
        if not waiter.granted:
            yield from self._write_slow(waiter)
        self.waits.add(self.engine.now - waiter.since)

    def unlock_write(self, thread):
        yield run(self.line.delay(thread))
        self.writer = None
        yield self._release()

    def _own(self, thread):
        self.writer, self.is_spinnable = thread, True

    def _may_spin(self, thread):
        return self.is_spinnable and not self.engine.must_yield(thread) and \
            (self.writer is None or self.engine.is_running(self.writer))

    def _look(self):
        """What the first of those who spin sees, and does about it."""
        if not self.spinners:
            return
        first = self.spinners[0]
        if self._is_free():
            if not self.has_handoff and first.thread.state != "ready":  # of a guest, and without a CPU: it will look later
                self._own(first.thread)
                first.granted = True
                self._stop(first, self.prices.line_ns)
        elif not self.is_spinnable or self.writer is not None and not self.engine.is_running(self.writer):
            first.has_stopped = True
            self._stop(first)
        elif self.n_readers:
            limit = READER_SPIN_NS + FOR_EACH_READER_NS * min(self.n_readers, MAX_READERS)
            self.engine.after(limit, self._reader_spin_over, (first, self.n_reader_phases))

    def _reader_spin_over(self, spin):
        waiter, phase = spin
        if self.spinners and self.spinners[0] is waiter and self.n_readers and self.n_reader_phases == phase:
            self.is_spinnable, waiter.has_stopped = False, True
            self._stop(waiter)

    def _stop(self, waiter, delay_ns=0):
        """Of who spins, for whatever reason. The next one looks."""
        was_first = self.spinners[0] is waiter
        self.spinners.remove(waiter)
        self.engine.wake(waiter.thread, delay_ns)
        if was_first:
            self._look()

    def _preempted(self, thread):
        if thread is not self.writer:
            return
        self._look()
        if self.queue and self.queue[0].thread.spins:
            self.engine.wake(self.queue[0].thread)

    def _spins_for_handoff(self, waiter):
        return self.has_handoff and self.queue[0] is waiter and self.writer is not None and self._may_spin(waiter.thread)

    def _write_slow(self, waiter):
        self.queue.append(waiter)
        if self.writer is None and not self.queue[0].is_writer:
            yield self._grant_readers()
        while not (self._is_free() and (not self.has_handoff or self.queue[0] is waiter)):
            if self._is_late(waiter):
                self.has_handoff = True
            yield SPIN if self._spins_for_handoff(waiter) else BLOCK
        self.queue.remove(waiter)
        self._own(waiter.thread)
        self.has_handoff = False

    def _release(self):
        """Return: what it takes of who unlocks, beyond that."""
        if not self._is_free():
            return run(0)
        if self.queue:
            self.is_spinnable = True
        self._look()
        if not self.queue:
            return run(0)
        first = self.queue[0]
        if not first.is_writer and self.writer is None:
            return self._grant_readers()
        if not first.is_writer:
            self.has_handoff = self.has_handoff or self._is_late(first)
            return run(0)
        if first.thread.spins:
            self.engine.wake(first.thread, self.prices.line_ns)
            return run(0)
        return self.prices.wake(self.engine, [first.thread])

    def _grant_readers(self):
        """All of them, wherever they are in the queue. Return: what waking them takes."""
        readers = [waiter for waiter in self.queue if not waiter.is_writer]
        self.queue = [waiter for waiter in self.queue if waiter.is_writer]
        self._add_readers(len(readers))
        self.has_handoff = False
        for waiter in readers:
            waiter.granted = True
        return self.prices.wake(self.engine, [waiter.thread for waiter in readers])
