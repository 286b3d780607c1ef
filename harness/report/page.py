# SPDX-License-Identifier: MIT
"""The page: one HTML file that needs nothing else.

Answers, tables and pictures are in the file as they are seen; the script adds what only a script can: filtering, zooming,
saving pictures. It is the only thing that may run: the policy in the head names its hash, so that no text of a result
file could ever be executed, even if it were not escaped.
"""

import base64
import hashlib

import trend
from amounts import amount, interval, point, ratio, setting, words
from answers import answers, reasons
from draw import Axis, Series, lines, plain_style, plot_data, style
from markup import Markup, join, script_json, tag
from pictures import Figure, Panel, figures, settings
from result_file import median

MOST_COLUMNS = 16
MOST_ANSWERS = 4  # settings whose answers are seen at once
RAW_BYTES = 3 << 20  # raw samples on the page, at most
TREND_OPEN, TREND_MOST = 2, 12


def details(summary, *children, open_=False):
    return tag("details", tag("summary", summary), *children, open=open_)


def table(heads, rows, caption, class_=None):
    """rows: (contender or None, cells); the first cell is the row's head. Cells may be (text, class)."""
    def cell(name, content, **more):
        class_, content = (content[1], content[0]) if isinstance(content, tuple) else (None, content)
        return tag(name, content, class_=class_, **more)
    body = [tag("tr", cell("th", cells[0], scope="row"), *(cell("td", content) for content in cells[1:]), data_c=name)
            for name, cells in rows]
    head = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads)))
    # The caption stands outside of what scrolls, so that it can wrap on a phone.
    return join([tag("p", caption, class_="caption"),
                 tag("div", tag("table", head, tag("tbody", *body), class_=class_, aria_label=caption), class_="wide",
                     tabindex="0", role="region", aria_label=caption)])


def short_id(name):
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in name)[:60]


class Ids:
    """Identifiers that stand once, whatever the names they are made of."""

    def __init__(self):
        self.taken = set()

    def new(self, name):
        base, i = short_id(name) or "x", 1
        found = base
        while found in self.taken:
            i += 1
            found = f"{base}-{i}"
        self.taken.add(found)
        return found


# Pictures.


def figure_html(figure):
    def panel(item):
        data = tag("script", script_json(item.data), type="application/json") if item.data else None
        return tag("div", item.svg, data, class_="panel", data_name=item.name)
    more = details(f"{len(figure.more)} more picture{'s' if len(figure.more) > 1 else ''} of this kind",
                   tag("div", *(panel(item) for item in figure.more), class_="panels")) if figure.more else None
    return tag("figure", tag("div", *(panel(item) for item in figure.open), class_="panels"), more,
               tag("figcaption", figure.caption if figure.open else None,
                   tag("span", (" " if figure.open else "") + figure.note, class_="note") if figure.note else None))


# Tables of numbers.


def cell_of(run, case, metric):
    if case is None:
        return ""
    if case.status != "ok":
        return case.status, case.status
    measured = case.metric(metric)
    if not measured:
        return "-"
    rated = run.ratio(case, metric)
    return join([tag("span", amount(measured.median, measured.unit) + ("~" if measured.unstable else "")),
                 tag("small", f"{ratio(rated[0])}x{interval(rated[1])}" if rated else "")
                 if run.scenarios[case.scenario]["baseline"] and metric == "time" or rated else None], " ")


def metric_table(run, scenario, metric, params, cases):
    columns = run.scenarios[scenario]["columns"]
    points = list(dict.fromkeys(case.params.get(columns) for case in cases))[:MOST_COLUMNS]
    found = {(case.contender, case.params.get(columns)): case for case in cases}
    heads = ["contender"] + [f"{columns}={point(columns, value)}" if value is not None else metric for value in points]
    rows = [(name, [name] + [cell_of(run, found.get((name, value)), metric) for value in points])
            for name in dict.fromkeys(case.contender for case in cases)
            if any(case.contender == name and case.status == "ok" for case in cases)]
    caption = " · ".join(part for part in (metric, setting(params), f"kernel {run.name}") if part)
    return table(heads, rows, caption) if rows else None


def metric_tables(run, scenario, metric):
    blocks = settings(run.of(scenario), run.scenarios[scenario]["columns"])
    return join(metric_table(run, scenario, metric, params, cases) for params, cases in blocks)


def beside_cell(first, case, metric):
    """The value, and its ratio to that of the first run."""
    if case is None:
        return ""
    if case.status != "ok":
        return case.status, case.status
    measured, before = case.metric(metric), first.metric(metric) if first and first is not case else None
    if not measured:
        return "-"
    change = f"{ratio(measured.median / before.median)}x" if before and before.median > 0 else None
    return join([tag("span", amount(measured.median, measured.unit) + ("~" if measured.unstable else "")),
                 tag("small", change) if change else None], " ")


def beside_tables(sides, scenario, metric):
    """A table for each setting, with a column for each run and point."""
    columns = sides[0].scenarios[scenario]["columns"]
    found, points = {}, {}
    for run in sides:
        for case in run.of(scenario):
            params = tuple((name, value) for name, value in sorted(case.params.items()) if name != columns)
            found.setdefault(params, {}).setdefault(case.contender, {})[case.params.get(columns), run.name] = case
            points.setdefault(params, {})[case.params.get(columns)] = None
    tables = []
    for params, contenders in found.items():
        shown = list(points[params])[:MOST_COLUMNS // len(sides) or 1]
        heads = ["contender"] + [f"{columns}={point(columns, value)}, {run.name}" if len(shown) > 1 else run.name
                                 for value in shown for run in sides]
        rows = [(name, [name] + [beside_cell(cases.get((value, sides[0].name)), cases.get((value, run.name)), metric)
                                 for value in shown for run in sides])
                for name, cases in contenders.items() if any(case.status == "ok" for case in cases.values())]
        about = dict(params) | ({columns: shown[0]} if len(shown) == 1 and shown[0] is not None else {})
        if rows:
            tables.append(table(heads, rows, " · ".join(part for part in (metric, setting(about)) if part)))
    return tables


def numbers(sides, scenario):
    """The table that the text report prints, open, with runs beside each other; all other metrics behind a click."""
    names = list(dict.fromkeys(name for run in sides for case in run.of(scenario) for name in case.metrics
                               if case.metric(name)))
    about = sides[0].scenarios[scenario]
    legend = (f"Median, then the ratio to “{about['baseline']}” in the same rounds with its 95 % interval"
              if about["baseline"] else "Median") + "; ~ marks unstable values."
    parts = [tag("p", legend, class_="legend")]
    if len(sides) > 1:
        parts = [tag("p", f"Median, then the ratio to that of {sides[0].name}; ~ marks unstable values.", class_="legend"),
                 *beside_tables(sides, scenario, "time")]
    alone = [metric_tables(run, scenario, "time") for run in sides if "time" in names]
    parts += [details("Each kernel alone. " + legend, *alone)] if len(sides) > 1 else alone
    others = [details(name, *(beside_tables(sides, scenario, name) if len(sides) > 1 else [metric_tables(sides[0], scenario, name)]))
              for name in names if name != "time"]
    return parts + ([details(f"Other metrics: {words((name for name in names if name != 'time'), 20)}", *others)] if others else [])


def every_number(run, scenario):
    heads = ["case", "metric", "unit", "n", "median", "95 % low", "95 % high", "min", "max", "stable"]
    rows = []
    for case in run.of(scenario):
        for metric in case.metrics.values() if case.status == "ok" else ():
            name = f"{case.contender} {setting(case.params)}"
            values = [metric.median, *(metric.ci95 or (None, None)), metric.min, metric.max]
            note = metric.reason or ("exact" if metric.exact else "unstable" if metric.unstable else "yes")
            rows.append((case.contender, [name, metric.name, metric.unit, metric.n,
                                          *("-" if value is None else f"{value:.10g}" for value in values), note]))
    return table(heads, rows, f"All metrics, kernel {run.name}", "plain")


def raw_samples(run, scenario, budget):
    """Samples of each round as text, as long as there is room on the page."""
    text = []
    for case in run.of(scenario):
        for metric in case.metrics.values() if case.status == "ok" else ():
            if not metric.exact:
                samples = " | ".join(" ".join(f"{value:.8g}" for value in samples) for samples in metric.rounds)
                text.append(f"{case.contender} {setting(case.params)} {metric.name} [{metric.unit}]: {samples}")
    text = "\n".join(text)
    if not text:
        return None, budget
    if len(text) > budget:
        return tag("p", f"Raw samples of {run.name} would take {amount(len(text), 'bytes')}: they are in the result file."), budget
    return details(f"Raw samples, kernel {run.name}: one line for each case and metric, rounds apart by |", tag("pre", text)), \
        budget - len(text)


# Parts of the page.


def compared(comparisons, scenario):
    """Verdicts of `mmlab compare` about this scenario, for each further run."""
    parts = []
    for name, verdict in comparisons:
        if isinstance(verdict, str):
            continue  # said at the top
        found = [change for change in verdict["changes"] if change["scenario"] == scenario]
        if not found:
            continue
        counts = {}
        for change in found:
            kind = change["direction"] if change["verdict"] == "different" and change["direction"] != "none" else change["verdict"]
            counts[kind] = counts.get(kind, 0) + 1
        said = ", ".join(f"{counts[kind]} {text}" for kind, text in (
            ("improvement", "better"), ("regression", "worse"), ("different", "different"), ("same", "the same"),
            ("cannot-tell", "cannot be told")) if kind in counts)
        order = {"different": 0, "cannot-tell": 1, "same": 2}
        rows = [(change["contender"], [
            f"{change['contender']} {setting(change['params'])}", change["metric"], amount(change["base"], change["unit"]),
            amount(change["head"], change["unit"]), ratio(change["ratio"]) + interval(change["interval"]) if change["ratio"]
            is not None else "-", (change["verdict"] + (f", {change['direction']}" if change["direction"] != "none" else ""),
                                   change["direction"])])
            for change in sorted(found, key=lambda change: order.get(change["verdict"], 3))]
        heads = ["case", "metric", "first", "this one", "ratio", "verdict"]
        parts += [tag("p", tag("strong", f"{name}: "), f"{said}, of {len(found)} values judged by mmlab compare."),
                  details("Each verdict", table(heads, rows, f"{name}, compared", "plain"))]
    return parts


def answer_html(sides, scenario):
    parts = []
    for run in sides:
        said, remarks = answers(run, scenario)
        where = [tag("b", f"kernel {run.name} ")] if len(sides) > 1 else []
        if not said:
            parts.append(tag("p", *where, "nothing was measured.", class_="answer"))
        most = MOST_ANSWERS if len(sides) == 1 else 2
        answered = [tag("div", tag("p", *where, tag("small", about)), *(tag("p", text) for text in texts), class_="answer")
                    for about, texts in said]
        parts += answered[:most]
        if answered[most:]:
            parts.append(details("The answers at other settings", *answered[most:]))
        if run.emulated:
            remarks = f"{run.execution_text()}; counts and bytes are exact. " + remarks
        if not run.complete:
            remarks += " The run is incomplete."
        parts.append(tag("p", remarks.strip(), class_="note") if remarks.strip() else None)
    return parts


def not_measured(sides, scenario):
    found = [(run, *entry) for run in sides for entry in reasons(run, scenario)]
    if not found:
        return None
    n = sum(entry[-1] for entry in found)
    failed = sum(entry[-1] for entry in found if entry[1] == "failed")
    rows = [(name, [name, status, n_cases, reason, run.name]) for run, status, name, reason, n_cases in found]
    return details(f"{n} cases without a number" + (f", {failed} of them failed" if failed else ""),
                   table(["contender", "status", "cases", "reason", "kernel"], rows, "Skipped and failed", "plain"))


def scenario_html(ids, scenario, sides, comparisons, budget):
    about = sides[0].scenarios[scenario]
    samples = []
    for run in sides:
        part, budget = raw_samples(run, scenario, budget)
        samples.append(part)
    return tag("section", tag("h2", scenario, id=ids), tag("p", about["question"], class_="question"),
               tag("p", f"One operation: {about['op']}.", class_="legend"), *answer_html(sides, scenario),
               *compared(comparisons, scenario), *(figure_html(figure) for figure in figures(scenario, sides)),
               tag("h3", "Numbers"), *numbers(sides, scenario), not_measured(sides, scenario),
               details("Every metric with its interval", *(every_number(run, scenario) for run in sides)), *samples), budget


def fact(run, *path):
    value = run.raw
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return "-" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def moment_text(run, which):
    values = run.machine.get("volatile", {}).get(which) if isinstance(run.machine.get("volatile"), dict) else None
    if not isinstance(values, dict):
        return "-"
    return ", ".join(f"{name} {values[key]}" for key, name in (
        ("load_1m", "load"), ("runnable", "runnable tasks"),
        ("pressure_cpu_some_avg10", "percent of 10 s in which some task waited for a CPU:")) if values.get(key) is not None)


def stolen(run):
    """Share of the processor time that the hypervisor gave to others during the run."""
    try:
        start, end = (run.machine["volatile"][which] for which in ("start", "end"))
        return f"{(end['steal_ticks'] - start['steal_ticks']) / (end['total_ticks'] - start['total_ticks']):.2%}"
    except (KeyError, TypeError, ZeroDivisionError):
        return "-"


def stability(run):
    measured = [case.metric("time") for case in run.cases if case.metric("time")]
    return f"{sum(metric.unstable for metric in measured)} of {len(measured)}"


def runs_html(sides):
    """Machine and noise, a column for each run."""
    rows = [("execution", lambda run: run.execution_text()), ("run", lambda run: run.id),
            ("file", lambda run: run.path), ("started", lambda run: run.started),
            ("commit", lambda run: run.commit[:12] + (" + local changes" if run.run.get("dirty") else "")),
            ("kernel", lambda run: fact(run, "machine", "kernel", "version")),
            ("CPU", lambda run: fact(run, "machine", "cpu", "model")),
            ("machine key", lambda run: run.key),
            ("command", lambda run: fact(run, "run", "argv").replace(", ", " ")),
            ("rounds", lambda run: f"{run.rounds}" + ("" if run.complete else ", incomplete")),
            ("unstable times", stability), ("CPU time taken by others", stolen),
            ("at the start", lambda run: moment_text(run, "start")),
            ("at the end", lambda run: moment_text(run, "end"))]
    settings_ = ("governor", "turbo", "smt", "aslr", "thp_enabled", "clocksource", "isolated_cpus", "affinity", "swappiness",
                 "numa_balancing", "init_on_alloc", "root")
    more = [(name, lambda run, name=name: fact(run, "machine", "settings", name)) for name in settings_]
    more += [("identity", lambda run: fact(run, "machine", "identity")),
             ("compiler", lambda run: f"{fact(run, 'machine', 'compiler', 'id')} {fact(run, 'machine', 'compiler', 'version')}"),
             ("clock", lambda run: f"{fact(run, 'run', 'calibration', 'clock')}, one reading "
                                   f"{fact(run, 'run', 'calibration', 'clock_cost_ns')} ns"),
             ("command line", lambda run: fact(run, "machine", "kernel", "cmdline")),
             ("mitigations", lambda run: "; ".join(
                 f"{item.get('name')}: {item.get('state')}" for item in run.machine["kernel"].get("mitigations") or ()
                 if isinstance(item, dict)))]
    heads = [""] + [run.name for run in sides]
    return [table(heads, [(None, [name] + [of(run) for run in sides]) for name, of in rows], "Runs, machine and noise", "plain"),
            details("Settings of the machine",
                    table(heads, [(None, [name] + [of(run) for run in sides]) for name, of in more], "Settings", "plain"))]


# History.


class Shown:
    """A history's machine in the place of a run, for the head of a picture."""

    def __init__(self, moment):
        self.emulated, self._text = moment.emulated, moment.execution_text

    def execution_text(self):
        return self._text


def trend_of(moments, key):
    """Values of one series over runs, as (index of the run, value, low, high), with its changes."""
    found = [(i, moment.values[key]) for i, moment in enumerate(moments) if key in moment.values]
    points = [(i, value, *(ci95 or (None, None))) for i, (value, ci95, *_) in found]
    exact = all(entry[4] for _, entry in found)
    return points, [(points[change.at][0], points[change.at - 1][0], change) for change in
                    trend.changes([p[1] for p in points], exact)]


def relative(points, middle):
    """Values as a share of the series' own median, so that a small change is seen whatever the series costs."""
    return [(x, *(None if value is None else value / middle for value in values)) for x, *values in points]


def trend_lines(found):
    """Lines of one panel: what changed in colour, with rings; the rest in grey behind it."""
    drawn, quiet = [], []
    anything = any(changed for *_, changed in found)
    for name, points, changed in found:
        middle = median([p[1] for p in points])
        if middle <= 0:
            continue
        points = relative(points, middle)
        if anything and not changed:
            quiet.append(Series(name, "quiet", [(x, value, None, None) for x, value, *_ in points], role="quiet"))
            continue
        ring = next(((p[0], p[1]) for where, _, _ in changed for p in points if p[0] == where), None)
        note = "" if not changed else ", changed" if len(changed) == 1 else f", {len(changed)} changes"
        drawn.append(Series(name, style(len(drawn)), points, note=note, ring=ring))
    return quiet + drawn


def trend_figure(scenario, moments, series, metric):
    """A panel for each point of the axes: its contenders over the runs, each relative to its own median."""
    figure = Figure("trend", "Medians of the runs, oldest first, each divided by the median of its series over all runs. A ring marks "
                    "the run from which on the level is another one: a hint where to look, which mmlab compare can judge. Grey: "
                    "no change.")
    by_point = {}
    for (_, name, at, of), (points, changed) in series.items():
        if of == metric and points:
            by_point.setdefault(at, []).append((name, points, changed))
    order = sorted(by_point.items(), key=lambda item: -sum(len(changed) for *_, changed in item[1]))
    texts = [moment.commit[:7] for moment in moments]
    for i, (at, found) in enumerate(order):
        drawn = trend_lines(found)
        if i >= TREND_MOST:
            figure.note = f"{len(order) - TREND_MOST} more points are not drawn."
            break
        if not drawn:
            continue
        x_axis = Axis("run, by commit, oldest first", text=lambda value: texts[int(value)])
        y_axis = Axis(f"{metric}, relative to the median of all runs", text=lambda value: f"{value:.3g}x")
        values = [p[1] for line in drawn for p in line.points]
        limits = min(*values, 0.95) * 0.99, max(*values, 1.05) * 1.02
        shown = Shown(moments[-1])
        about = f"{setting(dict(at))} · kernel {' / '.join(dict.fromkeys(m.kernel for m in moments))} · relative to each median"
        title = f"{scenario}: {metric} over {len(moments)} runs"
        panel = Panel(lines(title, about, shown, x_axis, y_axis, drawn, limits), f"{scenario}-trend",
                      plot_data(f"{title} · {about}", shown, x_axis, y_axis, drawn))
        (figure.open if i < TREND_OPEN else figure.more).append(panel)
    return figure if figure.open else None


def changes_table(moments, series, unit_of):
    rows = []
    for (_, name, at, metric), (_, changed) in series.items():
        for where, before, change in changed:
            rows.append((name, [f"{name} {setting(dict(at))}", metric, f"{moments[before].commit[:12]} ({moments[before].kernel})",
                                f"{moments[where].commit[:12]} ({moments[where].kernel})", moments[where].started,
                                amount(change.before, unit_of[metric]), amount(change.after, unit_of[metric]),
                                f"{change.ratio * 100 - 100:+.3g} %" if change.before else "-"]))
    return table(["case", "metric", "last before", "first after", "started", "from", "to", "change"], rows,
                 "Changes of level", "plain") if rows else None


def trend_html(ids, key, moments):
    """All scenarios of one machine."""
    parts = []
    for scenario in dict.fromkeys(name for moment in moments for name in moment.scenarios):
        mine = [moment for moment in moments if scenario in moment.scenarios]
        if len(mine) < 2:
            continue
        keys = dict.fromkeys(entry for moment in mine for entry in moment.values if entry[0] == scenario)
        series = {entry: trend_of(mine, entry) for entry in keys}
        unit_of = {entry[3]: value[2] for moment in mine for entry, value in moment.values.items()}
        found = sum(len(changed) for _, changed in series.values())
        said = f"{len(mine)} runs, {len(series)} series: " + (f"{found} changes of level." if found else "no change of level.")
        if len(mine) < trend.LEAST_RUNS:
            said += f" Times are searched for changes from {trend.LEAST_RUNS} runs on; exact counts always."
        figure = trend_figure(scenario, mine, series, "time")
        changed = changes_table(mine, series, unit_of)
        parts += [tag("h3", scenario, id=ids.new(f"trend-{key}-{scenario}")), tag("p", said, class_="answer"),
                  figure_html(figure) if figure else None, changed]
    return parts


def history_html(ids, history):
    parts = [tag("h2", "History", id="history")]
    machines = {}
    for moment in history.moments:
        machines.setdefault((moment.key, moment.execution_text), []).append(moment)
    for (key, execution), moments in machines.items():
        parts += [tag("p", f"Machine {key}, {execution}: {len(moments)} runs from {moments[0].started} to {moments[-1].started}.")]
        parts += trend_html(ids, key, moments)
        rows = [(None, [m.id, m.started, m.commit[:12], m.kernel, " ".join(m.scenarios), "yes" if m.complete else "no", m.path])
                for m in moments]
        parts.append(details("These runs", table(["run", "started", "commit", "kernel", "scenarios", "complete", "file"], rows,
                                                 f"Runs of machine {key}", "plain")))
    if history.passed_over:
        n = len(history.passed_over)
        parts.append(details(f"{n} file{'s were' if n > 1 else ' was'} passed over", tag("pre", "\n".join(history.passed_over))))
    return tag("section", *parts)


# The whole.


def style_html(files):
    return tag("style", Markup(files["picture.css"] + files["page.css"] + files.get("uPlot.min.css", "")))


def script_html(files):
    library = ["/*", files["uPlot-LICENSE.txt"], "*/", files["uPlot.iife.min.js"]] if "uPlot.iife.min.js" in files else []
    code = "\n".join([*library, files["page.js"]])
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return tag("script", Markup(code)), digest


def page(sides, history, comparisons, files):
    """The file as text. files: what page.css, page.js and the chart library hold; comparisons: [(name, verdict)]."""
    ids, budget = Ids(), RAW_BYTES
    ids.taken |= {"top", "runs", "history", "filter", "found", "file-style"}
    scenarios = {}
    for run in sides:
        for scenario in run.scenarios:
            scenarios.setdefault(scenario, []).append(run)
    sections, links = [], []
    for scenario, runs in scenarios.items():
        name = ids.new(scenario)
        section, budget = scenario_html(name, scenario, runs, comparisons, budget)
        sections.append(section)
        links.append((name, scenario))
    if history:
        sections.insert(0, history_html(ids, history))
        links.insert(0, ("history", "history"))
    links.append(("runs", "machine and noise"))
    script, digest = script_html(files)
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src blob: data:"
    emulated = [run for run in sides if run.emulated]
    whose = "this run" if len(sides) == 1 else "all of these runs" if len(emulated) == len(sides) else "some of these runs"
    banner = tag("p", f"EMULATED: the CPU of {whose} was emulated. Times show shapes and ratios, not the speed of any hardware; "
                 "counts are exact.", class_="banner", role="note") if emulated else None
    title = "mmlab: " + ", ".join(scenarios) + (" over time" if history else "")
    lead = ", ".join(f"{run.name} ({run.started})" for run in sides)
    refused = [tag("p", f"{name} was not compared: {verdict}", class_="note") for name, verdict in comparisons
               if isinstance(verdict, str)]
    head = tag("head", tag("meta", charset="utf-8"), tag("meta", http_equiv="Content-Security-Policy", content=policy),
               tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
               tag("meta", name="color-scheme", content="light dark"), tag("meta", name="generator", content="mmlab report"),
               tag("title", title), style_html(files))
    chart = None if "uPlot.iife.min.js" in files else tag(
        "p", "This mmlab was built without the chart library: pictures cannot be zoomed.", class_="note", id="no-chart")
    controls = tag("form", tag("label", "Only contenders with ", tag("input", type="search", id="filter", placeholder="all",
                                                                    autocomplete="off", spellcheck="false")),
                   tag("output", id="found", aria_live="polite"), class_="script", role="search")
    body = tag("body", tag("a", "To the results", href="#top", class_="skip"),
               tag("header", tag("h1", "mmlab report"), tag("p", lead), banner, *refused, chart,
                   tag("nav", *(tag("a", name, href=f"#{target}") for target, name in links), controls,
                       aria_label="Sections")),
               tag("main", *sections, tag("section", tag("h2", "Machine and noise", id="runs"), *runs_html(sides)), id="top"),
               tag("script", Markup(plain_style(files["picture.css"])), type="text/plain", id="file-style"), script)
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def pictures(sides, history):
    """(name, SVG) of all panels, for files of their own."""
    for scenario in dict.fromkeys(name for run in sides for name in run.scenarios):
        for figure in figures(scenario, [run for run in sides if scenario in run.scenarios]):
            for panel in figure.open + figure.more:
                yield panel.name, panel.svg
