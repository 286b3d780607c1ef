# SPDX-License-Identifier: MIT
"""Numbers as text, as `mmlab report` prints them."""

import math

from result_file import size_text, time_text

BYTE_AXES = ("size", "pattern", "threshold")


def amount(value, unit):
    """A value of a metric with its unit."""
    if value is None:
        return "-"
    if unit == "ns":
        return time_text(value)
    if unit != "bytes":
        return f"{value:.6g}" + ("" if unit in ("", "faults") else f" {unit}")
    for name in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or name == "GiB":
            break
        value /= 1024
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {name}"


def tick(value, unit):
    """An amount on an axis: without digits that say nothing."""
    return amount(value, unit).replace(".00 ", " ").replace(".0 ", " ")


def point(axis, value):
    """A point of an axis, as on the command line."""
    if isinstance(value, str):
        return value
    if axis == "touch":
        return f"{value:g}%"
    if axis in BYTE_AXES and value >= 1024 and value % 1024 == 0:
        return size_text(value) if value % (1 << 20) == 0 or value < 1 << 20 else f"{value // 1024:.0f}K"
    return f"{value:.10g}"


def setting(params):
    return "  ".join(f"{axis}={point(axis, value)}" for axis, value in params.items())


def ratio(value):
    """Three digits, and no exponent as long as it can be read without."""
    if abs(value) >= 1e9 or 0 < abs(value) < 1e-7:
        return f"{value:.3g}"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:,.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def interval(ends):
    """'(low to high)' of a ratio, with a space before it, or nothing."""
    if not ends or ends[0] is None or ends[1] is None:
        return ""
    return f" ({ratio(ends[0])} to {ratio(ends[1])})"


def factor(value):
    return f"{ratio(value)} times"


def words(names, limit=4):
    """'a, b and c', cut short."""
    names = list(names)
    if len(names) > limit:
        names = names[:limit] + [f"{len(names) - limit} more"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else "none"
