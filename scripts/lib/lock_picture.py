# SPDX-License-Identifier: MIT
"""Simulated throughput by number of threads, as one self-contained SVG; both axes logarithmic. Measured points are rings."""

import math

from transfer_picture import (BOTTOM, COLOURS, LABELS, LEFT, PLOT_H, PLOT_W, STYLE, TOP, Scale, line, spread, text)


def rate_text(value):
    for shift, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= shift:
            return f"{value / shift:.3g}{letter}/s"
    return f"{value:.3g}/s"


def axes(x, y, numbers, low, high):
    parts = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        if low <= 10 ** power <= high:
            parts.append(line(LEFT, y(10 ** power), LEFT + PLOT_W, y(10 ** power), "#ddd"))
            parts.append(text(LEFT - 6, y(10 ** power) + 4, rate_text(10 ** power), anchor="end"))
    for number in numbers:
        parts.append(line(x(number), TOP, x(number), TOP + PLOT_H, "#eee"))
        parts.append(text(x(number), TOP + PLOT_H + 16, f"{number}", anchor="middle"))
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{PLOT_W}" height="{PLOT_H}" fill="none" stroke="#888"/>')
    return parts


def draw(title, origin, curves, measured):
    """curves, measured: {name: [(threads, operations in a second)]}. Return: the picture as text."""
    numbers = sorted({n for points in curves.values() for n, _ in points})
    values = [rate for points in (*curves.values(), *measured.values()) for _, rate in points]
    low, high = min(values) / 1.5, max(values) * 1.5
    x, y = Scale(numbers[0], numbers[-1], LEFT, LEFT + PLOT_W), Scale(low, high, TOP + PLOT_H, TOP)
    width, height = LEFT + PLOT_W + LABELS, TOP + PLOT_H + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" style="{STYLE}">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             text(12, 22, title, extra=' font-size="16"'),
             text(12, 42, f"operations in a second, by number of threads, each on a CPU; {origin}"),
             text(12, 60, "SIMULATION. Rings: measured.", "#c0392b", extra=' class="simulation" font-weight="bold"')]
    parts += axes(x, y, numbers, low, high)
    labels = []
    for i, (name, points) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x(n):.1f},{y(rate):.1f}" for n, rate in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        parts += [f'<circle cx="{x(n):.1f}" cy="{y(rate):.1f}" r="4" fill="none" stroke="{colour}"/>'
                  for n, rate in measured.get(name, []) if n in numbers]
        labels.append((f"{name}: {rate_text(points[-1][1])}", colour, x(points[-1][0]), y(points[-1][1])))
    for (label, colour, end_x, end_y), place in zip(labels, spread([entry[3] for entry in labels], TOP + 4, TOP + PLOT_H)):
        parts.append(line(end_x + 2, end_y, LEFT + PLOT_W + 12, place, colour, ' stroke-width="0.5" stroke-dasharray="1 3"'))
        parts.append(text(LEFT + PLOT_W + 14, place + 4, label, colour))
    return "\n".join(parts + ["</svg>"]) + "\n"
