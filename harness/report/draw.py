# SPDX-License-Identifier: MIT
"""The pictures themselves: SVG made of data, with nothing that needs a browser, so that they print, mail and export.

Colours are classes (s0 to s9, floor, copy) that picture.css gives a value to, light or dark. Each picture carries its
title, its setting and what executed the instructions, because pictures are passed on without the page around them.
"""

import math
import re

from amounts import amount, tick
from markup import tag

WIDTH, LEFT, RIGHT, BOTTOM = 580, 62, 180, 44
LINE, TEXT = 13, 15  # height of a label, of a line of text above the plot
N_COLOURS, PER_LINE, LABEL_CHARS = 10, 96, 29
UNLABELLED = ("envelope", "quiet")  # roles of lines that are behind the others


def style(i):
    """Classes of the i-th contender: a colour, and a dash where colours repeat."""
    return f"s{i % N_COLOURS} d{i // N_COLOURS % 3}"


class Series:
    """A line of a picture: (x, y, low, high) at each point; low and high are None without an interval."""

    def __init__(self, name, style_, points, role="", note="", ring=None):
        self.name, self.style, self.points, self.role, self.note, self.ring = name, style_, points, role, note, ring


class Axis:
    """What an axis shows: name, unit, whether it is logarithmic, and how a point on it is written."""

    def __init__(self, name, unit="", log=False, text=None):
        self.name, self.unit, self.log = name, unit, log
        self.text = text or (lambda value: tick(value, unit))
        self.value = text or (lambda value: amount(value, unit))


class Scale:
    def __init__(self, low, high, start, end, log):
        self.log = log
        self.low = math.log(low) if log else low
        span = (math.log(high) if log else high) - self.low
        self.start, self.step = start, (end - start) / (span or 1)

    def __call__(self, value):
        return self.start + ((math.log(value) if self.log else value) - self.low) * self.step


def ticks(low, high, unit, log):
    """Round values between two ends: up to eight."""
    if not log:
        base = 1024 ** max(0, int(math.log(max(high, 1), 1024))) if unit == "bytes" else 1
        rough = (high - low) / base / 5 or 1
        power = 10.0 ** math.floor(math.log10(rough))
        step = base * power * next(m for m in (1, 2, 5, 10) if m * power >= rough)
        return [i * step for i in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]
    if unit == "bytes":
        first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
        step = next(s for s in (1, 2, 5, 10, 20, 40) if (last - first) / s <= 7)
        return [2.0 ** i for i in range(first, last + 1) if i % step == 0] or [2.0 ** first]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [1] if math.log10(high / low) >= 3 else [1, 3] if math.log10(high / low) >= 1.5 else [1, 2, 3, 5, 7]
    return [m * 10.0 ** d for d in decades for m in marks if low <= m * 10.0 ** d <= high]


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


def number(value):
    return f"{value:.1f}".removesuffix(".0")


def text(x, y, content, class_=None, anchor=None, **more):
    return tag("text", content, x=number(x), y=number(y), class_=class_, text_anchor=anchor, **more)


def line(x1, y1, x2, y2, class_):
    return tag("line", x1=number(x1), y1=number(y1), x2=number(x2), y2=number(y2), class_=class_)


def short(name, limit=LABEL_CHARS):
    return name if len(name) <= limit else name[:limit - 1] + "…"


def wrap(content, width=PER_LINE):
    """Lines of words, none longer than width."""
    lines = [""]
    for word in str(content).split(" "):
        while len(word) > width:
            lines += [word[:width]]
            word = word[width:]
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] += (" " if lines[-1] else "") + word
    return [content for content in lines if content]


class Head:
    """Title, setting and execution: the same on each picture."""

    def __init__(self, title, about, execution, emulated):
        self.parts, y = [], 4
        for class_, content, width in (("title", title, 70), ("about", about, PER_LINE),
                                       ("execution emulated" if emulated else "execution", execution, PER_LINE)):
            for words in wrap(content, width):
                y += TEXT
                self.parts.append(text(6, y, words, class_))
        self.bottom = y + 12
        self.label = f"{title}. {about}. {execution}"


def picture(head, height, parts):
    """The whole of one; the background makes it fit to be shown anywhere."""
    return tag("svg", tag("title", head.label), tag("rect", width=WIDTH, height=number(height), class_="paper"),
               *head.parts, *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {number(height)}",
               class_="picture", role="img", aria_label=head.label)


def x_marks(axis, x, values, top, bottom):
    parts, last = [], -math.inf
    for value in values:
        parts.append(line(x(value), top, x(value), bottom, "grid faint"))
    for value in [values[0], values[-1]] + values[1:-1]:  # both ends, then what finds room between them
        label = axis.text(value)
        half = max(6, 3.6 * len(label))
        if value == values[0]:
            last = x(value) + half
            end = x(values[-1]) - max(6, 3.6 * len(axis.text(values[-1])))
        elif value != values[-1]:
            if x(value) - half < last + 4 or x(value) + half > end - 4:
                continue
            last = x(value) + half
        parts.append(text(x(value), bottom + 16, label, "tick", "middle"))
    return parts


def frame(x_axis, y_axis, x, y, xs, limits, top, bottom):
    right = WIDTH - RIGHT
    parts = []
    for value in ticks(*limits, y_axis.unit, y_axis.log):
        parts.append(line(LEFT, y(value), right, y(value), "grid"))
        parts.append(text(LEFT - 6, y(value) + 4, y_axis.text(value), "tick", "end"))
    parts += x_marks(x_axis, x, xs, top, bottom)
    parts.append(tag("rect", x=LEFT, y=number(top), width=right - LEFT, height=number(bottom - top), class_="frame"))
    parts.append(text((LEFT + right) / 2, bottom + 34, x_axis.name, "about", "middle"))
    return parts


def curve(series, x, y, y_axis, limits):
    """One line with its points and intervals."""
    def inside(value):
        return min(max(value, limits[0]), limits[1])
    path = " ".join(f"{number(x(px))},{number(y(py))}" for px, py, *_ in series.points)
    parts = [tag("polyline", points=path, class_=f"line {series.role}")]
    for px, py, low, high in series.points:
        if low is not None and high is not None and series.role != "envelope":
            parts.append(line(x(px), y(inside(low)), x(px), y(inside(high)), "whisker"))
    if series.role not in UNLABELLED:
        parts += [tag("circle", cx=number(x(px)), cy=number(y(py)), r="2.2", class_="dot") for px, py, *_ in series.points]
    if series.ring:
        parts.append(tag("circle", cx=number(x(series.ring[0])), cy=number(y(series.ring[1])), r=6, class_="ring"))
    last = series.points[-1]
    parts.append(tag("title", f"{series.name}{series.note}: {y_axis.value(last[1])} at the end"))
    return parts


def y_limits(series, log):
    """Range of the values of lines, or None if there is nothing to draw."""
    values = [point[1] for line_ in series for point in line_.points]
    if not values:
        return None
    if log:
        return min(values) / 1.25, max(values) * 1.25
    return min(0, min(values)), max(max(values) * 1.08, 1e-9)


def lines(title, about, run, x_axis, y_axis, series, limits=None, labels=0):
    """Lines by x. limits and labels: the range of y, and room for so many labels, so that neighbours share both."""
    series = [line_ for line_ in series if line_.points]
    head = Head(title, about, run.execution_text(), run.emulated)
    top = head.bottom
    bottom = top + max(250, LINE * max(labels, sum(line_.role not in UNLABELLED for line_ in series)) + 10)
    xs = sorted({point[0] for line_ in series for point in line_.points})
    limits = limits or y_limits(series, y_axis.log)
    low, high = xs[0], xs[-1]
    if low == high:
        low, high = (low / 2, high * 2) if x_axis.log else (low - 1, high + 1)
    x = Scale(low, high, LEFT + 8, WIDTH - RIGHT - 8, x_axis.log)
    y = Scale(*limits, bottom, top, y_axis.log)
    parts = frame(x_axis, y_axis, x, y, xs, limits, top, bottom)
    labelled = [line_ for line_ in series if line_.role not in UNLABELLED]
    places = spread([y(line_.points[-1][1]) for line_ in labelled], top + 4, bottom - 2)
    for line_ in series:
        drawn = curve(line_, x, y, y_axis, limits)
        if line_ in labelled:
            place, end = places[labelled.index(line_)], line_.points[-1]
            drawn.append(line(x(end[0]) + 3, y(end[1]), WIDTH - RIGHT + 8, place, "leader"))
            label = short(line_.name, LABEL_CHARS - len(line_.note)) + line_.note
            drawn.append(text(WIDTH - RIGHT + 10, place + 4, label, "label"))
        parts.append(tag("g", *drawn, class_=f"series {line_.style}", data_c=line_.name))
    return picture(head, bottom + BOTTOM, parts)


def strips(title, about, run, unit, rows):
    """All samples of each contender: rows of (name, style, rounds, median, interval, note). The axis is logarithmic."""
    head = Head(title, about, run.execution_text(), run.emulated)
    height, left, right = 22, LEFT + 108, WIDTH - 118
    top, bottom = head.bottom, head.bottom + height * len(rows)
    values = [value for _, _, rounds, *_ in rows for samples in rounds for value in samples if value > 0]
    limits = min(values) / 1.1, max(values) * 1.1
    x = Scale(*limits, left, right, True)
    parts = []
    marks = ticks(*limits, unit, True)
    for i, value in enumerate(marks):
        parts.append(line(x(value), top, x(value), bottom, "grid"))
        parts.append(text(x(value), bottom + 16, tick(value, unit), "tick", "middle")
                     if len(marks) <= 6 or i % 2 == 0 else None)
    parts.append(tag("rect", x=left, y=number(top), width=right - left, height=number(bottom - top), class_="frame"))
    for i, (name, style_, rounds, median_, ci95, note) in enumerate(rows):
        y = top + i * height
        seen = sorted({number(x(value)) for samples in rounds for value in samples if value > 0})
        middles = [sorted(samples)[len(samples) // 2] for samples in rounds if samples]
        drawn = [text(left - 8, y + 15, short(name, 26), "label", "end"),
                 tag("path", d="".join(f"M{place} {number(y + 6)}v10" for place in seen), class_="sample"),
                 *(tag("circle", cx=number(x(value)), cy=number(y + 11), r=2, class_="round") for value in middles if value > 0)]
        if ci95 and ci95[0] > 0:
            drawn.append(tag("rect", x=number(x(ci95[0])), y=number(y + 4), height=14, class_="band",
                             width=number(max(1, x(ci95[1]) - x(ci95[0])))))
        if median_ > 0:
            drawn.append(line(x(median_), y + 3, x(median_), y + 19, "median"))
        drawn += [text(right + 8, y + 15, amount(median_, unit) + note, "label"), tag("title", f"{name}: {amount(median_, unit)}")]
        parts.append(tag("g", *drawn, class_=f"series {style_}", data_c=name))
    return picture(head, bottom + 26, parts)


def stack(title, about, run, unit, names, rows):
    """Bars of parts: rows of (contender, [(part, value)], total). Parts below 0 are not drawn."""
    head = Head(title, about, run.execution_text(), run.emulated)
    height, left, right = 22, LEFT + 108, WIDTH - 90
    keys, at = [], 6
    y = head.bottom
    for i, name in enumerate(names):
        width = 24 + 6.2 * len(name)
        if at + width > WIDTH:
            at, y = 6, y + 16
        keys += [tag("rect", x=number(at), y=number(y), width=10, height=10, class_=f"part p{i}"),
                 text(at + 14, y + 9, name, "label")]
        at += width
    top, bottom = y + 20, y + 20 + height * len(rows)
    high = max(max(total, sum(value for _, value in parts if value > 0)) for _, parts, total in rows) * 1.02
    x = Scale(0, high, left, right, False)
    drawn = [*keys]
    for value in ticks(0, high, unit, False):
        drawn += [line(x(value), top, x(value), bottom, "grid"), text(x(value), bottom + 16, tick(value, unit), "tick", "middle")]
    for i, (name, parts, total) in enumerate(rows):
        y, at = top + i * height, 0.0
        bar = [text(left - 8, y + 15, short(name, 26), "label", "end")]
        for part, value in parts:
            if value > 0:
                bar.append(tag("rect", tag("title", f"{name}, {part}: {amount(value, unit)}, {value / total:.1%}"), x=number(x(at)),
                               y=number(y + 3), width=number(max(0.2, x(at + value) - x(at))), height=height - 6,
                               class_=f"part p{names.index(part)}"))
                at += value
        bar += [line(x(total), y + 1, x(total), y + height - 1, "median"), text(right + 8, y + 15, amount(total, unit), "label")]
        drawn.append(tag("g", *bar, class_="series", data_c=name))
    drawn.append(tag("rect", x=left, y=number(top), width=right - left, height=number(bottom - top), class_="frame"))
    return picture(head, bottom + 26, drawn)


def plot_data(title, run, x_axis, y_axis, series):
    """The same lines for the chart that can be zoomed: columns, with null where a line has no point."""
    series = [line_ for line_ in series if line_.points]
    xs = sorted({point[0] for line_ in series for point in line_.points})
    at = [{point[0]: point for point in line_.points} for line_ in series]
    return {"title": title, "execution": run.execution_text(),
            "x": {"name": x_axis.name, "log": x_axis.log, "values": xs, "texts": [x_axis.text(value) for value in xs]},
            "y": {"name": y_axis.name, "unit": y_axis.unit, "log": y_axis.log},
            "series": [{"name": line_.name, "style": line_.style, "role": line_.role,
                        "values": [points[x][1] if x in points else None for x in xs],
                        "texts": [y_axis.value(points[x][1]) if x in points else "" for x in xs]}
                       for line_, points in zip(series, at)]}


def plain_style(css):
    """picture.css in its light colours without variables, which browsers know, but few other programs."""
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))
    values = dict(re.findall(r"--(\w+): ([^;]+);", rules[0][1]))
    colours = {selector.split(".")[-1].strip(): values[name] for selector, body in rules
               for name in re.findall(r"--c: var\(--(\w+)\)", body)}
    plain = []
    for selector, body in rules[1:]:
        selector, body = selector.strip(), re.sub(r"--\w+: [^;]*;", "", body)
        if "var(--c" in body:
            colour = re.compile(r"var\(--c(, var\(--\w+\))?\)")
            plain.append((selector, colour.sub(values["ink"], body)))
            plain += [(selector.replace(".series ", "").replace(".picture ", f".picture .{name} ", 1), colour.sub(value, body))
                      for name, value in colours.items()]
        elif body.strip():
            plain.append((selector, re.sub(r"var\(--(\w+)\)", lambda match: values[match.group(1)], body)))
    return "\n".join(f"{selector} {{{body}}}" for selector, body in plain)


def exported(svg, css):
    """A picture as a file of its own. css: plain_style()"""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + svg.replace("><title>", f"><style>{css}</style><title>", 1) + "\n"
