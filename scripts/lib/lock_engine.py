# SPDX-License-Identifier: MIT
"""Discrete events: threads that compute on CPUs, wait for each other, and share cache lines. Time is in nanoseconds.

A thread is a generator. It yields run(ns), which takes its CPU for so long; BLOCK, which gives the CPU up until somebody
wakes it; or SPIN, which keeps the CPU busy until then. A CPU runs one thread at a time, and gives the next one its turn
after a time slice; a thread that spins while others want its CPU blocks instead, as the kernel's locks have it.
"""

import collections
import heapq

BLOCK, SPIN = "block", "spin"
SLICE_NS = 3_000_000


def run(ns):
    return ns


class Thread:
    def __init__(self, generator, cpu):
        self.generator, self.cpu = generator, cpu
        self.state = "ready"   # ready, running, spinning, blocked, done
        self.left = 0
        self.woken = False     # before it blocked
        self.ended = None


class Cpu:
    def __init__(self):
        self.current, self.queue, self.slice_end = None, collections.deque(), 0


class Engine:
    def __init__(self, n_cpus):
        self.now, self.order, self.events = 0, 0, []
        self.cpus = [Cpu() for _ in range(n_cpus)]
        self.threads = []
        self.active = None  # the thread whose generator runs

    def spawn(self, function, cpu):
        """A thread that runs function(thread), a generator function, on the CPU, from time 0 on."""
        thread = Thread(None, self.cpus[cpu % len(self.cpus)])
        thread.generator = function(thread)
        self.threads.append(thread)
        self._ready(thread)
        return thread

    def wake(self, thread, delay_ns=0):
        self._at(self.now + delay_ns, self._wake, thread)

    def is_running(self, thread):
        return thread.state in ("running", "spinning")

    def play(self):
        """Until nothing happens any more. A thread that then still waits is a deadlock."""
        while self.events:
            self.now, _, function, thread = heapq.heappop(self.events)
            function(thread)
        stuck = sum(thread.state != "done" for thread in self.threads)
        if stuck:
            raise RuntimeError(f"{stuck} threads wait for ever")

    def _at(self, when, function, thread):
        self.order += 1
        heapq.heappush(self.events, (when, self.order, function, thread))

    def _ready(self, thread):
        thread.state = "ready"
        thread.cpu.queue.append(thread)
        if thread.cpu.current is None:
            self._next(thread.cpu)

    def _next(self, cpu):
        cpu.current = None
        if cpu.queue:
            thread = cpu.current = cpu.queue.popleft()
            thread.state = "running"
            cpu.slice_end = self.now + SLICE_NS
            self._at(self.now, self._go_on, thread)

    def _wake(self, thread):
        if thread.state == "spinning":
            thread.state = "running"
            self._advance(thread)
        elif thread.state == "blocked":
            self._ready(thread)
        else:
            thread.woken = True

    def _go_on(self, thread):
        if thread.left > 0:
            self._run_slice(thread)
        else:
            self._advance(thread)

    def _run_slice(self, thread):
        cpu = thread.cpu
        step = thread.left
        if cpu.queue:
            step = min(step, max(cpu.slice_end - self.now, 1))
        thread.left -= step
        self._at(self.now + step, self._slice_over, thread)

    def _slice_over(self, thread):
        cpu = thread.cpu
        if cpu.queue and self.now >= cpu.slice_end:
            self._next_after(thread)
        else:
            self._go_on(thread)

    def _next_after(self, thread):
        thread.state = "ready"
        thread.cpu.queue.append(thread)
        self._next(thread.cpu)

    def _advance(self, thread):
        self.active = thread
        try:
            wanted = next(thread.generator)
        except StopIteration:
            thread.state, thread.ended = "done", self.now
            self._next(thread.cpu)
            return
        if wanted not in (BLOCK, SPIN):
            thread.left = wanted
            self._run_slice(thread)
        elif thread.woken:
            thread.woken = False
            self._at(self.now, self._go_on, thread)
        elif wanted == SPIN and not thread.cpu.queue:
            thread.state = "spinning"
        else:
            thread.state = "blocked"
            self._next(thread.cpu)


class Line:
    """A cache line that is written: one CPU after the other, and it has to come from whoever had it last."""

    def __init__(self, engine, transfer_ns):
        self.engine, self.transfer_ns = engine, transfer_ns
        self.free_at, self.owner = 0, None

    def delay(self, thread, hold_ns=0):
        """How long a thread takes from now on to get the line and keep it for hold_ns, as under a spinlock."""
        start = max(self.engine.now, self.free_at)
        self.free_at = start + (self.transfer_ns if self.owner not in (None, thread.cpu) else 0) + hold_ns
        self.owner = thread.cpu
        return self.free_at - self.engine.now
