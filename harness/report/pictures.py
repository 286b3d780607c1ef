# SPDX-License-Identifier: MIT
"""Which pictures show what a scenario asks, made from the cases of one or more runs.

A figure is one question put to the data; its panels are the settings and the runs, side by side on one scale. A scenario
that is not named in RECIPES gets lines along the axis with the most points, and the distribution of its samples.
"""

import result_file
import transfer_costs
import transfer_crossover
import transfer_result
from amounts import point, setting
from draw import Axis, Series, lines, plot_data, stack, strips, style, y_limits

SHOWN, MOST = 2, 8  # settings, or panels, that are open, and that there are at all
MANY_ROWS = 45
DERIVED = (result_file.Unusable, KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)


class Panel:
    def __init__(self, svg, name, data=None):
        self.svg, self.name, self.data = svg, name, data


class Figure:
    """open: panels that are seen at once; more: those behind a click; note: what is left out, and why."""

    def __init__(self, name, caption):
        self.name, self.caption, self.open, self.more, self.note = name, caption, [], [], ""


def settings(cases, axis):
    """Cases by their point of all axes but one: [(params, cases)], in the order of the file."""
    found = {}
    for case in cases:
        rest = tuple(sorted((name, value) for name, value in case.params.items() if name != axis))
        found.setdefault(rest, ({name: value for name, value in case.params.items() if name != axis}, []))[1].append(case)
    return list(found.values())


def styles(sides, scenario):
    """The same colour for a contender in all pictures of a scenario, those measured first; the floor is black."""
    cases = [case for run in sides for case in run.of(scenario)]
    names = dict.fromkeys(case.contender for case in sorted(cases, key=lambda case: case.status != "ok"))
    floor = next((run.scenarios[scenario]["floor"] for run in sides), None)
    chosen = {floor: "floor"}
    for name in names:
        if name != floor:
            chosen[name] = style(len(chosen) - 1)
    return chosen


def numeric_axes(cases):
    """Axes with more than one number, those with the most points first."""
    points = {}
    for case in cases:
        if case.metric("time"):
            for axis, value in case.params.items():
                if not isinstance(value, str):
                    points.setdefault(axis, set()).add(value)
    return sorted((axis for axis, values in points.items() if len(values) > 1), key=lambda axis: -len(points[axis]))


def lines_of(cases, axis, metric, chosen):
    """A line for each contender: its medians along the axis, with intervals."""
    found = {}
    for case in cases:
        measured = case.metric(metric)
        if measured and not isinstance(case.params.get(axis), str) and axis in case.params:
            ends = measured.ci95 or (None, None)
            found.setdefault(case.contender, []).append((case.params[axis], measured.median, *ends))
    return [Series(name, chosen[name], sorted(points)) for name, points in found.items()]


def positive(series):
    """Without what a logarithmic axis cannot show, and the names of contenders that lost points by it."""
    lost = [line.name for line in series if any(p[1] <= 0 for p in line.points)]
    for line in series:
        line.points = [p for p in line.points if p[1] > 0]
    return [line for line in series if line.points], lost


def is_log(series):
    values = [p[1] for line in series for p in line.points if p[1] > 0]
    return bool(values) and max(values) / min(values) > 8


def transfer(run, params):
    """Of scenario ipc: the table of crossovers at a setting, or None if it cannot be derived."""
    try:
        tables = transfer_crossover.crossovers(transfer_result.Result(run.raw))
    except DERIVED:
        return None
    return next((table for table in tables if table["params"] == params), None)


def mark_transfer(run, params, series):
    """Copies are drawn apart from mappings, with the best copy of each size as a band behind them."""
    table = transfer(run, params)
    if not table:
        return series
    for line in series:
        technique = next((entry for entry in table["techniques"] if entry["contender"] == line.name), None)
        if line.name in table["copies"]:
            line.role = "copy"
        elif technique and technique["point_bytes"] and not technique["floor"]:
            line.note = f", from {result_file.size_text(technique['point_bytes'])}"
            where = technique["point_bytes"]
            for a, b in zip(line.points, line.points[1:]):
                if a[0] <= where <= b[0] and a[1] > 0 and b[1] > 0:
                    part = (where - a[0]) / (b[0] - a[0])
                    line.ring = (where, a[1] * (b[1] / a[1]) ** part)
    best = {size: name for size, name in table["best_copies"].items()}
    values = {(line.name, p[0]): p[1] for line in series for p in line.points}
    band = [(size, values[name, size], None, None) for size, name in sorted(best.items()) if (name, size) in values]
    return ([Series("best copy", "copy", band, "envelope")] if len(band) > 1 else []) + series


def line_figure(scenario, sides, axis, metric, title, caption, decorate=None):
    """Lines along an axis: a panel for each setting and run. None where nothing has two points."""
    chosen, figure = styles(sides, scenario), Figure(f"{metric}-by-{axis}", caption)
    groups = {}
    for run in sides:
        for params, cases in settings(run.of(scenario), axis):
            series = lines_of(cases, axis, metric, chosen)
            if sum(len(line.points) for line in series) > len(series):
                groups.setdefault(tuple(sorted(params.items())), []).append((run, params, series, cases))
    lost_all = set()
    for i, panels in enumerate(sorted(groups.values(), key=lambda panels: -max(len(p[2]) for p in panels))):
        if i >= MOST:
            figure.note = f"{len(groups) - MOST} more settings are in the table only."
            break
        log = is_log([line for _, _, series, _ in panels for line in series])
        made = []
        for run, params, series, cases in panels:
            if log:
                series, lost = positive(series)
                lost_all |= set(lost)
            series = decorate(run, params, series) if decorate else series
            unit = next(case.metric(metric).unit for case in cases if case.metric(metric))
            made.append((run, params, series, unit))
        limits = [y_limits(series, log) for _, _, series, _ in made]
        limits = [pair for pair in limits if pair]
        if not limits:
            continue
        limits = min(pair[0] for pair in limits), max(pair[1] for pair in limits)
        labels = max(len(series) for _, _, series, _ in made)
        for run, params, series, unit in made:
            xs = [p[0] for line in series for p in line.points]
            if not xs:
                continue
            x_axis = Axis(axis, log=min(xs) > 0 and max(xs) / min(xs) > 5, text=lambda value: point(axis, value))
            y_axis = Axis(metric, unit, log)
            about = " · ".join(part for part in (setting(params), f"kernel {run.name}", f"{run.rounds} rounds") if part)
            panel = Panel(lines(title, about, run, x_axis, y_axis, series, limits, labels), f"{scenario}-{figure.name}",
                          plot_data(f"{title} · {about}", run, x_axis, y_axis, series))
            (figure.open if i < SHOWN else figure.more).append(panel)
    if lost_all:
        figure.note += f" 0 cannot be shown on this axis: parts of {', '.join(sorted(lost_all))} are in the table only."
    return figure if figure.open else None


def strip_figure(scenario, sides, metric="time"):
    """Distribution of all samples, a panel for each point of the axes and run."""
    chosen = styles(sides, scenario)
    figure = Figure("distribution", "Each stroke is a sample, each dot the median of a round, the band the 95 % interval of the "
                    "median over rounds, and the long stroke that median. ~ marks what is unstable.")
    points = {}
    for run in sides:
        for case in run.of(scenario):
            measured = case.metric(metric)
            if measured and measured.median > 0 and any(value > 0 for samples in measured.rounds for value in samples):
                points.setdefault(case.point, []).append((run, case, measured))
    order = sorted(points.values(), key=lambda found: -len(found))  # stable: the order of the file among equals
    for i, found in enumerate(order):
        if i >= MOST:
            figure.note = f"{len(order) - MOST} more points are in the table only."
            break
        for run in sides:
            rows = [(case.contender, chosen[case.contender], measured.rounds, measured.median, measured.ci95,
                     " ~" if measured.unstable else "") for of, case, measured in found if of is run]
            if not rows:
                continue
            # One order for all runs, so that a contender is found at the same height.
            first = {case.contender: measured.median for of, case, measured in reversed(found)}
            rows.sort(key=lambda row: first[row[0]])
            about = " · ".join(part for part in (setting(found[0][1].params), f"kernel {run.name}",
                                                 f"{run.rounds} rounds") if part)
            if len(rows) > MANY_ROWS:
                about += f" · the {MANY_ROWS} fastest of {len(rows)}"
                rows = rows[:MANY_ROWS]
            unit = found[0][2].unit
            panel = Panel(strips(f"{scenario}: all samples of {metric}", about, run, unit, rows), f"{scenario}-distribution")
            (figure.open if len(figure.open) < SHOWN else figure.more).append(panel)
    return figure if figure.open else None


def cost_bars(line):
    parts = [(name, entry["value_ns"]) for name, entry in line["components"].items() if entry["value_ns"]]
    residual = line["residual"]
    return parts + ([("not explained", residual["value_ns"])] if not residual["by_construction"] else [])


def cost_figure(scenario, sides):
    """Of ipc: where the time of a transfer goes, by subtraction (scripts/crossover --costs has the intervals)."""
    figure = Figure("breakdown", "Derived by subtracting contenders from each other and by exact counts times prices; parts that "
                    "cannot be derived, and what is below 0 by noise, are in or lack from 'not explained'. "
                    "scripts/crossover --costs prints each with its interval.")
    for run in sides:
        try:
            tables = transfer_costs.costs(transfer_result.Result(run.raw))
        except DERIVED as reason:
            figure.note = f"Not derived for {run.name}: {reason}"
            continue
        for table in tables:
            for size in sorted({line["size"] for line in table["lines"]}, reverse=True):
                rows = [(line["contender"], cost_bars(line), line["measured_ns"]) for line in table["lines"]
                        if line["size"] == size and line["measured_ns"] > 0]
                rows = [row for row in rows if row[1]]
                names = [name for name in (*transfer_costs.COMPONENTS, "not explained")
                         if any(part == name for _, parts, _ in rows for part, _ in parts)]
                # Without a component but the residual there is nothing to show.
                if len(names) < 2 or len(figure.open + figure.more) >= MOST:
                    continue
                rows.sort(key=lambda row: row[2])
                params = {"size": size, **table["params"]}
                about = f"{setting(params)} · kernel {run.name} · {run.rounds} rounds"
                panel = Panel(stack("ipc: where the time of a transfer goes", about, run, "ns", names, rows), "ipc-breakdown")
                (figure.open if len(figure.open) < SHOWN else figure.more).append(panel)
    if not figure.open:
        figure.note = figure.note or ("No breakdown: it takes the contenders of mmlab run ipc --preset breakdown, measured "
                                      "at the same point.")
    return figure


def part_figure(scenario, sides, names, title):
    """Times that are parts of one: stacked."""
    figure = Figure("parts", "Medians of the parts of one operation; the stroke is the median of the whole.")
    for run in sides:
        points = {}
        for case in run.of(scenario):
            if case.metric("time") and all(case.metric(name) for name in names):
                points.setdefault(case.point, []).append(case)
        order = sorted(points.values(), key=lambda cases: [value for _, value in cases[0].point if not isinstance(value, str)],
                       reverse=True)
        for cases in order[:MOST]:
            rows = [(case.contender, [(name, case.metric(name).median) for name in names], case.metric("time").median)
                    for case in cases if case.metric("time").median > 0]
            if rows:
                about = f"{setting(cases[0].params)} · kernel {run.name} · {run.rounds} rounds"
                rows.sort(key=lambda row: row[2])
                panel = Panel(stack(title, about, run, "ns", names, rows), f"{scenario}-parts")
                (figure.open if len(figure.open) < SHOWN else figure.more).append(panel)
    return figure if figure.open else None


LINES = "Medians of rounds, with 95 % intervals as whiskers where there are six rounds."


def ipc(sides):
    yield line_figure("ipc", sides, "size", "time", "ipc: time of one transfer, by size",
                      LINES + " Dotted: copies; the pale band is the best copy at each size. Solid: maps. A ring, and 'from': "
                      "overtakes the best copy there. Dashed black: the floor.", mark_transfer)
    yield cost_figure("ipc", sides)
    yield line_figure("ipc", sides, "readers", "time", "ipc: time of one transfer, by number of consumers", LINES)


def fanout(sides):
    yield line_figure("fanout", sides, "procs", "tables-system", "fanout: bytes of page tables, by number of processes",
                      "PageTables of the whole system, beyond what was there before. " + LINES)
    yield line_figure("fanout", sides, "procs", "time", "fanout: time to attach and touch, by number of processes", LINES)
    yield part_figure("fanout", sides, ("attach", "touch"), "fanout: attaching and touching")


def refpage(sides):
    yield line_figure("refpage", sides, "touch", "time", "refpage: time by share of pages touched", LINES)
    yield line_figure("refpage", sides, "touch", "physical", "refpage: physical memory by share of pages touched",
                      "Exact bytes.")


def lock(sides):
    yield line_figure("lock", sides, "size", "time", "lock: time to give and take access, by size", LINES)
    yield line_figure("lock", sides, "threads", "time", "lock: the same, by number of threads", LINES)


def anything(scenario, sides):
    axes = numeric_axes([case for run in sides for case in run.of(scenario)])
    for axis in axes[:1]:
        yield line_figure(scenario, sides, axis, "time", f"{scenario}: time by {axis}", LINES)


RECIPES = {"ipc": ipc, "fanout": fanout, "refpage": refpage, "lock": lock}


def figures(scenario, sides):
    """All figures of a scenario, best answer first."""
    recipe = RECIPES.get(scenario)
    for figure in recipe(sides) if recipe else anything(scenario, sides):
        if figure:
            yield figure
    figure = strip_figure(scenario, sides)
    if figure:
        yield figure
