# SPDX-License-Identifier: MIT
"""From which size on does a technique that maps beat the best one that copies?

At each size, the best copy is the copying contender with the smallest median time. Round by round, the technique's
median is divided by the best copy's of the same round. It beats at this size if the 95 % interval of these ratios lies
below 1, it loses if it lies above 1, and otherwise the size is unclear.

The crossover is the smallest size from which on it beats at all larger sizes measured. Its interval goes from the
largest size at which it loses to that size; the point estimate is where the median ratio, interpolated in logarithms of
size and ratio, passes 1 for the last time.
"""

from result_file import interval, median, present, size_text
from transfer_result import MIN_ROUNDS, combine, log_interpolate

WAKEUP = "wakeup"  # has no buffer


def copies(setting, chosen=None):
    """Contenders that copy: those chosen, or all that copied a byte."""
    return [name for name in setting.contenders()
            if (name in chosen if chosen else any(
                (setting.case(name, size) and setting.case(name, size).count("copied") or 0) > 0
                for size in setting.sizes()))]


def best_copy(setting, size, copying):
    cases = [setting.case(name, size) for name in copying]
    cases = [case for case in cases if case]
    return min(cases, key=lambda case: case.median()) if cases else None


def outcome(ratio_interval):
    if not ratio_interval:
        return "unclear"
    return "beats" if ratio_interval[1] < 1 else "loses" if ratio_interval[0] > 1 else "unclear"


def compare(setting, contender, copying):
    """One entry for each size at which both sides were measured."""
    entries = []
    for size in setting.sizes():
        case, best = setting.case(contender, size), best_copy(setting, size, copying)
        if not case or not best:
            continue
        ratios = present(combine(lambda a, b: a / b, case.rounds, best.rounds))
        if not ratios:
            continue
        ci95 = interval(ratios)
        entries.append({"size": size, "best_copy": best.contender, "n": len(ratios), "ratio": median(ratios),
                        "ci95": ci95, "outcome": outcome(ci95)})
    return entries


def stretches(entries):
    """'beats at 4K to 16K, loses at 64K' """
    parts = []
    for entry in entries:
        if parts and parts[-1][0] == entry["outcome"]:
            parts[-1][2] = entry["size"]
        else:
            parts.append([entry["outcome"], entry["size"], entry["size"]])
    words = {"beats": "beats at", "loses": "loses at", "unclear": "unclear at"}
    return ", ".join(f"{words[kind]} {size_text(first)}" + (f" to {size_text(last)}" if last != first else "")
                     for kind, first, last in parts)


def last_passing(entries):
    for before, after in reversed(list(zip(entries, entries[1:]))):
        if before["ratio"] >= 1 > after["ratio"]:
            return log_interpolate(before["size"], before["ratio"], after["size"], after["ratio"])
    return None


def verdict(entries):
    """(verdict, point estimate or None, interval, text). An open end of the interval is None."""
    if not entries:
        return "not-measured", None, [None, None], "not measured beside a copy"
    outcomes = [entry["outcome"] for entry in entries]
    sizes = [entry["size"] for entry in entries]
    beats = [i for i, kind in enumerate(outcomes) if kind == "beats"]
    loses = [i for i, kind in enumerate(outcomes) if kind == "loses"]
    first, last = size_text(sizes[0]), size_text(sizes[-1])
    lower = sizes[loses[-1]] if loses else None

    if max(entry["n"] for entry in entries) < MIN_ROUNDS:
        n = max(entry["n"] for entry in entries)
        return "undecided", None, [None, None], f"cannot tell: {n} rounds; an interval takes {MIN_ROUNDS}"
    if beats and loses and beats[0] < loses[-1]:
        return "not-monotonic", None, [None, None], f"not monotonic: {stretches(entries)}"
    if len(beats) == len(entries):
        return "always", None, [None, sizes[0]], f"always, from {first}, the smallest measured"
    if len(loses) == len(entries):
        return "never", None, [lower, None], f"never up to {last}"
    if outcomes[-1] != "beats":
        return "undecided", None, [lower, None], f"not decided up to {last}: {stretches(entries)}"
    start = len(entries)
    while outcomes[start - 1] == "beats":
        start -= 1
    point = last_passing(entries)
    upper = sizes[start]
    where = f"{size_text(lower)} to {size_text(upper)}" if loses else f"at most {size_text(upper)}"
    text = f"from about {size_text(point)} ({where})" if point else f"from {size_text(upper)} at the latest; unclear below"
    return "from", point, [lower, upper], text


def crossovers(result, chosen=None):
    """For each setting, the best copies and the verdict of each technique that does not copy."""
    tables = []
    for setting in result.settings:
        copying = copies(setting, chosen)
        best = {size: best_copy(setting, size, copying) for size in setting.sizes()}
        table = {"params": setting.params, "copies": copying, "techniques": [],
                 "best_copies": {size: case.contender for size, case in best.items() if case}}
        for contender in setting.contenders():
            everywhere = copies(setting)
            if contender in copying or contender in everywhere or contender == WAKEUP:
                continue
            entries = compare(setting, contender, copying)
            kind, point, where, text = verdict(entries)
            missing = [size for size in setting.sizes() if size not in [entry["size"] for entry in entries]]
            table["techniques"].append({
                "contender": contender, "floor": contender == result.floor, "verdict": kind, "point_bytes": point,
                "interval_bytes": where, "text": text, "sizes": entries, "sizes_missing": missing})
        tables.append(table)
    return tables
