# SPDX-License-Identifier: MIT
"""The answer to a scenario's question, in sentences made of the figures of a run."""

import transfer_crossover
import transfer_result
from amounts import amount, factor, interval, point, setting, words
from pictures import DERIVED, settings

def quoted(name):
    return f"“{name}”"


def few_rounds(run):
    return "" if run.rounds >= 6 else f" With {run.rounds} rounds there are no intervals: take more rounds before concluding."


def technique_names(table, verdict):
    return [entry["contender"] for entry in table["techniques"] if entry["verdict"] == verdict and not entry["floor"]]


def best_technique(table):
    """Of techniques that are no floor, the one with the least ratio at the largest size: (size, entry, name)."""
    found = [(entry["sizes"][-1]["size"], -entry["sizes"][-1]["ratio"], entry) for entry in table["techniques"]
             if entry["sizes"] and not entry["floor"]]
    if not found:
        return None
    size, _, entry = max(found, key=lambda item: item[:2])
    return size, entry["sizes"][-1], entry["contender"]


def ipc(run):
    for table in transfer_crossover.crossovers(transfer_result.Result(run.raw)):
        if not table["best_copies"] or not any(entry["sizes"] for entry in table["techniques"]):
            yield table["params"], ["no contender that copies was measured beside one that maps, so there is no crossover to tell"]
            continue
        parts = []
        starts = sorted((entry for entry in table["techniques"] if entry["verdict"] == "from" and not entry["floor"]),
                        key=lambda entry: entry["point_bytes"] or entry["interval_bytes"][1])
        if starts:
            parts.append("mapping overtakes the best copy with " +
                         words([f"{quoted(entry['contender'])} {entry['text']}" for entry in starts]))
        for verdict, said in (("always", "always cheaper than the best copy: "),
                              ("never", "never cheaper up to the largest size: ")):
            names = technique_names(table, verdict)
            if names:
                parts.append(said + words([quoted(name) for name in names], 8))
        unclear = technique_names(table, "undecided") + technique_names(table, "not-monotonic")
        if unclear:
            parts.append("undecided: " + words([quoted(name) for name in unclear], 8))
        best = best_technique(table)
        if best:
            size, entry, name = best
            parts.append(f"at {point('size', size)} the best that maps, {quoted(name)}, takes {factor(entry['ratio'])}"
                         f"{interval(entry['ci95'])} the time of the best copy, {quoted(entry['best_copy'])}")
        yield table["params"], parts


def fanout(run):
    for params, cases in settings(run.of("fanout"), "procs"):
        measured = {}
        for case in cases:
            if case.metric("tables-system") and not isinstance(case.params.get("procs", ""), str):
                measured.setdefault(case.params["procs"], []).append(case.contender)
        if not measured:
            continue
        numbers = sorted(measured)
        n = max(numbers, key=lambda number: (len(measured[number]) > 1, number))
        found = sorted(((case.metric("tables-system").median, case.contender) for case in cases
                        if case.params.get("procs") == n and case.metric("tables-system")), key=lambda item: item[0])
        (least, best), (most, worst) = found[0], found[-1]
        said = [f"with {n:g} processes, page tables take {amount(most, 'bytes')} with {quoted(worst)}"]
        if len(found) > 1:
            said[0] += f" and {amount(least, 'bytes')} with {quoted(best)}"
            if least > 0:
                said[0] += f", {factor(most / least)} less"
        if len(numbers) > 1:
            grown = []
            for name in dict.fromkeys((worst, best)):
                at = {case.params["procs"]: case.metric("tables-system").median for case in cases
                      if case.contender == name and case.metric("tables-system")}
                if len(at) > 1:
                    (n1, a), (n2, b) = sorted(at.items())[-2:]
                    grown.append(f"{amount((b - a) / (n2 - n1), 'bytes')} with {quoted(name)}")
            if grown:
                said.append(f"each further process adds {words(grown)}")
        about = run.scenarios["fanout"]
        said += against_baseline(run, cases, "procs", about["baseline"], about["floor"])[-3:] if about["baseline"] else []
        yield params, said


def refpage(run):
    """What the other scenarios get, and what memory it takes where least is touched."""
    for params, said in usual(run, "refpage"):
        cases = [case for case in run.of("refpage") if case.metric("physical") and
                 {axis: value for axis, value in case.params.items() if axis != "touch"} == params]
        first = min((case.params["touch"] for case in cases), default=None)
        found = {}
        for case in cases:
            if case.params["touch"] == first:
                found.setdefault(case.metric("physical").median, []).append(quoted(case.contender))
        if len(found) > 1:
            said = said + [f"at touch={point('touch', first)} physical memory is " + words(
                [f"{amount(value, 'bytes')} with {words(names)}" for value, names in sorted(found.items())])]
        yield params, said


def against_baseline(run, cases, columns, baseline, floor):
    """At the first and last point of an axis: what is cheapest, and who stays below the baseline how far."""
    points = sorted({case.params[columns] for case in cases if columns in case.params and case.metric("time")},
                    key=lambda value: (isinstance(value, str), value)) if columns else [None]
    parts = []
    for value in dict.fromkeys(points[:1] + points[-1:]):
        rated = [(run.ratio(case, "time"), case.contender) for case in cases
                 if (value is None or case.params.get(columns) == value) and case.contender not in (baseline, floor)]
        rated = [(ratio, name) for ratio, name in rated if ratio]
        if not rated:
            continue
        (ratio, ends), name = min(rated, key=lambda item: item[0][0])
        (ratio_most, ends_most), dearest = max(rated, key=lambda item: item[0][0])
        at = f"at {columns}={point(columns, value)} " if value is not None else ""
        said = f"{at}the cheapest, {quoted(name)}, costs {factor(ratio)}{interval(ends)} what {quoted(baseline)} costs"
        if dearest != name:
            said += f", the dearest, {quoted(dearest)}, {factor(ratio_most)}{interval(ends_most)}"
        parts.append(said)
    if len(points) > 1:
        parts += below(run, cases, columns, points, baseline, floor)
    return parts


def below(run, cases, columns, points, baseline, floor):
    """Contenders that cost less than the baseline, with certainty, at all points, or at the first ones but not at all."""
    always, found = [], []
    for name in dict.fromkeys(case.contender for case in cases):
        if name in (baseline, floor):
            continue
        ratios = {case.params.get(columns): run.ratio(case, "time") for case in cases if case.contender == name}
        sure = [bool(ratios.get(value) and ratios[value][1] and ratios[value][1][1] < 1) for value in points]
        if all(sure):
            always.append(quoted(name))
        elif sure[0] and sorted(sure, reverse=True) == sure and all(ratios.get(value) for value in points):
            found.append(f"{quoted(name)} up to {columns}={point(columns, points[sum(sure) - 1])}")
    less = f"cheaper than {quoted(baseline)} with certainty"
    return ([f"{less} at every {columns}: {words(always, 8)}"] if always else []) + \
        ([f"{less} only for small {columns}: {words(found, 8)}"] if found else [])


def plain(cases, columns, floor):
    """Without a baseline: what is cheapest and dearest at the first point, and what grows most along the axis."""
    first = min((case.params[columns] for case in cases if columns in case.params), default=None,
                key=lambda value: (isinstance(value, str), value)) if columns else None
    times = sorted((case.metric("time").median, case.contender) for case in cases if case.metric("time") and
                   case.contender not in (floor, "null") and (first is None or case.params.get(columns) == first))
    if not times:
        return []
    at = f"at {columns}={point(columns, first)} " if first is not None else ""
    if len(times) == 1:
        return [f"{at}{quoted(times[0][1])} takes {amount(times[0][0], 'ns')}"]
    said = [f"{at}the cheapest, {quoted(times[0][1])}, takes {amount(times[0][0], 'ns')} and the dearest, "
            f"{quoted(times[-1][1])}, {amount(times[-1][0], 'ns')}"]
    growth = []
    for name in {case.contender for case in cases} - {floor, "null"} if first is not None else ():
        at = sorted((case.params[columns], case.metric("time").median) for case in cases if case.contender == name and
                    case.metric("time") and not isinstance(case.params.get(columns, ""), str))
        if len(at) > 1 and at[0][1] > 0:
            growth.append((at[-1][1] / at[0][1], name, at[-1][0]))
    if growth:
        ratio, name, last = max(growth)
        said.append(f"to {columns}={point(columns, last)} {quoted(name)} changes most, to {factor(ratio)} that")
    return said


def usual(run, scenario):
    about = run.scenarios[scenario]
    for params, cases in settings(run.of(scenario), about["columns"]):
        said = against_baseline(run, cases, about["columns"], about["baseline"], about["floor"]) if about["baseline"] else []
        said = said or plain(cases, about["columns"], about["floor"])
        if said:
            yield params, said


SPECIAL = {"ipc": ipc, "fanout": fanout, "refpage": refpage}


def answers(run, scenario):
    """[(setting, [sentence])], and remarks on how far to trust them."""
    found = []
    try:
        found = list(SPECIAL[scenario](run)) if scenario in SPECIAL else []
    except DERIVED:
        pass  # the general sentences remain
    found = found or list(usual(run, scenario))
    said = [(setting(params), [text[:1].upper() + text[1:] + "." for text in texts]) for params, texts in found if texts]
    measured = [case.metric("time") for case in run.of(scenario) if case.metric("time")]
    unstable = sum(metric.unstable for metric in measured)
    remarks = few_rounds(run).strip()
    if measured and unstable / len(measured) > 0.2:
        remarks += f" {unstable} of {len(measured)} times are unstable: the machine was noisy."
    return said, remarks.strip()


def reasons(run, scenario):
    """What was not measured: (status, contender, reason, number of cases)."""
    counts = {}
    for case in run.of(scenario):
        if case.status != "ok":
            key = case.status, case.contender, case.reason or "no reason given"
            counts[key] = counts.get(key, 0) + 1
    return [(*key, n) for key, n in sorted(counts.items())]
