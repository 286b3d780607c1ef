# SPDX-License-Identifier: MIT
"""Address spaces of scenario `faultmix`, as locks see them: what a fault takes, and what mapping and unmapping takes.

Costs of an operation are those that one thread alone was measured to take. The share `inside` of it is work under the
lock; of what maps and unmaps in an arena, the share `tree` of that changes the tree of what is mapped, which has a spinlock
of its own, or is under the short lock. The locks' own time while nobody else wants them is in the measured cost already, so
that simulating one thread gives what was measured. All else, transfers of cache lines and waiting, comes on top and is the
prediction.
"""

from lock_engine import Engine, Line, run
from lock_kinds import ListLock, Pending, TreeLock
from lock_rwsem import Prices, RwSem

SLOT_PAGES, AREA_PAGES = 16, 1 << 20
STEP_NS = 30  # a node of a list or tree, under its spinlock; part of the measured cost for one thread
SCHEMES = ("mmap-lock", "vma-lock", "speculative", "arena-rwsem", "arena-tree", "arena-list", "arena-split")


class Costs:
    def __init__(self, fault_ns, write_ns, inside=0.8, alloc_ns=0, tree=0.5):
        self.fault_ns, self.write_ns, self.inside, self.alloc_ns, self.tree = fault_ns, write_ns, inside, alloc_ns, tree

    def alone(self, fault_ns, write_ns):
        """The same, with other times."""
        return Costs(fault_ns, write_ns, self.inside, self.alloc_ns, self.tree)


class Plan:
    """What threads do: as in the scenario. n_real: CPUs of the machine, if those of a guest are more."""

    def __init__(self, n_threads, writes=0, n_mappers=0, shared=True, n_ops=300, n_cpus=None, n_real=None):
        self.n_threads, self.writes, self.n_mappers = n_threads, writes, n_mappers
        self.shared, self.n_ops, self.n_cpus, self.n_real = shared, n_ops, n_cpus or n_threads + n_mappers, n_real


class Space:
    def __init__(self, engine, scheme, pending, costs, prices, plan):
        self.engine, self.scheme, self.costs, self.plan = engine, scheme, costs, plan
        self.mmap_lock = RwSem(engine, prices)
        n_vmas = 1 if plan.shared or scheme.startswith("arena") else plan.n_threads
        self.vmas = [Line(engine, prices.line_ns) for _ in range(n_vmas)]
        self.alloc = Line(engine, 0)  # what all allocations of pages share: the zone's lock, memory itself
        self.sem = RwSem(engine, prices)
        self.ranges = (ListLock if scheme == "arena-list" else TreeLock)(engine, prices, STEP_NS)
        self.extents = Line(engine, prices.line_ns)
        self.pending = Pending(engine, prices, pending, plan.n_cpus, STEP_NS)
        self.registers = pending != "none"

    def locks(self):
        """Those that are counted."""
        if not self.scheme.startswith("arena"):
            return [self.mmap_lock.waits]
        return [self.sem.waits, self.ranges.waits]

    def _inside(self, thread, ns):
        yield run(ns * self.costs.inside + (self.alloc.delay(thread, self.costs.alloc_ns) if self.costs.alloc_ns else 0))

    def fault(self, thread, worker, page):
        ns = self.costs.fault_ns
        yield run(self.engine.vary(ns * (1 - self.costs.inside)))
        vma = self.vmas[worker % len(self.vmas)]
        if self.scheme == "mmap-lock":
            yield from self.mmap_lock.read(thread)
            yield from self._inside(thread, ns)
            yield from self.mmap_lock.unlock_read(thread)
        elif self.scheme == "speculative":
            yield from self._inside(thread, ns)
        else:
            yield run(vma.delay(thread))
            if self.scheme == "vma-lock":
                yield from self._inside(thread, ns)
            else:
                yield from self._arena_fault(thread, page, ns)
            yield run(vma.delay(thread))

    def _arena_fault(self, thread, page, ns):
        has_sem = self.scheme in ("arena-rwsem", "arena-split")
        held = None
        if has_sem:
            yield from self.sem.read(thread)
        if self.registers:
            yield from self.pending.begin(thread, page)
            if has_sem:  # what is mapped has been looked up
                yield from self.sem.unlock_read(thread)
        elif not has_sem:
            held = yield from self.ranges.lock(thread, page, page, True)
        yield from self._inside(thread, ns)
        if self.registers:
            yield from self.pending.end(thread, page)
        elif has_sem:
            yield from self.sem.unlock_read(thread)
        else:
            yield from self.ranges.unlock(thread, held)

    def write(self, thread, first):
        """MAP and UNMAP: half of the cost each."""
        for _ in range(2):
            ns = self.costs.write_ns / 2
            yield run(self.engine.vary(ns * (1 - self.costs.inside)))
            if not self.scheme.startswith("arena"):
                yield from self.mmap_lock.write(thread)
                yield run(ns * self.costs.inside)
                yield from self.mmap_lock.unlock_write(thread)
            else:
                yield from self._arena_write(thread, first, first + SLOT_PAGES - 1, ns * self.costs.inside)

    def _arena_write(self, thread, first, last, ns):
        if self.scheme == "arena-rwsem":
            yield from self.sem.write(thread)
            yield from self.pending.search(thread, first, last)
            yield run(ns)
            yield from self.sem.unlock_write(thread)
            return
        held = yield from self.ranges.lock(thread, first, last, False)
        changes_ns = ns * self.costs.tree
        if self.scheme == "arena-split":
            yield from self.sem.write(thread)
            yield run(changes_ns)
            yield from self.sem.unlock_write(thread)
            yield from self.pending.search(thread, first, last)
        else:
            yield from self.pending.search(thread, first, last)
            yield run(self.extents.delay(thread, changes_ns))
        yield run(ns - changes_ns)
        yield from self.ranges.unlock(thread, held)


class Outcome:
    """What a plan came to."""

    def __init__(self, plan, space, elapsed_ns, n_faults, n_writes, n_mapped):
        self.elapsed_ns, self.n_faults, self.n_writes, self.n_mapped = elapsed_ns, n_faults, n_writes, n_mapped
        self.time_ns = elapsed_ns / (plan.n_threads * plan.n_ops)  # as the scenario's "time"
        n_all = n_faults + n_writes + n_mapped
        self.fault_rate, self.write_rate = n_faults * 1e9 / elapsed_ns, (n_writes + n_mapped) * 1e9 / elapsed_ns
        self.locks = sum(waits.n_locks for waits in space.locks()) / n_all
        self.lock_waits = sum(waits.n_waits for waits in space.locks()) / n_all
        self.lock_wait_ns = sum(waits.wait_ns for waits in space.locks()) / n_all
        self.pending_searched = space.pending.n_searched


def calibrated(scheme, costs, prices, pending):
    """The costs without what the locks take of one thread alone: so that with it, they are what was measured."""
    prices = prices.steady()
    fault_ns, write_ns = (_play(scheme, Plan(1, writes=writes, n_ops=1), costs, prices, pending).time_ns
                          for writes in (0, 100))
    return costs.alone(max(2 * costs.fault_ns - fault_ns, 0), max(2 * costs.write_ns - write_ns, 0))


def simulate(scheme, plan, costs, prices=None, pending="none"):
    """One case. Return: an Outcome."""
    prices = prices or Prices()
    return _play(scheme, plan, calibrated(scheme, costs, prices, pending), prices, pending)


def _play(scheme, plan, costs, prices, pending):
    engine = Engine(plan.n_cpus, plan.n_real, prices.jitter)
    space = Space(engine, scheme, pending, costs, prices, plan)
    counts = {"faults": 0, "writes": 0, "mapped": 0, "working": plan.n_threads}

    def slot(number):
        return AREA_PAGES * plan.n_threads + number * 512

    def worker(number):
        def act(thread):
            for i in range(plan.n_ops):
                if (i + 1) * plan.writes // 100 > i * plan.writes // 100:
                    yield from space.write(thread, slot(number))
                    counts["writes"] += 1
                else:
                    yield from space.fault(thread, number, AREA_PAGES * number + i)
                    counts["faults"] += 1
            counts["working"] -= 1
        return act

    def mapper(number):
        def act(thread):
            while counts["working"]:
                yield from space.write(thread, slot(number))
                counts["mapped"] += 1
        return act

    workers = [engine.spawn(worker(i), i) for i in range(plan.n_threads)]
    for i in range(plan.n_threads, plan.n_threads + plan.n_mappers):
        engine.spawn(mapper(i), i)
    engine.play()
    return Outcome(plan, space, max(thread.ended for thread in workers), counts["faults"], counts["writes"], counts["mapped"])
