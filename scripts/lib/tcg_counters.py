# SPDX-License-Identifier: MIT
"""What the plugin of the emulator counted, put into the result files that the guest wrote.

The plugin sees the guest's instructions and cannot speak to its programs, so the counts of a case travel on the host:
the log names each case by a hash of the run's id and its place in the result file (mark_of() in harness/run.c).
"""

import json

EVENTS = ("instructions", "loads", "stores", "dTLB-misses", "L1D-misses", "LLC-misses")
SCOPES = ("u", "k")
NAMES = [(f"tcg-{event}", scope) for scope in SCOPES for event in EVENTS]


def hash32(text):
    """FNV-1a."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xffffffff
    return value


def read_log(path):
    """{name of a case: list of counts, or the reason why there are none}."""
    cases = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            name, state, *counts = line.split()
            name = int(name, 16)
            if name in cases:
                cases[name] = "two runs of this guest have the same id, so that their counts cannot be told apart"
            elif state != "ok":
                cases[name] = "a task was still inside of what is counted when the case ended"
            else:
                cases[name] = [int(count) for count in counts]
    return cases


def counters(found, reason):
    """The entries of one case. found: counts, a reason, or None; reason: why nothing can be counted, or None."""
    state = "exact"
    if reason:
        state = "not-supported"
    elif not isinstance(found, list):
        state, reason = "not-counted", found or "the plugin saw no marks of this case"
    values = found if state == "exact" else [None] * len(NAMES)
    return [{"event": event, "scope": scope, "state": state, "reason": reason, "value": value, "enabled_ns": 0, "running_ns": 0}
            for (event, scope), value in zip(NAMES, values)]


def add(content, cases, reason=None):
    """The text of a file, with the counts in it if it is a result file that lacks them; else as it is."""
    try:
        result = json.loads(content)
        if result["schema"]["name"] != "mmlab-result":
            return content
        run_hash = hash32(result["run"]["id"])
        for index, case in enumerate(result["cases"], 1):
            there = any(counter["event"] == NAMES[0][0] for counter in case["counters"])
            if case["status"] == "ok" and not there:
                case["counters"] += counters(cases.get(run_hash << 32 | index), reason)
    except (ValueError, KeyError, TypeError):
        return content
    return (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode()
