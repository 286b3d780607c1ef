# SPDX-License-Identifier: MIT
"""Bytes of page tables by number of processes, as one self-contained SVG; both axes logarithmic."""

import math

from transfer_picture import (BOTTOM, COLOURS, LABELS, LEFT, PLOT_H, PLOT_W, STYLE, TOP, Scale, line, spread, text)
from result_file import Unusable, size_text

METRIC = "tables-system"


def widest_size(result):
    """The size with the most points, and among those the largest."""
    counts = {}
    for points in result.contenders.values():
        for point in points:
            if point.medians.get(METRIC):
                counts[point.bytes] = counts.get(point.bytes, 0) + 1
    if not counts:
        raise Unusable(f"{METRIC} was measured nowhere")
    return max(counts, key=lambda size: (counts[size], size))


def axes(x, y, numbers, low, high):
    parts = []
    for power in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1):
        if power % 4 == 0:
            parts.append(line(LEFT, y(2 ** power), LEFT + PLOT_W, y(2 ** power), "#ddd"))
            parts.append(text(LEFT - 6, y(2 ** power) + 4, size_text(2 ** power), anchor="end"))
    for number in numbers:
        parts.append(line(x(number), TOP, x(number), TOP + PLOT_H, "#eee"))
        parts.append(text(x(number), TOP + PLOT_H + 16, f"{number}", anchor="middle"))
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{PLOT_W}" height="{PLOT_H}" fill="none" stroke="#888"/>')
    return parts


def draw(result):
    """The picture as text."""
    size = widest_size(result)
    curves = {name: sorted((p.n, p.medians[METRIC]) for p in points if p.bytes == size and p.medians.get(METRIC))
              for name, points in result.contenders.items()}
    curves = {name: points for name, points in curves.items() if points}
    numbers = sorted({n for points in curves.values() for n, _ in points})
    values = [value for points in curves.values() for _, value in points]
    low, high = min(values) / 1.5, max(values) * 1.5
    x, y = Scale(numbers[0], numbers[-1], LEFT, LEFT + PLOT_W), Scale(low, high, TOP + PLOT_H, TOP)
    width, height = LEFT + PLOT_W + LABELS, TOP + PLOT_H + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" style="{STYLE}">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             text(12, 22, f"Page tables of {size_text(size)} in many processes", extra=' font-size="16"'),
             text(12, 42, f"bytes in PageTables, by number of processes; run {result.run['id']}"
                          + ("" if result.run["complete"] else ", INCOMPLETE")),
             text(12, 60, f"kernel {result.machine['kernel']['release']}, {result.machine['execution']}; bytes are exact",
                  extra=' class="execution" font-weight="bold"')]
    parts += axes(x, y, numbers, low, high)
    labels = []
    for colour, (name, points) in zip(COLOURS, curves.items()):
        path = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        parts += [f'<circle cx="{x(n):.1f}" cy="{y(value):.1f}" r="2" fill="{colour}"/>' for n, value in points]
        labels.append((f"{name}: {size_text(points[-1][1])} at {points[-1][0]}", colour, x(points[-1][0]), y(points[-1][1])))
    for (label, colour, end_x, end_y), place in zip(labels, spread([entry[3] for entry in labels], TOP + 4, TOP + PLOT_H)):
        parts.append(line(end_x + 2, end_y, LEFT + PLOT_W + 12, place, colour, ' stroke-width="0.5" stroke-dasharray="1 3"'))
        parts.append(text(LEFT + PLOT_W + 14, place + 4, label, colour))
    return "\n".join(parts + ["</svg>"]) + "\n"
