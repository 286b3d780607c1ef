#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/simulate: the locks in tiny cases whose outcome is known to the nanosecond, and the program on made-up results.

usage: test-simulate.py
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(FOLDER, "simulate")
sys.path.insert(0, os.path.join(FOLDER, "lib"))

import lock_published  # noqa: E402
from lock_engine import BLOCK, SLICE_NS, Engine, Line  # noqa: E402
from lock_kinds import ListLock, Pending, TreeLock
from lock_rwsem import TICK_NS, Prices, RwSem  # noqa: E402
from lock_spaces import SCHEMES, Costs, Plan, simulate  # noqa: E402

FREE = Prices(line_ns=0, wakeup_ns=0)
KINDS = [(scheme, pending) for scheme in SCHEMES
         for pending in (("none", "list", "hash", "cpu") if scheme.startswith("arena") else ("none",))]


class Lab:
    """Threads that use one lock, and when they are through."""

    def __init__(self, kind, n_cpus=8, prices=FREE):
        self.engine = Engine(n_cpus)
        self.lock = kind(self.engine, prices) if kind is RwSem else kind(self.engine, prices, 0)
        self.threads = []

    def sem(self, start, length, writes):
        def act(thread):
            yield start
            yield from (self.lock.write if writes else self.lock.read)(thread)
            yield length
            yield from (self.lock.unlock_write if writes else self.lock.unlock_read)(thread)
        self.threads.append(self.engine.spawn(act, len(self.threads)))

    def range(self, start, length, first, last, shared=False):
        def act(thread):
            yield start
            held = yield from self.lock.lock(thread, first, last, shared)
            yield length
            yield from self.lock.unlock(thread, held)
        self.threads.append(self.engine.spawn(act, len(self.threads)))

    def ends(self):
        self.engine.play()
        return [thread.ended for thread in self.threads]


class Ends(unittest.TestCase):
    def test_cpus(self):
        """One CPU: one after the other, in slices. Two: at once."""
        def act(_thread):
            yield SLICE_NS + 100
        for n_cpus, expected in ((2, [SLICE_NS + 100] * 2), (1, [2 * SLICE_NS + 100, 2 * SLICE_NS + 200])):
            engine = Engine(n_cpus)
            threads = [engine.spawn(act, i) for i in range(2)]
            engine.play()
            self.assertEqual([thread.ended for thread in threads], expected)

    def test_deadlock_is_told(self):
        def act(_thread):
            yield BLOCK
        engine = Engine(1)
        engine.spawn(act, 0)
        self.assertRaisesRegex(RuntimeError, "1 threads wait for ever", engine.play)

    def test_line(self):
        """Free for who had it last; 10 ns for others, one after the other."""
        engine = Engine(2)
        line, seen = Line(engine, 10), []

        def act(thread):
            for _ in range(2):
                delay = line.delay(thread)
                seen.append(delay)
                yield delay
        for i in range(2):
            engine.spawn(act, i)
        engine.play()
        self.assertEqual(seen, [0, 10, 20, 20])

    def test_disjoint_writers(self):
        """They overlap completely under range locks, and take turns under a rw_semaphore."""
        for kind in (TreeLock, ListLock):
            lab = Lab(kind)
            lab.range(0, 100, 0, 9)
            lab.range(0, 100, 10, 19)
            self.assertEqual(lab.ends(), [100, 100])
            self.assertEqual(lab.lock.waits.n_waits, 0)
        lab = Lab(RwSem)
        lab.sem(0, 100, True)
        lab.sem(0, 100, True)
        self.assertEqual(lab.ends(), [100, 200])
        self.assertEqual((lab.lock.waits.n_waits, lab.lock.waits.wait_ns), (1, 100))

    def test_overlapping_writers(self):
        for kind in (TreeLock, ListLock):
            lab = Lab(kind, prices=Prices(0, 7))
            lab.range(0, 100, 0, 9)
            lab.range(10, 100, 9, 19)
            self.assertEqual(lab.ends(), [100, 207])
            self.assertEqual((lab.lock.waits.n_waits, lab.lock.waits.wait_ns), (1, 97))

    def test_readers_share(self):
        lab = Lab(RwSem)
        lab.sem(0, 100, False)
        lab.sem(50, 100, False)
        self.assertEqual(lab.ends(), [100, 150])
        for kind in (TreeLock, ListLock):
            lab = Lab(kind)
            lab.range(0, 100, 0, 9, shared=True)
            lab.range(50, 100, 5, 9, shared=True)
            self.assertEqual(lab.ends(), [100, 150])

    def test_reader_behind_waiting_writer(self):
        """rw_semaphore and tree: in order of arrival. List: the reader passes the writer that waits.

        A rw_semaphore's writer is passed as long as it spins, 10.5 us for one reader.
        """
        for reader, ends in ((20_000, [100_000, 220_000, 120_000]), (21_000, [100_000, 200_000, 300_000])):
            lab = Lab(RwSem)
            lab.sem(0, 100_000, False)
            lab.sem(10_000, 100_000, True)
            lab.sem(reader, 100_000, False)
            self.assertEqual(lab.ends(), ends)
        for kind, expected in ((TreeLock, [100, 200, 300]), (ListLock, [100, 220, 120])):
            lab = Lab(kind)
            lab.range(0, 100, 0, 9, shared=True)
            lab.range(10, 100, 0, 9)
            lab.range(20, 100, 0, 9, shared=True)
            self.assertEqual(lab.ends(), expected)

    def test_all_readers_are_woken(self):
        """Two readers that wait for a writer run together."""
        lab = Lab(RwSem, prices=Prices(0, 5))
        lab.sem(0, 100, True)
        lab.sem(10, 100, False)
        lab.sem(20, 100, False)
        self.assertEqual(lab.ends(), [100, 205, 205])

    def test_writer_spins(self):
        """A spinning writer gets the lock before those who were there before it, and pays no waking."""
        lab = Lab(RwSem, prices=Prices(0, 1000))
        lab.sem(0, 50_000, True)
        lab.sem(10, 100, False)
        lab.sem(20, 100, True)
        self.assertEqual(lab.ends(), [50_000, 51_200, 50_100])

    def test_waking_costs_the_waker(self):
        """Once for a sleeper, not for one that is on its way already, nor for one that spins."""
        lab = Lab(RwSem, prices=Prices(0, 1000, waker_ns=7))
        lab.sem(0, 20_000, False)
        lab.sem(10, 100, True)  # spins for 10.5 us, then sleeps
        lab.sem(20_900, 50, False)  # a thief, before that one is awake
        self.assertEqual(lab.ends(), [20_007, 21_100, 20_950])
        self.assertEqual(lab.lock.waits.n_waits, 1)

    def test_preempted_owner(self):
        """Who spins goes to sleep when the owner loses its CPU, and is woken when it has unlocked."""
        lab = Lab(RwSem, n_cpus=2, prices=Prices(0, 1000))
        lab.sem(0, SLICE_NS + 100, True)
        lab.sem(10, 100, True)

        def other(_thread):
            yield SLICE_NS
        lab.engine.spawn(other, 0)
        ends = lab.ends()
        self.assertEqual(ends[1], 2 * SLICE_NS + 100 + 1000 + 100)
        self.assertEqual(lab.threads[1].cpu.n_turns, 2 + 2)  # spinning, idle, unlocking, idle

    def test_guest_cpus(self):
        """Two threads of a guest on one CPU: who spins does not know that the owner has lost it, and wastes its slice."""
        engine = Engine(2, 1)
        lock = RwSem(engine, FREE)

        def act(thread):
            yield from lock.write(thread)
            yield SLICE_NS + 100
            yield from lock.unlock_write(thread)
        threads = [engine.spawn(act, i) for i in range(2)]
        engine.play()
        # One runs for a slice, the other spins for one; then the lock is free and its owner's slice is not over.
        self.assertEqual([thread.ended for thread in threads], [2 * SLICE_NS + 100, 3 * SLICE_NS + 200])

    def test_handed_over_after_two_ticks(self):
        """A reader that takes the lock again before who waits is awake would keep a writer out; it gets it all the same."""
        lab = Lab(RwSem, prices=Prices(0, 1000))

        def reader(thread):
            for _ in range(200):
                yield from lab.lock.read(thread)
                yield 100_000
                yield from lab.lock.unlock_read(thread)
        lab.engine.spawn(reader, 5)
        lab.sem(10, 100, True)
        end = lab.ends()[0]
        self.assertGreater(end, 2 * TICK_NS)
        self.assertLess(end, 2 * TICK_NS + 400_000)

    def test_handed_over_to_readers(self):
        """The same with writers that spin for each other."""
        lab = Lab(RwSem, prices=Prices(0, 1000))

        def writer(thread):
            for _ in range(200):
                yield from lab.lock.write(thread)
                yield 100_000
                yield from lab.lock.unlock_write(thread)
        for cpu in (5, 6):
            lab.engine.spawn(writer, cpu)
        lab.sem(10, 100, False)
        end = lab.ends()[0]
        self.assertGreater(end, 2 * TICK_NS)
        self.assertLess(end, 2 * TICK_NS + 400_000)


class Spaces(unittest.TestCase):
    def test_alone_is_as_measured(self):
        for scheme, pending in KINDS:
            for writes, expected in ((0, 2000), (100, 5000), (50, 3500)):
                found = simulate(scheme, Plan(1, writes, n_ops=10), Costs(2000, 5000), pending=pending)
                self.assertAlmostEqual(found.time_ns, expected, places=6, msg=f"{scheme} {pending} {writes}")
                self.assertEqual(found.lock_waits, 0)
            found = simulate(scheme, Plan(1, n_ops=1000), Costs(2000, 5000), Prices(jitter=0.5), pending)
            self.assertAlmostEqual(found.time_ns, 2000, delta=40, msg=f"{scheme} {pending}")

    def test_two_mappers(self):
        """All of an operation under the lock, nothing else costs: range locks double the throughput, rwsem adds nothing."""
        for scheme, expected in (("arena-tree", 500), ("arena-list", 500), ("arena-rwsem", 1000), ("mmap-lock", 1000)):
            found = simulate(scheme, Plan(2, 100, n_ops=50), Costs(1000, 1000, inside=1), FREE)
            self.assertAlmostEqual(found.time_ns / expected, 1, delta=0.1, msg=scheme)

    def test_faults_beside_a_mapper(self):
        """Who does not take the mapper's lock is not slowed down by it."""
        for scheme, waits in (("vma-lock", False), ("speculative", False), ("arena-tree", False), ("mmap-lock", True),
                              ("arena-rwsem", True)):
            alone = simulate(scheme, Plan(1, n_ops=50), Costs(1000, 4000, inside=1), FREE)
            found = simulate(scheme, Plan(1, n_mappers=1, n_ops=50), Costs(1000, 4000, inside=1), FREE)
            if waits:
                self.assertGreater(found.time_ns, 2 * alone.time_ns, scheme)
            else:
                self.assertAlmostEqual(found.time_ns / alone.time_ns, 1, delta=0.05, msg=scheme)

    def test_counts(self):
        found = simulate("arena-split", Plan(4, 25, n_ops=20), Costs(1000, 4000), pending="cpu")
        self.assertEqual((found.n_faults, found.n_writes, found.n_mapped), (60, 20, 0))
        # A fault: the short lock. Two commands: a range and the short lock each; each searches the slots of all CPUs.
        self.assertAlmostEqual(found.locks, (60 + 20 * 4) / 80)
        self.assertEqual(found.pending_searched, 20 * 2 * 4)
        for kind, lists in (("list", 1), ("hash", 16)):
            found = simulate("arena-tree", Plan(2, 50, n_ops=10), Costs(1000, 4000), pending=kind)
            self.assertEqual(found.pending_searched, 10 * 2 * lists)

    def test_line_bounds_faults(self):
        """One mapping, two transfers of 100 ns for each fault: 5 million a second, however many CPUs."""
        found = simulate("vma-lock", Plan(64, n_ops=100), Costs(1000, 4000), Prices(line_ns=100))
        self.assertAlmostEqual(found.fault_rate / 5e6, 1, delta=0.05)
        each = simulate("vma-lock", Plan(64, shared=False, n_ops=100), Costs(1000, 4000), Prices(line_ns=100))
        self.assertAlmostEqual(each.fault_rate / 64e6, 1, delta=0.01)

    def test_repeats(self):
        runs = [simulate("arena-rwsem", Plan(8, 10, 1, n_ops=50), Costs(1000, 4000)).elapsed_ns for _ in range(2)]
        self.assertEqual(*runs)

    def test_directions(self):
        self.assertEqual([lock_published.direction(*pair) for pair in ((1.2, 1.3), (0.9, 0.9), (0.99, 1.3), (1, 1))],
                         ["more", "less", "neither", "neither"])

    def test_ranges_of_others_are_fetched(self):
        """Two ranges are held for 1000 ns; a third costs 10 ns for each line of other CPUs that is passed, and 1 for each node."""
        for kind, expected in ((TreeLock, 10 + 1 + 2 * 10), (ListLock, 10 + 2 * (1 + 10))):
            engine = Engine(3)
            lock, took = kind(engine, Prices(10, 0), 1), []

            def act(thread, lock=lock, took=took, engine=engine):
                yield 100 * thread.home
                since = engine.now
                held = yield from lock.lock(thread, 16 * thread.home, 16 * thread.home + 15, False)
                took.append(engine.now - since)
                yield 1000
                yield from lock.unlock(thread, held)
            for i in range(3):
                engine.spawn(act, i)
            engine.play()
            self.assertEqual(took[2], expected, kind)
            self.assertEqual(lock.ranges, [])

    def test_registering(self):
        """10 ns for each line of another CPU, 1 for each node. On one list, the neighbour's node is such a line as well."""
        for kind, begin, search in (("list", [1, 10 + 1 + 10, 1 + 10], 10 + 4 * 1 + 3 * 10), ("cpu", [0, 0, 0], 2 * 10)):
            engine = Engine(3)
            pending, took = Pending(engine, Prices(10, 0), kind, 2, 1), []

            def act(generator, thread, engine=engine, took=took):
                since = engine.now
                yield from generator
                took.append(engine.now - since)

            def faults(thread, pending=pending, act=act):
                yield 100 * thread.home
                yield from act(pending.begin(thread, 1), thread)
                if thread.home:
                    yield from act(pending.begin(thread, 2), thread)

            def command(thread, pending=pending, act=act):
                yield 300
                yield from act(pending.search(thread, 0, 15), thread)
            for i, function in enumerate((faults, faults, command)):
                engine.spawn(function, i)
            engine.play()
            self.assertEqual(took, [*begin, search], kind)

    def test_pending_kinds(self):
        engine = Engine(2)
        self.assertEqual([len(Pending(engine, FREE, kind, 2, 0).lines) for kind in ("none", "list", "hash", "cpu")],
                         [0, 1, 64, 2])


def case(contender, time_ns, threads=1, writes=0, mappers=0, pending="none", **params):
    return {"scenario": "faultmix", "contender": contender, "status": "ok", "reason": None,
            "params": {"threads": threads, "layout": "shared", "writes": writes, "mappers": mappers, "holder": "none",
                       "access": "user", "aborts": 0, "pending": pending, "ops": 100, "period": 500, **params},
            "metrics": [{"name": "time", "unit": "ns", "rounds": [[time_ns * wobble] for wobble in (1, 1.1, 0.9)]}]}


def result(cases, release="6.1.0-test"):
    return {"schema": {"name": "mmlab-result", "version": 1},
            "run": {"id": "20260131T120000Z-0badcafe", "complete": True, "rounds": 3},
            "machine": {"execution": "tcg", "emulated": True, "kernel": {"release": release},
                        "topology": {"usable_threads": 2}}, "cases": cases}


def run(raw, *options, status=0):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(raw if isinstance(raw, str) else json.dumps(raw))
        done = subprocess.run([PROGRAM, *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=60)
    if done.returncode != status:
        raise AssertionError(f"status {done.returncode}: {done.stderr}")
    return done.stdout if not status else done.stderr


ALONE = [case("stock", 1000), case("stock", 4000, writes=100)]


class Program(unittest.TestCase):
    def test_validation(self):
        """Two threads that only map: 2000 ns each on two CPUs is 1000 for an operation, and the lock takes most of it."""
        found = json.loads(run(result(ALONE + [case("stock", 4000, threads=2, writes=100)]), "--json", "--inside", "100",
                               "--line-ns", "0", "--threads", "1,2", "--writes", "100"))
        self.assertEqual(found["what"], "SIMULATION")
        (line,) = found["validation"]
        self.assertAlmostEqual(line["error"], 0, delta=0.02)
        self.assertEqual([point["threads"] for point in found["curves"][0]["points"]], [1, 2])
        self.assertAlmostEqual(found["curves"][0]["points"][0]["time_ns"], 4000)

    def test_guest(self):
        """Two threads on two CPUs of a guest whose machine has one take twice as long; three are more than can be simulated."""
        cases = ALONE + [case("stock", 1000, threads=2), case("stock", 1000, threads=3)]
        options = ("--json", "--line-ns", "0", "--jitter", "0", "--threads", "1")
        (line,) = json.loads(run(result(cases), *options, "--real-cpus", "1"))["validation"]
        self.assertAlmostEqual(line["simulated_ns"], 1000, delta=20)
        lines = json.loads(run(result(cases), *options))["validation"]
        self.assertAlmostEqual(lines[0]["simulated_ns"], 500, delta=10)
        self.assertEqual(len(lines), 2)

    def test_kernels(self):
        schemes = [json.loads(run(result(ALONE, release), "--json", "--threads", "1"))["curves"][0]["scheme"]
                   for release in ("6.1.0-56-cloud-amd64", "6.4.0", "6.12.9")]
        self.assertEqual(schemes, ["mmap-lock", "vma-lock", "vma-lock"])

    def test_marked(self):
        text = run(result(ALONE + [case("speculative", 900)]), "--threads", "1,2")
        for words in ("SIMULATION", "EMULATED", "assumed: cache line 60 ns", "Nothing was measured",
                      "not simulated: speculative: needs threads=1, mappers=0 with writes=100"):
            self.assertIn(words, text)

    def test_disturbed_cases_are_left_out(self):
        self.assertIn("without a holder", run(result([case("stock", 1, holder="fork")]), status=1))
        found = json.loads(run(result(ALONE + [case("stock", 9, threads=2, aborts=50)]), "--json", "--threads", "1"))
        self.assertEqual(found["validation"], [])

    def test_unusable(self):
        self.assertIn("not JSON", run("{", status=1))
        self.assertIn("no cases of the scenario faultmix", run(result([]), status=1))
        self.assertIn("no contender was measured alone", run(result([case("stock", 1, threads=2)]), status=1))
        for options in (("--threads", "0"), ("--writes", "101"), ("--published",)):
            run(result(ALONE), *options, status=2)

    def test_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "p.svg")
            run(result(ALONE + [case("speculative", 900), case("speculative", 4000, writes=100)]), "--threads", "1,4",
                "--svg", path)
            root = xml.etree.ElementTree.parse(path).getroot()
        self.assertEqual(sum(element.tag.endswith("polyline") for element in root.iter()), 2)
        self.assertTrue(any("SIMULATION" in (element.text or "") for element in root.iter()))


if __name__ == "__main__":
    unittest.main()
