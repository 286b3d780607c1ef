# SPDX-License-Identifier: MIT
"""The report of a bisection, as JSON and as text made from it."""
import os

SCHEMA = {"name": "mmlab-bisect", "version": 1}
FOUND, SUSPECTS, UNCONFIRMED = "found", "suspects", "unconfirmed"


def step_json(step):
    return {"name": step.name, "commit": step.commit, "kernel": step.kernel, "date": step.date, "subject": step.subject}


def make(search, outcome, reason, folder):
    """Paths of files are relative to the folder."""
    found = outcome in (FOUND, SUSPECTS, UNCONFIRMED)
    return {
        "schema": SCHEMA, "outcome": outcome, "reason": reason, "folder": folder, "settings": search.state.settings,
        "emulated": search.emulated, "deterministic": search.deterministic, "notes": search.notes,
        "target": {"series": search.judge.series, "metric": search.judge.metric, "unit": search.judge.unit},
        "n_steps": len(search.steps), "good": step_json(search.steps[0]), "bad": step_json(search.steps[-1]),
        "ends": search.ends and search.ends.json(),
        "before": step_json(search.steps[search.lo]) if found else None,
        "suspects": [step_json(step) for step in search.steps[search.lo + 1:search.hi + 1]] if found else [],
        "change": search.last, "confirmation": search.confirmation, "others": search.others,
        "left_out": [{"step": step_json(search.steps[place]), "reason": text} for place, text in sorted(search.skipped.items())],
        "visits": search.visits, "measurements": search.used,
    }


def number(value):
    return value if isinstance(value, str) else "-" if value is None else f"{value:.6g}"


def change_text(change, unit=None):
    text = f"{number(change['base'])} -> {number(change['head'])}" + (f" {unit}" if unit else "")
    if change["ratio"] is not None and change["base"] != change["head"]:
        text += f" ({100 * (change['ratio'] - 1):+.3g} %)"
    return text + (f", {change['direction']}" if change["direction"] != "none" else "")


def title(step):
    if step["subject"] is None:
        return step["name"]
    return f"{step['name'][:12]} {step['date']} {step['subject']}"


def headline(report):
    target = f"{report['target']['metric']} of {report['target']['series']}"
    suspects, unit = report["suspects"], report["target"]["unit"]
    if report["outcome"] == FOUND:
        yield title(suspects[0])
        yield f"changed {target}: {change_text(report['change'], unit)}"
        yield f"a second measurement says the same: {change_text(report['confirmation'], unit)}"
    elif report["outcome"] == SUSPECTS:
        yield f"one of these {len(suspects)} changed {target}: {change_text(report['change'], unit)}"
        yield from (f"  {title(step)}" for step in suspects)
        yield "those between the first measured one and the last could not be measured or told apart (reasons below)"
        yield f"a second measurement of both ends says the same: {change_text(report['confirmation'])}"
    elif report["outcome"] == UNCONFIRMED:
        yield "NOT CONFIRMED: the search ended here, but a second measurement does not show the change:"
        yield from (f"  {title(step)}" for step in suspects)
        yield f"first  {change_text(report['change'])}"
        yield f"second {change_text(report['confirmation'])}: {report['confirmation']['reason'] or report['confirmation']['verdict']}"
    else:
        yield f"refused: {report['reason']}"


def visit_text(visit, names):
    step = names[visit["step"]]
    if not visit["side"]:
        return f"  {step}  left out: {visit['reason']}"
    value = visit["below"]["head"]
    return f"  {step}  {number(value)}  {'changed by then' if visit['side'] == 'below' else 'changed later'}"


def text(report):
    lines = [*headline(report), ""]
    lines.append(f"good  {title(report['good'])}")
    lines.append(f"bad   {title(report['bad'])}")
    if report["ends"]:
        lines.append(f"both ends, measured for this: {change_text(report['ends'], report['target']['unit'])}, {report['ends']['verdict']}")
    if report["emulated"]:
        lines.append("EMULATED: " + ("time is the number of instructions executed." if report["deterministic"] else
                                     "times show shapes, not the speed of any hardware."))
    lines += [f"note: {note}" for note in report["notes"]]
    for other in report["others"]:
        lines.append(f"another change, not followed, lies after {other['after'][:12]} and until {other['until'][:12]}: "
                     f"{change_text(other['change'])}")
    if report["visits"]:
        lines += ["", f"steps ({len(report['visits'])} of {report['n_steps'] - 2} between the ends):"]
        names = {visit["step"]: visit["step"][:12] for visit in report["visits"]}
        lines += [visit_text(visit, names) for visit in report["visits"]]
    lines += ["", f"raw data in {report['folder']}:"]
    for entry in report["measurements"]:
        what = entry["file"] or f"{entry['log']}  ({entry['reason']})"
        lines.append(f"  {entry['step'][:12]}  {entry['purpose']}, {entry['rounds']} rounds, seed {entry['seed']}  {what}")
    lines.append(f"this as JSON: {os.path.join(report['folder'], 'report.json')}")
    return "\n".join(lines) + "\n"
