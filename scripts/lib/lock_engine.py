# SPDX-License-Identifier: MIT
"""Discrete events: threads that compute on CPUs, wait for each other, and share cache lines. Time is in nanoseconds.

A thread is a generator. It yields run(ns), which takes its CPU for so long; BLOCK, which gives the CPU up until somebody
wakes it; or SPIN, which keeps the CPU busy until somebody does, until others have waited for the CPU for a time slice, or
until it has got its CPU back: so a spinner looks what it goes on for. A CPU runs one thread at a time, and gives the next
one its turn after a slice.

The CPUs may be those of a guest that has more of them than its machine: then one thread on each is all that they can
take, the machine's CPUs are shared, and threads neither see nor choose who runs.
"""

import collections
import heapq
import random

BLOCK, SPIN = "block", "spin"
SLICE_NS = 3_000_000


def run(ns):
    return ns


class Thread:
    def __init__(self, home):
        self.generator = None
        self.home, self.cpu = home, None  # where it belongs; what it runs on
        self.state = "ready"  # ready, running, spinning, blocked, done
        self.left = 0         # of what it computes
        self.spins = False    # wants to, whether or not it has a CPU
        self.woken = False    # before it blocked
        self.is_waking = False
        self.ended = None


class Cpu:
    def __init__(self, queue):
        self.current, self.queue, self.slice_end, self.n_turns = None, queue, 0, 0


class Engine:
    def __init__(self, n_cpus, n_real=None, jitter=0):
        self.now, self.order, self.events = 0, 0, []
        self.is_guest = n_real is not None and n_real < n_cpus
        queue = collections.deque()
        self.cpus = [Cpu(queue if self.is_guest else collections.deque()) for _ in range(n_real if self.is_guest else n_cpus)]
        self.threads = []
        self.preempted = []  # functions that are told of a thread that loses its CPU
        self.jitter, self.random = jitter, random.Random(1)

    def spawn(self, function, cpu):
        """A thread that runs function(thread), a generator function, on the CPU, from time 0 on."""
        thread = Thread(cpu if self.is_guest else cpu % len(self.cpus))
        thread.generator = function(thread)
        self.threads.append(thread)
        self._ready(thread)
        return thread

    def vary(self, ns):
        """Up to so much more or less, so that threads don't fall into step; the same each time the program runs."""
        return ns * (1 + self.jitter * self.random.uniform(-1, 1)) if self.jitter else ns

    def wake(self, thread, delay_ns=0):
        """Return: whether this is what wakes it, which the waker has to work for."""
        if thread.state == "blocked":
            if thread.is_waking:
                return False
            thread.is_waking = True
        self.after(self.vary(delay_ns), self._wake, thread)
        return thread.is_waking

    def after(self, delay_ns, function, argument):
        self.order += 1
        heapq.heappush(self.events, (self.now + delay_ns, self.order, function, argument))

    def is_running(self, thread):
        """As its kernel sees it: a guest does not know which of its CPUs run."""
        return thread.state in ("running", "spinning") or self.is_guest and thread.state == "ready"

    def must_yield(self, thread):
        """Somebody else has waited for the thread's CPU for long enough."""
        return not self.is_guest and bool(thread.cpu.queue) and self.now >= thread.cpu.slice_end

    def play(self):
        """Until nothing happens any more. A thread that then still waits is a deadlock."""
        while self.events:
            self.now, _, function, argument = heapq.heappop(self.events)
            function(argument)
        stuck = sum(thread.state != "done" for thread in self.threads)
        if stuck:
            raise RuntimeError(f"{stuck} threads wait for ever")

    def _ready(self, thread):
        thread.state = "ready"
        cpus = self.cpus if self.is_guest else self.cpus[thread.home:thread.home + 1]
        cpus[0].queue.append(thread)
        idle = next((cpu for cpu in cpus if cpu.current is None), None)
        if idle:
            self._next(idle)
            return
        for cpu in cpus:  # who spins looks up at the end of its slice
            if cpu.current.state == "spinning":
                self.after(max(cpu.slice_end - self.now, 0), self._slice_of_spinner, (cpu, cpu.n_turns))

    def _next(self, cpu):
        cpu.current = None
        cpu.n_turns += 1
        if cpu.queue:
            thread = cpu.current = cpu.queue.popleft()
            thread.cpu, thread.state = cpu, "running"
            cpu.slice_end = self.now + SLICE_NS
            self.after(0, self._go_on, thread)

    def _wake(self, thread):
        if thread.state == "spinning":
            thread.state, thread.spins = "running", False
            self._advance(thread)
        elif thread.state == "blocked":
            thread.is_waking = False
            self._ready(thread)
        else:
            thread.woken = True

    def _go_on(self, thread):
        if thread.left > 0:
            self._run_slice(thread)
        else:
            thread.woken = thread.woken and not thread.spins
            thread.spins = False
            self._advance(thread)

    def _spin(self, thread):
        cpu = thread.cpu
        thread.state = "spinning"
        if cpu.queue:
            self.after(max(cpu.slice_end - self.now, 0), self._slice_of_spinner, (cpu, cpu.n_turns))

    def _slice_of_spinner(self, turn):
        cpu, n_turns = turn
        thread = cpu.current
        if cpu.n_turns != n_turns or thread.state != "spinning" or not cpu.queue:
            return
        if self.is_guest:
            self._give_up(thread)
        else:
            self._wake(thread)

    def _run_slice(self, thread):
        cpu = thread.cpu
        step = thread.left
        if cpu.queue:
            step = min(step, max(cpu.slice_end - self.now, 1))
        thread.left -= step
        self.after(step, self._slice_over, thread)

    def _slice_over(self, thread):
        cpu = thread.cpu
        if cpu.queue and self.now >= cpu.slice_end:
            self._give_up(thread)
            if not self.is_guest:
                for function in self.preempted:
                    function(thread)
        else:
            self._go_on(thread)

    def _give_up(self, thread):
        thread.state = "ready"
        thread.cpu.queue.append(thread)
        self._next(thread.cpu)

    def _advance(self, thread):
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
            self.after(0, self._go_on, thread)
        elif wanted == SPIN:
            thread.spins = True
            self._spin(thread)
        else:
            thread.state = "blocked"
            self._next(thread.cpu)


class Line:
    """A cache line that is written: one CPU after the other, and it has to come from whoever had it last."""

    def __init__(self, engine, transfer_ns):
        self.engine, self.transfer_ns = engine, transfer_ns
        self.free_at, self.owner = 0, None

    def take(self, thread, when, hold_ns=0):
        """Get the line at some time and keep it for hold_ns, as under a spinlock. Return: when that is over."""
        is_far = self.owner not in (None, thread.home)
        self.free_at = max(when, self.free_at) + (self.transfer_ns if is_far else 0) + hold_ns
        self.owner = thread.home
        return self.free_at

    def delay(self, thread, hold_ns=0):
        """The same from now on. Return: how long it takes."""
        return self.take(thread, self.engine.now, hold_ns) - self.engine.now
