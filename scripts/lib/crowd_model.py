# SPDX-License-Identifier: MIT
"""What a crowd costs as a sum of parts: fixed, for each process, for each 2 MiB, for each process and 2 MiB.

Coefficients are those that fit all measured points but one best, by relative least squares, and are not negative: nothing
costs less than nothing. The point that is held out, the largest, says what the fit is worth.
"""

import itertools

CHUNK, GIB = 2 << 20, 1 << 30

TIMES = {
    "fixed": lambda n, chunks, gibs: 1,
    "process": lambda n, chunks, gibs: n,
    "chunk": lambda n, chunks, gibs: chunks,
    "process_chunk": lambda n, chunks, gibs: n * chunks,
}
# Tables of the second level come by the GiB.
TABLES = {**TIMES, "gib": lambda n, chunks, gibs: gibs, "process_gib": lambda n, chunks, gibs: n * gibs}

METRICS = (
    ("tables-system", "bytes of page tables", TABLES, "bytes"),
    ("time", "attaching and the first touch", TIMES, "ns"),
    ("exit", "the end of all processes", TIMES, "ns"),
    ("protect-all", "a change of the whole region's protection", TIMES, "ns"),
)


def units(n, size):
    return n, size / CHUNK, -(-size // GIB)


def solve(rows, values):
    """Least squares by the normal equations and elimination with pivoting, or None if they are singular."""
    k = len(rows[0])
    a = [[sum(row[i] * row[j] for row in rows) for j in range(k)] + [sum(row[i] * v for row, v in zip(rows, values))]
         for i in range(k)]
    for i in range(k):
        pivot = max(range(i, k), key=lambda r: abs(a[r][i]))
        if abs(a[pivot][i]) < 1e-12:
            return None
        a[i], a[pivot] = a[pivot], a[i]
        for r in range(k):
            if r != i:
                factor = a[r][i] / a[i][i]
                a[r] = [x - factor * y for x, y in zip(a[r], a[i])]
    return [a[i][k] / a[i][i] for i in range(k)]


def fit(points, terms):
    """Coefficients by term, for [(n, bytes, value)]: the best that are not negative, and the fewest that are as good."""
    columns = {name: [term(*units(n, size)) for n, size, _ in points] for name, term in terms.items()}
    best = None
    for k in range(1, len(terms) + 1):
        for names in itertools.combinations(terms, k):
            if k > len(points):
                continue
            # Relative to the value, and each column to its largest entry, so that numbers are of one order.
            scale = {name: max(c / v for c, (_, _, v) in zip(columns[name], points)) for name in names}
            rows = [[columns[name][i] / points[i][2] / scale[name] for name in names] for i in range(len(points))]
            solution = solve(rows, [1.0] * len(points))
            if solution is None or min(solution) < 0:
                continue
            error = sum((sum(c * x for c, x in zip(row, solution)) - 1) ** 2 for row in rows)
            if best is None or error < best[0] - 1e-9:
                best = (error, {name: c / scale[name] for name, c in zip(names, solution)})
    return {name: best[1].get(name, 0.0) for name in terms} if best else None


def predict(coefficients, terms, n, size):
    return sum(coefficients[name] * term(*units(n, size)) for name, term in terms.items())


def extrapolate(points, metric, terms, n, size):
    """One line of the table: a dict, with "reason" if there is none. points: of one contender."""
    known = [(p.n, p.bytes, p.medians[metric]) for p in points if p.medians.get(metric)]
    if not known:
        return {"reason": "not measured, or 0"}
    held = max(known, key=lambda point: (point[0] * point[1], point[0]))
    used = [point for point in known if point is not held]
    if len({n for n, _, _ in used}) < 2 or len({size for _, size, _ in used}) < 2:
        return {"reason": "needs two numbers of processes and two sizes beside the largest point"}
    if "gib" in terms and size > GIB and len({-(-size // GIB) for _, size, _ in used}) < 2:
        return {"reason": "needs sizes up to and beyond 1G: tables of the second level come by the GiB"}
    coefficients = fit(used, terms)
    if not coefficients:
        return {"reason": "no sum of costs fits"}
    at_held = predict(coefficients, terms, *held[:2])
    return {"reason": None, "coefficients": coefficients, "fitted_points": len(used),
            "worst_fit": max(abs(predict(coefficients, terms, *point[:2]) / point[2] - 1) for point in used),
            "held_out": {"procs": held[0], "size": held[1], "measured": held[2], "predicted": at_held,
                         "error": at_held / held[2] - 1},
            "extrapolated": {"procs": n, "size": size, "value": predict(coefficients, terms, n, size)}}
