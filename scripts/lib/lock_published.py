# SPDX-License-Identifier: MIT
"""Curves that others measured on large machines, against the simulation: is the shape the same?

Two prices are fitted, to the two figures that are marked so: what passing a cache line on takes, and what all allocations
of pages share. One fault alone is taken to last 1 us. All other figures are predictions. Many a thing that such machines have is
not in the model: sockets, memory bandwidth, hardware threads, the scheduler's balancing.
"""

from lock_rwsem import Prices
from lock_spaces import Costs, Plan, simulate

COSTS = Costs(1000, 6000, inside=0.8, alloc_ns=40)
PRICES = Prices(line_ns=75, wakeup_ns=5000)


def rate(scheme, n_threads, shared=True):
    return simulate(scheme, Plan(n_threads, shared=shared, n_ops=200), COSTS, PRICES).fault_rate


def writers(scheme, n_threads):
    """Who writes a file under its lock: nothing but that, all of it under the lock, and no tree."""
    costs = Costs(1000, 17500, inside=1, tree=0)
    return simulate(scheme, Plan(n_threads, writes=100, n_ops=200), costs, PRICES).write_rate


FIGURES = (
    # name, source, published from, to, fitted, function
    ("speculative, 48 threads / 1 thread, one mapping", "M. Lespinasse 2021-22, 2 x 24 hardware threads", 24, 24, True,
     lambda: rate("speculative", 48) / rate("speculative", 1)),
    ("speculative / mmap-lock, 48 threads, one mapping", "the same", 3.7, 3.7, True,
     lambda: rate("speculative", 48) / rate("mmap-lock", 48)),
    ("speculative / mmap-lock, 21 threads, one mapping", "A. Rasmussen 2022, 2 x 28 cores", 1.65, 1.65, False,
     lambda: rate("speculative", 21) / rate("mmap-lock", 21)),
    ("speculative / mmap-lock, 112 threads, one mapping", "the same", 2.36, 2.36, False,
     lambda: rate("speculative", 112) / rate("mmap-lock", 112)),
    ("vma-lock / mmap-lock, 4 threads, one mapping", "P. Agrawal 2023, 2 x 32 cores", 0.905, 0.905, False,
     lambda: rate("vma-lock", 4) / rate("mmap-lock", 4)),
    ("vma-lock / mmap-lock, 128 threads, one mapping", "the same", 1.219, 1.246, False,
     lambda: rate("vma-lock", 128) / rate("mmap-lock", 128)),
    ("vma-lock / mmap-lock, 128 threads, a mapping each", "the same", 2.57, 2.89, False,
     lambda: rate("vma-lock", 128, False) / rate("mmap-lock", 128, False)),
    ("range lock / rw_semaphore, 2 writers, a range each", "D. Bueso 2019, fio", 1.82, 1.82, False,
     lambda: writers("arena-tree", 2) / writers("arena-rwsem", 2)),
    ("range lock / rw_semaphore, 4 writers, a range each", "the same", 3.74, 3.74, False,
     lambda: writers("arena-tree", 4) / writers("arena-rwsem", 4)),
)


def direction(low, high):
    """Whether a ratio says more, less, or neither."""
    return "more" if low > 1.05 else "less" if high < 0.95 else "neither"


def compare():
    """One line for each figure."""
    lines = []
    for name, source, low, high, fitted, function in FIGURES:
        value = function()
        nearest = min(max(value, low), high)
        lines.append({"figure": name, "source": source, "published": [low, high], "simulated": value, "fitted": fitted,
                      "error": value / nearest - 1,
                      "same_direction": direction(value, value) == direction(low, high)})
    return lines
