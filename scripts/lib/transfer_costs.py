# SPDX-License-Identifier: MIT
"""Where the time of a transfer goes, by subtracting contenders from each other and by exact counts times prices.

All arithmetic is done within each round, on times of the same round. A component is the median over rounds of its share
of the contender's time, with its 95 % interval, so that what slows a whole round cancels. The residual is 1 minus the
shares of all components, so that each line adds up; its interval is that of the residuals of the rounds, widened to hold
the residual itself, as medians do not add up. Amounts in ns are shares of the measured median.
"""

from transfer_crossover import WAKEUP
from result_file import interval, median, present
from transfer_result import combine

COMPONENTS = ("wake-up", "touching", "copying", "faults", "page tables", "file", "flush", "cache")
MEANING = {
    "wake-up": "telling each other",
    "touching": "the producer's writing and the consumer's reading",
    "copying": "moving bytes",
    "faults": "page faults of both sides",
    "page tables": "building, changing and removing mappings and their entries, with the calls for it",
    "file": "creating, allocating, clearing, sealing, sending and freeing a new file",
    "flush": "TLB flushes",
    "cache": "writing cache lines back",
}
EVENT = "tlb:tlb_flush"
NOFLUSH = "lock-noflush"
PLAIN = "lock-both"  # the same as lock-noflush, but for a range flush on either side
FLUSH_VARIANTS = (PLAIN, "lock-cpumask", "lock-all")
ZERO = 1e-9


class Missing(Exception):
    """A component cannot be derived: the message is the reason."""


def huge_suffix(name):
    return next((suffix for suffix in ("-thp", "-hugetlb") if name.endswith(suffix)), "")


class Costs:
    """Components of all contenders at one point."""

    def __init__(self, setting, size, floor):
        self.setting, self.size, self.floor = setting, size, floor
        self.readers = setting.params.get("readers", 1)

    def case(self, name):
        case = self.setting.case(name, self.size)
        if not case:
            raise Missing(f"{name} was not measured at this point")
        return case

    def minus(self, name, other):
        return combine(lambda a, b: a - b, self.case(name).rounds, self.case(other).rounds)

    def n_faults(self, name):
        case = self.case(name)
        counts = case.count("faults"), case.count("consumer-faults")
        if None in counts:
            raise Missing("its page faults were not counted")
        return counts[0] + counts[1] * self.readers

    def fault_price(self):
        """Series of the price of one fault, and how it was found."""
        for pair in ("memfd-cached", "memfd-fresh"):
            lazy, filled = pair, f"{pair}-populate"
            if not self.setting.case(lazy, self.size) or not self.setting.case(filled, self.size):
                continue
            n = self.n_faults(lazy) - self.n_faults(filled)
            if n > 0:
                return [value / n if value is not None else None for value in self.minus(lazy, filled)], \
                    f"({lazy} - {filled}) / (their difference in faults)"
        raise Missing("no pair of a lazy and a populated memfd with different numbers of faults was measured")

    def flush_price(self):
        n = self.case(PLAIN).count("flushes")
        if not n:
            raise Missing(f"the flushes of {PLAIN} were not counted")
        return [value / n if value is not None else None for value in self.minus(PLAIN, NOFLUSH)], \
            f"({PLAIN} - {NOFLUSH}) / flushes of {PLAIN}"

    # Each of the following returns (series, how), or raises Missing.

    def wake_up(self, name):
        series = self.case(WAKEUP).rounds
        if (self.case(name).count("copied") or 0) > 0 and name != "copy":
            return series, f"{WAKEUP}, assumed to be the same although the consumer may wait for the data itself"
        return series, WAKEUP

    def touching(self, name):
        if name == WAKEUP:
            raise Missing("has no buffer")
        base = self.floor + huge_suffix(name)
        return self.minus(base, WAKEUP), f"{base} - {WAKEUP}"

    def copying(self, name):
        copied = self.case(name).count("copied")
        if copied is None:
            raise Missing("copied bytes were not counted")
        if not copied:
            return [0.0] * len(self.case(name).rounds), "exact count: no byte is copied"
        if name == "copy":
            return self.minus("copy", self.floor), f"copy - {self.floor}"
        once = self.case("copy").count("copied")
        if not once:
            raise Missing("the bytes of copy were not counted")
        series = [value * copied / once if value is not None else None for value in self.minus("copy", self.floor)]
        return series, f"bytes copied x price of a byte, (copy - {self.floor}) / bytes of copy"

    def faults(self, name):
        n = self.n_faults(name)
        if not n:
            return [0.0] * len(self.case(name).rounds), "exact count: no page fault"
        if huge_suffix(name):
            raise Missing("faults on huge pages have another price")
        price, how = self.fault_price()
        return [value * n if value is not None else None for value in price], f"exact count x price of a fault, {how}"

    def table_work(self, name):
        if name.startswith("lock-"):
            return self.minus(NOFLUSH, self.floor), f"{NOFLUSH} - {self.floor}: LOCK and UNLOCK without their flush" + \
                (", assumed to be the same although the consumer's entry stays" if name == "lock-writer" else "")
        if name == WAKEUP:
            raise Missing("has no buffer")
        if name == "copy" or name.removesuffix(huge_suffix(name)) == self.floor or self.case(name).count("copied"):
            raise Missing("changes no mapping")
        if not name.startswith("memfd-") or huge_suffix(name):
            raise Missing("no contender isolates it: it is in the residual")
        base = "memfd-cached-populate"
        price, _ = self.fault_price()
        n = self.n_faults(base)
        series = combine(lambda t, p: t - p * n, self.minus(base, self.floor), price)
        return series, f"{base} - {self.floor} - its faults; flushes of unmapping are in it"

    def file_work(self, name):
        if not name.startswith(("memfd-fresh", "memfd-unsealed")) or huge_suffix(name):
            raise Missing("makes no new file" if not huge_suffix(name) or not name.startswith("memfd-")
                          else "no populated variant with huge pages: it is in the residual")
        fresh, kept = "memfd-fresh-populate", "memfd-cached-populate"
        price, _ = self.fault_price()
        n = self.n_faults(fresh) - self.n_faults(kept)
        series = combine(lambda t, p: t - p * n, self.minus(fresh, kept), price)
        return series, f"{fresh} - {kept} - their difference in faults x price" + \
            (", so with the seals that this one has not" if name == "memfd-unsealed" else "")

    def flush(self, name):
        case = self.case(name)
        if name == NOFLUSH:
            if case.count("flushes") != 0:
                raise Missing("its flushes were not counted")
            return [0.0] * len(case.rounds), "exact count: the module flushed nothing"
        if name in FLUSH_VARIANTS:
            return self.minus(name, NOFLUSH), f"this one - {NOFLUSH}"
        if name.removesuffix(huge_suffix(name)) == self.floor or name == WAKEUP or case.count("copied"):
            raise Missing("changes no mapping")
        n, how = case.count("flushes"), "flushes counted by the module"
        if n is None:
            n, how = case.event(EVENT), f"events {EVENT} beyond those of {self.floor}"
            other = self.case(self.floor).event(EVENT)
            if n is None or other is None:
                raise Missing(f"its flushes were not counted (no exact {EVENT}): in page tables or the residual")
            if name.startswith("memfd-"):
                raise Missing("in page tables")
            n = max(0, n - other)
        price, price_how = self.flush_price()
        return [value * n if value is not None else None for value in price], f"{how} x price, {price_how}"

    def cache(self, name):
        if name != "lock-cacheflush":
            raise Missing("writes nothing back")
        return self.minus(name, PLAIN), f"{name} - {PLAIN}"

    DERIVE = {"wake-up": wake_up, "touching": touching, "copying": copying, "faults": faults,
              "page tables": table_work, "file": file_work, "flush": flush, "cache": cache}

    def breakdown(self, name):
        case = self.case(name)
        total = median(present(case.rounds))
        components, left = {}, [1.0 if value is not None else None for value in case.rounds]
        share_left = 1.0
        for component in COMPONENTS:
            try:
                series, how = self.DERIVE[component](self, name)
                shares = combine(lambda part, whole: part / whole, series, case.rounds)
                if not present(shares):
                    raise Missing("never measured in the same round")
            except Missing as reason:
                components[component] = {"share": None, "ci95": None, "value_ns": None, "how": None,
                                         "reason": str(reason)}
                continue
            share = median(present(shares))
            components[component] = {"share": share, "ci95": interval(present(shares)), "value_ns": share * total,
                                     "how": how, "reason": None}
            left = combine(lambda a, b: a - b, left, shares)
            share_left -= share
        rounds = present(left)
        ci95 = interval(rounds)
        if ci95:
            ci95 = [min(ci95[0], share_left), max(ci95[1], share_left)]
        by_construction = bool(rounds) and all(abs(value) <= ZERO for value in rounds)
        return {"contender": name, "size": self.size, "measured_ns": total, "n": len(present(case.rounds)),
                "measured_ci95_ns": interval(present(case.rounds)), "components": components,
                "residual": {"share": share_left, "ci95": ci95, "value_ns": share_left * total,
                             "by_construction": by_construction}}


def costs(result):
    """For each setting, the breakdown of each measured case."""
    tables = []
    for setting in result.settings:
        lines = [Costs(setting, size, result.floor).breakdown(name) for size in setting.sizes()
                 for name in setting.contenders() if setting.case(name, size)]
        tables.append({"params": setting.params, "lines": lines})
    return tables
