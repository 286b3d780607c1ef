# SPDX-License-Identifier: MIT
"""Time of a transfer by size as one self-contained SVG: a panel for each receiver mode, both axes logarithmic.

Each line is labelled where it ends, in its own colour; techniques have a ring where they overtake the best copy.
"""

import math
from xml.sax.saxutils import escape

from transfer_crossover import WAKEUP
from result_file import size_text, time_text

PLOT_W, PLOT_H, LEFT, LABELS, TOP, BOTTOM = 330, 460, 62, 240, 96, 62
LINE = 12  # height of a label
COLOURS = ("#1b6ca8", "#c0392b", "#1e8449", "#8e44ad", "#b9770e", "#117a65", "#d81b60", "#5d4037", "#3949ab", "#7cb342")
STYLE = "font-family:sans-serif;font-size:11px"
PREFERRED = {"producer": "all", "wake": "futex", "readers": 1}


def one_per_receiver(result):
    """Panels: for each receiver mode the setting that is nearest to the usual one."""
    chosen = {}
    for setting in result.settings:
        receiver = str(setting.params.get("receiver", ""))
        score = sum(setting.params.get(name) == value for name, value in PREFERRED.items())
        if receiver not in chosen or score > chosen[receiver][0]:
            chosen[receiver] = (score, setting)
    return [setting for _, setting in chosen.values()]


class Scale:
    """A logarithmic scale from a range of values to a range of pixels."""

    def __init__(self, low, high, start, end):
        self.low, self.start = math.log(low), start
        self.step = (end - start) / ((math.log(high) - self.low) or 1)

    def __call__(self, value):
        return self.start + (math.log(value) - self.low) * self.step


def spread(wanted, low, high):
    """Positions as near as possible to those wanted, LINE apart."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed, last = [0.0] * len(wanted), low - LINE
    for i in order:
        last = placed[i] = max(wanted[i], last + LINE)
    limit = high + LINE
    for i in reversed(order):
        limit = placed[i] = min(placed[i], limit - LINE)
    return placed


def text(x, y, content, colour="#222", anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{extra}>{escape(content)}</text>'


def line(x1, y1, x2, y2, colour, extra=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{extra}/>'


def on_curve(points, size):
    """The time at a size between measured ones, as the line is drawn."""
    for (size_a, time_a), (size_b, time_b) in zip(points, points[1:]):
        if size_a <= size <= size_b:
            part = math.log(size / size_a) / math.log(size_b / size_a)
            return math.exp(math.log(time_a) + part * math.log(time_b / time_a))
    return None


def axes(x, y, sizes, low, high, left):
    parts = []
    for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        value = 10.0 ** decade
        if low <= value <= high:
            parts.append(line(left, y(value), left + PLOT_W, y(value), "#ddd"))
            parts.append(text(left - 6, y(value) + 4, time_text(value).replace(".00", "").replace(".0", ""), anchor="end"))
    shown = sizes if len(sizes) <= 9 else sizes[::2]
    for size in sizes:
        parts.append(line(x(size), TOP, x(size), TOP + PLOT_H, "#eee"))
        if size in shown:
            parts.append(text(x(size), TOP + PLOT_H + 16, size_text(size), anchor="middle"))
    parts.append(f'<rect x="{left}" y="{TOP}" width="{PLOT_W}" height="{PLOT_H}" fill="none" stroke="#888"/>')
    return parts


def curve(name, points, x, y, table, floor, colour):
    """The line of one contender, its mark, and what its label says."""
    technique = next((entry for entry in table["techniques"] if entry["contender"] == name), None)
    label, parts = name, []
    if name == floor:
        colour, dash, label = "#000", ' stroke-dasharray="5 3"', f"{name} (floor)"
    elif technique:
        dash = ""
    else:
        colour, dash = "#888", ' stroke-dasharray="2 2"'
    path = " ".join(f"{x(size):.1f},{y(time):.1f}" for size, time in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"{dash}>'
                 f"<title>{escape(name)}</title></polyline>")
    parts += [f'<circle cx="{x(size):.1f}" cy="{y(time):.1f}" r="1.8" fill="{colour}"/>' for size, time in points]
    if technique and technique["point_bytes"]:
        where = technique["point_bytes"]
        time = on_curve(points, where)
        label += f", from {size_text(where)}"
        if time:
            parts.append(f'<circle class="crossover" cx="{x(where):.1f}" cy="{y(time):.1f}" r="5" fill="none" '
                         f'stroke="{colour}" stroke-width="2"><title>{escape(name)}: {escape(technique["text"])}</title></circle>')
    elif technique and technique["verdict"] in ("always", "never"):
        label += f", {technique['verdict']}"
    return parts, label, colour


def panel(setting, table, floor, left, low, high):
    sizes = setting.sizes()
    x = Scale(sizes[0], sizes[-1], left, left + PLOT_W)
    y = Scale(low, high, TOP + PLOT_H, TOP)
    parts = axes(x, y, sizes, low, high, left)
    parts.append(text(left, TOP - 10, setting.text(), extra=' font-weight="bold"'))
    labels, mapping = [], 0
    for name in setting.contenders():
        points = [(size, setting.case(name, size).median()) for size in sizes if setting.case(name, size)]
        points = [(size, time) for size, time in points if time > 0]
        if not points:
            continue
        drawn, label, colour = curve(name, points, x, y, table, floor, COLOURS[mapping % len(COLOURS)])
        mapping += colour in COLOURS
        parts += drawn
        labels.append((label, colour, x(points[-1][0]), y(points[-1][1])))
    for (label, colour, end_x, end_y), place in zip(labels, spread([entry[3] for entry in labels], TOP + 4, TOP + PLOT_H)):
        parts.append(line(end_x + 2, end_y, left + PLOT_W + 12, place, colour, ' stroke-width="0.5" stroke-dasharray="1 3"'))
        parts.append(text(left + PLOT_W + 14, place + 4, label, colour))
    return parts


def draw(result, tables):
    """The picture as text."""
    settings = one_per_receiver(result)
    times = [case.median() for setting in settings for cases in setting.cases.values() for case in cases.values()
             if case.measured and case.median() > 0]
    low, high = min(times) / 1.3, max(times) * 1.3
    each = LEFT + PLOT_W + LABELS
    width, height = each * len(settings), TOP + PLOT_H + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" style="{STYLE}">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             text(12, 22, "Time of one transfer, by size", extra=' font-size="16"'),
             text(12, 42, f"run {result.run['id']}, kernel {result.machine['kernel']['release']}, medians of "
                          f"{result.run['rounds']} rounds" + ("" if result.run["complete"] else ", INCOMPLETE")),
             text(12, 60, result.execution_text(), "#c0392b" if result.emulated else "#222",
                  extra=' class="execution" font-weight="bold"')]
    for i, setting in enumerate(settings):
        table = next(table for table in tables if table["params"] == setting.params)
        parts += panel(setting, table, result.floor, LEFT + i * each, low, high)
    parts.append(text(12, height - 24, "Solid: maps. A ring, and 'from': overtakes the best copy."))
    parts.append(text(12, height - 10, f"Grey, dotted: copies, or has no buffer ({WAKEUP}). Dashed: the floor."))
    return "\n".join(parts + ["</svg>"]) + "\n"
