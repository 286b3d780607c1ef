#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Publish one result in every format, hold the output against the result and against the format's public parser or its
published rules, and see that damaged output and damaged results are refused.

usage: test-publish.py PROGRAM
"""
import copy
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema
from prometheus_client.openmetrics.parser import text_string_to_metric_families

PROGRAM = os.path.abspath(sys.argv[1])
FORMATS = ("github-action-benchmark", "bencher", "perfherder", "kcidb", "openmetrics", "influx", "benchfmt")
CASES = ("fake/good", "fake/other", "fake/lacks-number", "fake/skips")


def measured():
    """A real file with one metric whose direction is up, and one whose name needs no unit."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        subprocess.run([PROGRAM, "run", *CASES, "--rounds", "6", "--axis", "pages=1,5", "--events", "none", "-o", path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    for case in result["cases"]:
        for metric in case["metrics"]:
            if metric["name"] == "weight":
                metric["better"] = "higher"
    return result


RESULT = measured()
EMULATED = copy.deepcopy(RESULT)
EMULATED["machine"].update(execution="tcg", emulated=True)


class Refused(Exception):
    """The output is not what it should be."""


def require(condition, text):
    if not condition:
        raise Refused(text)


def strict_json(text):
    def pairs(items):
        require(len({key for key, _ in items}) == len(items), "a key stands twice")
        return dict(items)

    def constant(name):
        raise Refused(f"{name} is not JSON")
    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except ValueError as error:
        raise Refused(str(error)) from error


def number(text):
    """As C prints it, whatever the locale."""
    require(re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", text), f"{text} is no number")
    return float(text)


def rows(result):
    """(scenario, contender, parameters in alphabetical order, metric) of all numbers."""
    for case in result["cases"]:
        for metric in case["metrics"]:
            if metric["median"] is not None:
                yield case["scenario"], case["contender"], tuple(sorted((k, str(v)) for k, v in case["params"].items())), metric


def expected_series(result):
    """What the output must say, in units that all formats can be brought to."""
    return {(scenario, contender, params, metric["name"]): (metric["median"], metric["better"])
            for scenario, contender, params, metric in rows(result)}


def is_emulated(result):
    return result["machine"]["execution"].startswith("tcg")


def same_series(found, result, directions=True):
    expected = expected_series(result)
    require(found, "nothing was published")
    require(set(found) == set(expected), f"series differ: {sorted(set(found) ^ set(expected))[:2]}")
    for key, (value, better) in expected.items():
        require(math.isclose(found[key][0], value, rel_tol=1e-12), f"{key} is {found[key][0]}, not {value}")
        require(not directions or found[key][1] == better, f"{key}: wrong direction")


def schema(name, data, definition):
    try:
        jsonschema.Draft7Validator(definition, format_checker=jsonschema.FormatChecker()).validate(data)
    except jsonschema.ValidationError as error:
        raise Refused(f"{name}: {error.message[:200]}") from error


def closed(required, **optional):
    """An object with these keys and no other."""
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": {**required, **optional}}


TEXT = {"type": "string", "minLength": 1}
LABEL = r"(?P<label> \[EMULATED(?:-icount)?\])?"


def title(text, result):
    """scenario, contender and parameters from "scenario/contender axis=point [label]"."""
    match = re.fullmatch(rf"(?P<s>[\w-]+)/(?P<c>[\w-]+)(?P<p>(?: [\w-]+=[\w.-]+)*){LABEL}", text)
    require(match, f"'{text}' is no name of a series")
    require(bool(match["label"]) == is_emulated(result), "emulation is not as it was")
    params = tuple(tuple(part.split("=")) for part in match["p"].split())
    require(list(params) == sorted(params), "axes are not in order")
    return match["s"], match["c"], params


UNITS = {"time": "ns", "faults": "faults", "weight": "bytes"}


def check_github(files, result):
    """The action coerces: null becomes 0, a missing name "undefined". So every type is checked here."""
    found = {}
    for name, text in files.items():
        better = {"customSmallerIsBetter.json": "lower", "customBiggerIsBetter.json": "higher"}.get(name)
        require(better, f"the action has no tool {name}")
        entries = strict_json(text)
        schema("github-action-benchmark", entries, {"type": "array", "minItems": 1, "items": closed(
            {"name": TEXT, "value": {"type": "number"}, "unit": TEXT}, range={"type": "string", "pattern": r"^± \d"}, extra=TEXT)})
        for entry in entries:
            series, metric = entry["name"].rsplit(": ", 1)
            key = (*title(series, result), metric)
            require(key not in found, "a series stands twice")
            require(entry["unit"] == UNITS[metric], "wrong unit")
            require(f"machine {result['machine']['key']}, {result['machine']['execution']};" in entry["extra"], "other machine")
            found[key] = entry["value"], better
    same_series(found, result)


def check_bencher(files, result):
    """services/console/public/bmf.json demands only a number as value; keys have lengths that it does not state."""
    data = strict_json(files["bencher.json"])
    measure = closed({"value": {"type": "number"}}, lower_value={"type": "number"}, upper_value={"type": "number"})
    schema("bencher", data, {
        "type": "object", "minProperties": 1, "propertyNames": {"maxLength": 1024}, "additionalProperties": {
            "type": "object", "minProperties": 1, "additionalProperties": measure,
            "propertyNames": {"maxLength": 64, "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"}}})
    names = {"time-ns": "time", "faults": "faults", "weight-bytes": "weight"}
    found = {}
    for benchmark, measures in data.items():
        for slug, value in measures.items():
            require(slug in names, f"no metric is called {slug}")
            require(value.get("lower_value", -math.inf) <= value["value"] <= value.get("upper_value", math.inf), "bounds are wrong")
            found[(*title(benchmark, result), names[slug])] = value["value"], None
    same_series(found, result, directions=False)


def check_perfherder(files, result):
    """schemas/performance-artifact.json, with no key beyond those used; replicates are read though it omits them."""
    data = strict_json(files["perfherder-data-mmlab.json"])
    value = {"type": "number", "minimum": -1e12, "maximum": 1e12}
    subtest = closed({"name": {**TEXT, "maxLength": 80}, "value": value, "unit": {**TEXT, "maxLength": 20},
                      "lowerIsBetter": {"type": "boolean"}, "replicates": {"type": "array", "minItems": 1, "items": value}})
    options = {"type": "array", "uniqueItems": True, "maxItems": 8, "items": {**TEXT, "maxLength": 100}}
    tags = {"type": "array", "maxItems": 14, "items": {"type": "string", "pattern": "^[a-zA-Z0-9-]{1,24}$"}}
    schema("perfherder", data, closed({"framework": closed({"name": TEXT}), "suites": {
        "type": "array", "minItems": 1, "items": closed({
            "name": {**TEXT, "maxLength": 80}, "extraOptions": options, "tags": tags,
            "subtests": {"type": "array", "minItems": 1, "items": subtest}})}}))
    found = {}
    for suite in data["suites"]:
        options = list(suite["extraOptions"])
        label = options.pop() if options and options[-1].startswith("EMULATED") else None
        require(bool(label) == is_emulated(result), "emulation is not as it was")
        require(suite["tags"] == [result["machine"]["execution"]], "other execution")
        for test in suite["subtests"]:
            key = (*suite["name"].split("/"), tuple(tuple(option.split("=")) for option in options), test["name"])
            require(key not in found, "a series stands twice")
            require(test["unit"] == UNITS.get(test["name"]), "wrong unit")
            middle = sorted(test["replicates"])[(len(test["replicates"]) - 1) // 2:][:2 - len(test["replicates"]) % 2]
            require(math.isclose(sum(middle) / len(middle), test["value"], rel_tol=1e-12), "replicates are not those of the value")
            found[key] = test["value"], "lower" if test["lowerIsBetter"] else "higher"
    same_series(found, result)


def check_kcidb(files, result):
    """The rules of kcidb_io/schema/v05_03.py for what is used of it, and what it lets pass: dangling and repeated ids."""
    data = strict_json(files["kcidb.json"])
    origin, ident = {"type": "string", "pattern": "^[a-z0-9_]+$"}, {"type": "string", "pattern": "^[a-z0-9_]+:.*$"}
    when = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
    figure = closed({"value": {"type": "number"}}, unit=TEXT, prefix={"enum": ["metric", "binary"]})
    schema("kcidb", data, closed({
        "version": closed({"major": {"const": 5}, "minor": {"const": 3}}),
        "checkouts": {"type": "array", "minItems": 1, "items": closed({"id": ident, "origin": origin}, comment=TEXT,
                                                                      valid={"type": "boolean"})},
        "builds": {"type": "array", "minItems": 1, "items": closed(
            {"id": ident, "origin": origin, "checkout_id": ident}, comment=TEXT,
            architecture={"type": "string", "pattern": "^[a-z0-9_]*$"})},
        "tests": {"type": "array", "minItems": 1, "items": closed(
            {"id": ident, "origin": origin, "build_id": ident}, number=figure, start_time=when, comment=TEXT,
            path={"type": "string", "pattern": r"^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$"},
            status={"enum": ["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"]}, misc={"type": "object"},
            environment=closed({}, comment=TEXT, misc={"type": "object"}, compatible={"type": "array"}))}}))
    for kind in ("checkouts", "builds", "tests"):
        ids = [item["id"] for item in data[kind]]
        require(len(set(ids)) == len(ids), "an id stands twice")
        require(all(item["id"].startswith(item["origin"] + ":") for item in data[kind]), "an id is not of its origin")
    require(all(b["checkout_id"] in {c["id"] for c in data["checkouts"]} for b in data["builds"]), "dangling checkout")
    require(all(t["build_id"] in {b["id"] for b in data["builds"]} for t in data["tests"]), "dangling build")
    paths = {re.sub(r"[^\w.-]", "_", ".".join(("mmlab", s, c, *(f"{k}_{v}".replace(".", "_") for k, v in p), m["name"]))):
             (s, c, p, m) for s, c, p, m in rows(result)}
    found, unmeasured = {}, []
    for test in data["tests"]:
        require(test["environment"]["misc"]["emulated"] == is_emulated(result), "emulation is not as it was")
        require(("EMULATED" in test["environment"]["comment"]) == is_emulated(result), "emulation is not as it was")
        require(test["environment"]["misc"]["machine"] == result["machine"]["key"], "other machine")
        if test["status"] != "DONE":
            require("number" not in test and test["comment"], "what was not measured has no number, but a reason")
            unmeasured.append(test["status"])
            continue
        require(test["path"] in paths, f"no series {test['path']}")
        scenario, contender, params, metric = paths[test["path"]]
        unit, prefix, factor = {"ns": ("s", "metric", 1e9), "bytes": ("B", "binary", 1)}.get(
            metric["unit"], (metric["unit"], None, 1))
        require((test["number"]["unit"], test["number"].get("prefix")) == (unit, prefix), "wrong unit")
        found[scenario, contender, params, metric["name"]] = test["number"]["value"] * factor, test["misc"]["better"]
    same_series(found, result)
    require(sorted(unmeasured) == sorted({"skipped": "SKIP", "failed": "ERROR"}[case["status"]] for case in result["cases"]
                                         if case["status"] != "ok"), "what was not measured is not all there")


def check_openmetrics(files, result):
    """Python's reference parser, and what it lets pass: a missing last line feed, equal label sets, order of descriptions."""
    text = files["mmlab.prom"]
    require(text.endswith("# EOF\n"), "the end is missing")
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise Refused(str(error)) from error
    require(not re.search(r"^# HELP (\S+) .*\n# TYPE \1 ", text, re.MULTILINE), "HELP before TYPE")
    identities = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
    require(len(set(identities)) == len(identities), "a sample stands twice")
    names, found, series = {"mmlab_time_seconds": ("time", 1e9, "seconds"), "mmlab_faults": ("faults", 1, ""),
                          "mmlab_weight_bytes": ("weight", 1, "bytes")}, {}, {}
    for family in families:
        require(family.type == "gauge", "a type that the textfile collector does not know")
        for sample in family.samples:
            labels = sample.labels
            stat = labels.pop("stat", None)
            series.setdefault((sample.name, tuple(sorted(labels.items()))), []).append(stat)
            require(sample.timestamp is None, "the textfile collector drops files with timestamps")
            require(labels["execution"] == result["machine"]["execution"] and
                    labels["emulated"] == ("true" if is_emulated(result) else "false"), "emulation is not as it was")
            if family.name == "mmlab_run_info":
                require(labels["run"] == result["run"]["id"] and sample.value == 1, "other run")
                continue
            require(family.name in names, f"no metric {family.name}")
            name, factor, unit = names[family.name]
            require(family.unit == unit and family.documentation, "wrong unit")
            params = tuple(sorted((key[5:], value) for key, value in labels.items() if key.startswith("axis_")))
            require(math.isfinite(sample.value), "not finite")
            if stat == "median":
                found[labels["scenario"], labels["contender"], params, name] = sample.value * factor, labels["better"]
    runs = [key for key in series if key[0] == "mmlab_run_info"]
    require(len(runs) == 1 and series.pop(runs[0]) == [None], "no run")
    require(all(sorted(stats) == ["max", "median", "min", "q1", "q3"] for stats in series.values()), "statistics are missing")
    same_series(found, result)


def parse_influx_publicly(text):
    """The reader of libinfluxdb-lineprotocol-perl, line by line; it is lenient, so it only has to agree."""
    script = ('use InfluxDB::LineProtocol qw(line2data); use JSON::PP; while (<STDIN>) '
              '{ my @d = line2data($_); print JSON::PP->new->canonical->encode(\\@d), "\\n" }')
    done = subprocess.run(["perl", "-e", script], input=text, capture_output=True, text=True, check=False)
    require(done.returncode == 0, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_influx(files, result):
    """The published grammar, then the public reader."""
    text = files["mmlab.influx"]
    key, tag = r"(?:[^,= \\\n\"]|\\[,= ])+", r"(?:[^,= \\\n]|\\[,= ])+"
    field = rf'{key}=(?:-?\d+(?:\.\d+)?(?:e[+-]\d+)?|-?\d+i|true|false|"(?:[^"\\\n]|\\["\\])*")'
    require(text.endswith("\n"), "the last line has no end")
    found, seen = {}, set()
    lines = text.splitlines()
    require(lines, "nothing was published")
    for line in lines:
        require(re.fullmatch(rf"[a-z]+(?:,{key}={tag})* {field}(?:,{field})* \d{{19}}", line), f"not a line: {line[:80]}")
    for line, (measurement, fields, tags, stamp) in zip(lines, parse_influx_publicly(text)):
        identity = line.split(" ")[0]
        require(identity not in seen, "a series stands twice")
        seen.add(identity)
        order = re.findall(r",([^,=]+)=", identity)
        require(measurement == "mmlab" and order == sorted(tags), "tags are not in order")
        require(re.search(r" median=[-0-9.e+]+,q1=[-0-9.e+]+,q3=[-0-9.e+]+,rounds=\d+i,exact=(true|false),", line), "wrong types")
        require(stamp == str(stamp_of(result)), "other time")
        require(tags["emulated"] == ("true" if is_emulated(result) else "false") and
                tags["execution"] == result["machine"]["execution"] and tags["machine"] == result["machine"]["key"], "other machine")
        require(tags["unit"] == UNITS.get(tags["metric"]), "wrong unit")
        require({"median", "q1", "q3", "rounds", "exact", "unstable", "commit", "kernel", "run"} == set(fields), "wrong fields")
        params = tuple(sorted((k[5:], v) for k, v in tags.items() if k.startswith("axis_")))
        found[tags["scenario"], tags["contender"], params, tags["metric"]] = number(fields["median"]), tags["better"]
    same_series(found, result)


def stamp_of(result):
    done = subprocess.run(["date", "-d", result["run"]["started"], "+%s"], capture_output=True, text=True, check=True)
    return int(done.stdout) * 10**9


def check_benchfmt(files, result):
    """The published grammar of golang.org/design/14313-benchmark-format, and unit lines as benchstat reads them."""
    text = files["mmlab.bench"]
    require(text.endswith("\n"), "the last line has no end")
    config, units, values = {}, {}, {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z][^A-Z\s:]*): (.*)", line)
        if match:
            require(match[1] not in config, "a configuration line stands twice")
            config[match[1]] = match[2]
        elif line.startswith("Unit "):
            _, unit, *facts = line.split(" ")
            require(unit not in units, "a unit stands twice")
            require(all(re.fullmatch("better=(lower|higher)|assume=(exact|nothing)", fact) for fact in facts), "a fact nobody knows")
            units[unit] = dict(fact.split("=") for fact in facts)
        else:
            name, count, *pairs = line.split("\t")
            match = re.fullmatch(r"Benchmark([A-Z]\w*)/([\w-]+)((?:/[\w-]+=[\w.-]+)*)/execution=([\w-]+?)(/EMULATED)?", name)
            require(match and int(number(count)) > 0 and pairs, f"not a result: {line[:80]}")
            require(match[4] == result["machine"]["execution"] and bool(match[5]) == is_emulated(result), "emulation is not as it was")
            params = tuple(tuple(part.split("=")) for part in match[3].split("/")[1:])
            line_units = set()
            for pair in pairs:
                value, unit = pair.split(" ")
                require(unit in units and unit not in line_units, f"unit {unit} is not declared, or stands twice")
                line_units.add(unit)
                values.setdefault((match[1][0].lower() + match[1][1:], match[2], params, unit), []).append(number(value))
    require(config == {"pkg": "mmlab", "machine": result["machine"]["key"], "execution": result["machine"]["execution"],
                       "emulated": "true" if is_emulated(result) else "false"}, "other configuration")
    require(units.get("faults/op", {}).get("assume") == "exact" and "assume" not in units["ns/op"], "what is exact is not said")
    names = {"ns/op": "time", "faults/op": "faults", "weight-bytes": "weight"}
    require(all(unit in names for *_, unit in values), "a unit of no metric")
    found = {}
    for (scenario, contender, params, unit), samples in values.items():
        require(len(samples) == result["run"]["rounds"], "rounds are missing")
        samples.sort()
        median = (samples[(len(samples) - 1) // 2] + samples[len(samples) // 2]) / 2
        found[scenario, contender, params, names[unit]] = median, units[unit].get("better")
    same_series(found, result)


CHECKS = {"github-action-benchmark": check_github, "bencher": check_bencher, "perfherder": check_perfherder, "kcidb": check_kcidb,
          "openmetrics": check_openmetrics, "influx": check_influx, "benchfmt": check_benchfmt}
SMALLER = "customSmallerIsBetter.json"


def edit(name, change):
    """Change parsed JSON."""
    def mutate(files):
        data = json.loads(files[name])
        files[name] = json.dumps(change(data) or data)
    return mutate


def text(name, pattern, by, count=1):
    """Change text; it must have changed."""
    def mutate(files):
        files[name], n = re.subn(pattern, by, files[name], count=count, flags=re.MULTILINE)
        assert n, pattern
    return mutate


def truncated(name):
    def mutate(files):
        files[name] = files[name][:len(files[name]) * 2 // 3]
    return mutate


def drop(container, key):
    def change(data):
        del container(data)[key]
    return change


def put(container, key, value):
    def change(data):
        container(data)[key] = value
    return change


def swap_directions(files):
    files[SMALLER], files["customBiggerIsBetter.json"] = files["customBiggerIsBetter.json"], files[SMALLER]


def first(data):
    return data[0]


def bench(data):
    return next(iter(data.values()))


def measure(data):
    return bench(data)["time-ns"]


def suite(data):
    return data["suites"][0]


def subtest(data):
    return suite(data)["subtests"][0]


def kci_test(data):
    return data["tests"][0]


BENCHER, PERF, KCIDB, PROM, INFLUX, BENCH = ("bencher.json", "perfherder-data-mmlab.json", "kcidb.json", "mmlab.prom",
                                             "mmlab.influx", "mmlab.bench")
MUTATIONS = {
    "github-action-benchmark": {
        "empty": edit(SMALLER, lambda d: d.clear()),
        "value null": edit(SMALLER, put(first, "value", None)),
        "value as text": edit(SMALLER, put(first, "value", "12")),
        "value NaN": edit(SMALLER, put(first, "value", math.nan)),
        "value of another": edit(SMALLER, put(first, "value", 1e9)),
        "no name": edit(SMALLER, drop(first, "name")),
        "no unit": edit(SMALLER, drop(first, "unit")),
        "wrong unit": edit(SMALLER, put(first, "unit", "us")),
        "misspelt key": edit(SMALLER, put(first, "ranges", "± 1")),
        "range null": edit(SMALLER, put(first, "range", None)),
        "series twice": edit(SMALLER, lambda d: d.append(d[0])),
        "series missing": edit(SMALLER, lambda d: d.pop(0)),
        "direction wrong": swap_directions,
        "decimal comma": text(SMALLER, r'("value": \d+)\.', r"\1,"),
        "killed while writing": truncated(SMALLER),
    },
    "bencher": {
        "empty": edit(BENCHER, lambda d: d.clear()),
        "no measures": edit(BENCHER, lambda d: bench(d).clear()),
        "value null": edit(BENCHER, put(measure, "value", None)),
        "value as text": edit(BENCHER, put(measure, "value", "12")),
        "value NaN": edit(BENCHER, put(measure, "value", math.nan)),
        "no value": edit(BENCHER, drop(measure, "value")),
        "misspelt key": edit(BENCHER, put(measure, "lower", 1)),
        "lower above value": edit(BENCHER, lambda d: measure(d).update(lower_value=measure(d)["value"] * 2)),
        "name too long": edit(BENCHER, lambda d: d.update({"x" * 1025: bench(d)})),
        "measure too long": edit(BENCHER, lambda d: bench(d).update({"x" * 65: {"value": 1}})),
        "key twice": text(BENCHER, r'^  "time-ns": \{', '  "time-ns": {"value": 1},\n  "time-ns": {'),
        "series missing": edit(BENCHER, lambda d: d.pop(next(iter(d)))),
        "wrong unit": edit(BENCHER, lambda d: bench(d).update({"time-us": bench(d).pop("time-ns")})),
        "decimal comma": text(BENCHER, r'("value": \d+)\.', r"\1,"),
        "killed while writing": truncated(BENCHER),
    },
    "perfherder": {
        "no suites": edit(PERF, put(lambda d: d, "suites", [])),
        "no subtests": edit(PERF, put(suite, "subtests", [])),
        "value null": edit(PERF, put(subtest, "value", None)),
        "value as text": edit(PERF, put(subtest, "value", "12")),
        "value NaN": edit(PERF, put(subtest, "value", math.nan)),
        "value too large": edit(PERF, put(subtest, "value", 2e12)),
        "no direction": edit(PERF, drop(subtest, "lowerIsBetter")),
        "direction wrong": edit(PERF, put(subtest, "lowerIsBetter", False)),
        "misspelt key": edit(PERF, put(subtest, "lowerisbetter", True)),
        "name too long": edit(PERF, put(subtest, "name", "x" * 81)),
        "unit too long": edit(PERF, put(subtest, "unit", "x" * 21)),
        "wrong unit": edit(PERF, put(subtest, "unit", "ms")),
        "series twice": edit(PERF, lambda d: d["suites"].append(d["suites"][0])),
        "option twice": edit(PERF, lambda d: suite(d)["extraOptions"].append(suite(d)["extraOptions"][0])),
        "replicates of another": edit(PERF, put(subtest, "replicates", [1, 2, 3])),
        "killed while writing": truncated(PERF),
    },
    "kcidb": {
        "no tests": edit(KCIDB, put(lambda d: d, "tests", [])),
        "value null": edit(KCIDB, lambda d: kci_test(d)["number"].update(value=None)),
        "value as text": edit(KCIDB, lambda d: kci_test(d)["number"].update(value="12")),
        "value NaN": edit(KCIDB, lambda d: kci_test(d)["number"].update(value=math.nan)),
        "nanoseconds called seconds": edit(KCIDB, lambda d: kci_test(d)["number"].update(value=kci_test(d)["number"]["value"] * 1e9)),
        "unknown key": edit(KCIDB, put(kci_test, "_note", "x")),
        "field null": edit(KCIDB, put(kci_test, "comment", None)),
        "unknown status": edit(KCIDB, put(kci_test, "status", "XFAIL")),
        "dangling build": edit(KCIDB, put(kci_test, "build_id", "mmlab:nosuch")),
        "dangling checkout": edit(KCIDB, lambda d: d["builds"][0].update(checkout_id="mmlab:nosuch")),
        "id twice": edit(KCIDB, lambda d: d["tests"].append(d["tests"][0])),
        "path with a slash": edit(KCIDB, put(kci_test, "path", "mmlab/fake")),
        "origin with a dash": edit(KCIDB, put(kci_test, "origin", "mm-lab")),
        "time without zone": edit(KCIDB, put(kci_test, "start_time", "2026-01-01T00:00:00")),
        "direction wrong": edit(KCIDB, lambda d: kci_test(d)["misc"].update(better="higher")),
        "skipped with a number": edit(KCIDB, put(kci_test, "status", "SKIP")),
        "killed while writing": truncated(KCIDB),
    },
    "openmetrics": {
        "no end": text(PROM, r"^# EOF\n", ""),
        "no last line feed": text(PROM, r"^# EOF\n", "# EOF"),
        "blank line": text(PROM, r"^# UNIT", "\n# UNIT"),
        "carriage return": text(PROM, r"\n", "\r\n"),
        "sample twice": text(PROM, r"^(mmlab_time_seconds\{.*\n)", r"\1\1"),
        "NaN": text(PROM, r"^(mmlab_time_seconds\{.*\}) .*", r"\1 NaN"),
        "decimal comma": text(PROM, r"^(mmlab_time_seconds\{.*\} \d)\.", r"\1,"),
        "timestamp": text(PROM, r"^(mmlab_time_seconds\{.*\} .*)", r"\1 1700000000"),
        "nanoseconds called seconds": text(PROM, r"^(mmlab_time_seconds\{.*stat=\"median\"\} ).*", r"\g<1>312.5"),
        "unit that is no suffix": text(PROM, r"^# UNIT mmlab_time_seconds seconds", "# UNIT mmlab_time_seconds ms"),
        "HELP before TYPE": text(PROM, r"^(# TYPE mmlab_faults .*\n)(# HELP mmlab_faults .*\n)", r"\2\1"),
        "type twice": text(PROM, r"^(# TYPE mmlab_faults .*\n)", r"\1\1"),
        "families mixed": text(PROM, r"^(mmlab_time_seconds\{.*\n)((?:.*\n)*)# EOF", r"\2\1# EOF"),
        "direction wrong": text(PROM, r'better="lower"', 'better="higher"'),
        "unescaped quote": text(PROM, r'scenario="fake"', 'scenario="fa"ke"'),
        "killed while writing": truncated(PROM),
    },
    "influx": {
        "empty": text(INFLUX, r"(?s).*", ""),
        "no last line feed": text(INFLUX, r"\n\Z", ""),
        "value as text": text(INFLUX, r"median=([^,]*)", r'median="\1"'),
        "value NaN": text(INFLUX, r"median=[^,]*", "median=NaN"),
        "value missing": text(INFLUX, r"median=[^,]*,", ""),
        "decimal comma": text(INFLUX, r"median=(\d+)\.", r"median=\1,"),
        "empty tag": text(INFLUX, r"unit=ns", "unit="),
        "unescaped blank": text(INFLUX, r"scenario=fake", "scenario=fa ke"),
        "line twice": text(INFLUX, r"^(.*\n)", r"\1\1"),
        "line missing": text(INFLUX, r"\A.*\n", ""),
        "seconds instead of nanoseconds": text(INFLUX, r"\d{9}$", ""),
        "wrong unit": text(INFLUX, r"unit=ns", "unit=us"),
        "direction wrong": text(INFLUX, r"better=lower", "better=higher"),
        "tags out of order": text(INFLUX, r"(contender=[^,]*),(emulated=[^,]*)", r"\2,\1"),
        "quote not closed": text(INFLUX, r'commit="([^"]*)"', r'commit="\1'),
        "killed while writing": truncated(INFLUX),
    },
    "benchfmt": {
        "empty": text(BENCH, r"^Benchmark.*\n", "", 0),
        "value NaN": text(BENCH, r"^(Benchmark\S+\t\d+\t)\S+", r"\1NaN"),
        "decimal comma": text(BENCH, r"^(Benchmark\S+\t\d+\t\d+)\.", r"\1,"),
        "no count": text(BENCH, r"^(Benchmark\S+\t)\d+\t", r"\1"),
        "count 0": text(BENCH, r"^(Benchmark\S+\t)\d+\t", r"\g<1>0\t"),
        "value without unit": text(BENCH, r" ns/op", ""),
        "unit not declared": text(BENCH, r"^Unit ns/op.*\n", ""),
        "unit twice": text(BENCH, r"^(Unit ns/op.*\n)", r"\1\1"),
        "wrong unit": text(BENCH, r"(\d) ns/op", r"\1 us/op"),
        "unit twice in a line": text(BENCH, r"(\S+ ns/op)", r"\1\t\1"),
        "direction wrong": text(BENCH, r"^Unit ns/op better=lower", "Unit ns/op better=higher"),
        "time called exact": text(BENCH, r"^(Unit ns/op .*)", r"\1 assume=exact"),
        "round missing": text(BENCH, r"^Benchmark.*\n", ""),
        "lower-case name": text(BENCH, r"^BenchmarkFake", "Benchmarkfake"),
        "other machine": text(BENCH, r"^machine: .*", "machine: 1-000000000000"),
        "killed while writing": truncated(BENCH),
    },
}


class PublishTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def mmlab(self, *args, status=0, env=None):
        done = subprocess.run([PROGRAM, "publish", *args], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def write(self, result):
        with open(os.path.join(self.folder, "r.json"), "w", encoding="utf-8") as file:
            json.dump(result, file)

    def publish(self, name, result, *args, env=None):
        """The files by name."""
        self.write(result)
        paths = self.mmlab("r.json", "--to", name, "-o", "out", *args, env=env).stdout.split()
        files = {}
        for path in paths:
            with open(os.path.join(self.folder, path), encoding="utf-8", newline="") as file:
                files[os.path.basename(path)] = file.read()
        return files

    def refuse(self, name, result, text_wanted, *args):
        self.write(result)
        done = self.mmlab("r.json", "--to", name, "-o", "refused", *args, status=99)
        self.assertIn(text_wanted, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "refused")))

    def test_accepted(self):
        for name in FORMATS:
            for result in (RESULT, EMULATED):
                with self.subTest(name, execution=result["machine"]["execution"]):
                    CHECKS[name](self.publish(name, result), result)

    def test_labels_of_emulation_are_needed(self):
        """Output of an emulated run does not pass for that of another, nor the other way round."""
        for name in FORMATS:
            for result, other in ((RESULT, EMULATED), (EMULATED, RESULT)):
                with self.subTest(name), self.assertRaises(Refused):
                    CHECKS[name](self.publish(name, result), other)

    def test_mutations(self):
        for name, mutations in MUTATIONS.items():
            self.assertGreaterEqual(len(mutations), 10)
            files = self.publish(name, RESULT)
            for what, mutate in mutations.items():
                with self.subTest(name, mutation=what):
                    damaged = dict(files)
                    mutate(damaged)
                    self.assertNotEqual(damaged, files)
                    with self.assertRaises(Refused):
                        CHECKS[name](damaged, RESULT)

    def test_names_do_not_depend_on_order(self):
        turned = copy.deepcopy(RESULT)
        for case in turned["cases"]:
            case["params"] = dict(reversed(case["params"].items()))
        for name in FORMATS:
            self.assertEqual(self.publish(name, RESULT), self.publish(name, turned), name)

    def test_locale(self):
        for name in FORMATS:
            self.assertEqual(self.publish(name, RESULT), self.publish(name, RESULT, env={"LC_ALL": "de_DE.UTF-8"}), name)

    def test_standard_output(self):
        for name in FORMATS[1:]:
            files = self.publish(name, RESULT)
            self.assertEqual(self.mmlab("r.json", "--to", name).stdout, next(iter(files.values())))
        self.assertIn("name a folder with -o", self.mmlab("r.json", "--to", FORMATS[0], status=99).stderr)

    def test_one_direction_only(self):
        result = copy.deepcopy(RESULT)
        for case in result["cases"]:
            case["metrics"] = [metric for metric in case["metrics"] if metric["better"] == "lower"]
        files = self.publish(FORMATS[0], result)
        self.assertEqual(list(files), [SMALLER])
        self.assertEqual(self.mmlab("r.json", "--to", FORMATS[0]).stdout, files[SMALLER])

    def test_what_was_not_measured(self):
        self.write(RESULT)
        self.assertIn("2 cases were skipped and 0 failed", self.mmlab("r.json", "--to", "influx").stderr)
        self.assertEqual(self.mmlab("r.json", "--to", "kcidb").stderr, "")

    def test_hard_texts(self):
        """Free texts of the machine are escaped, not trusted."""
        result = copy.deepcopy(RESULT)
        result["machine"]["kernel"]["release"] = 'a "b\\c, d=e\nf'
        result["machine"]["identity"] = 'x "y\\z\n'
        for name in FORMATS:
            if name != "benchfmt":
                with self.subTest(name):
                    CHECKS[name](self.publish(name, result), result)

    def test_damaged_results(self):
        def damage(*path_and_value):
            *path, key, value = path_and_value
            result = copy.deepcopy(RESULT)
            at = result
            for step in path:
                at = at[step]
            at[key] = value
            return result

        metric = ("cases", 0, "metrics", 0)
        twice = copy.deepcopy(RESULT)
        twice["cases"].append(copy.deepcopy(twice["cases"][0]))
        nothing = copy.deepcopy(RESULT)
        for case in nothing["cases"]:
            case["metrics"] = []
        for what, (result, wanted) in {
                "incomplete": (damage("run", "complete", False), "is incomplete"),
                "value as text": (damage(*metric, "median", "12"), "is damaged"),
                "quartile missing": (damage(*metric, "q1", None), "is damaged"),
                "no rounds": (damage(*metric, "n", 0), "is damaged"),
                "unknown direction": (damage(*metric, "better", "faster"), "is damaged"),
                "no unit": (damage(*metric, "unit", ""), "is damaged"),
                "interval that misses the median": (damage(*metric, "ci95", [1e9, 2e9]), "is damaged"),
                "name with a quote": (damage("cases", 0, "contender", 'a"b'), "is empty or not plain"),
                "name with a line feed": (damage("cases", 0, "params", "pages", "1\n2"), "is empty or not plain"),
                "name missing": (damage("cases", 0, "scenario", ""), "is empty or not plain"),
                "unknown execution": (damage("machine", "execution", "vm"), "nobody knows the execution"),
                "case twice": (twice, "two series have the name"),
                "no numbers": (nothing, "no number to publish")}.items():
            for name in FORMATS:
                with self.subTest(name, what=what):
                    self.refuse(name, result, wanted)
        self.publish("influx", damage("run", "complete", False), "--force")
        self.refuse("influx", damage("run", "started", "yesterday"), "is not when a run started")
        self.refuse("kcidb", RESULT, "as --origin, not 'mm-lab'", "--origin", "mm-lab")
        self.refuse("perfherder", damage("cases", 0, "contender", "x" * 80), "is longer than the 80 characters")
        self.refuse("perfherder", damage(*metric, "unit", "x" * 21), "is longer than the 20 characters")
        self.refuse("perfherder", damage("cases", 0, "params", {f"axis{i}": i for i in range(9)}), "more axes than the 8")
        self.refuse("bencher", damage(*metric, "name", "x" * 64), "is longer than the 64 characters")
        large = copy.deepcopy(RESULT)
        large["cases"][0]["metrics"][0].update({key: 2e12 for key in ("min", "q1", "median", "q3", "max")}, ci95=[2e12, 2e12])
        self.refuse("perfherder", large, "Perfherder takes up to 1e+12")

    def test_wrong_usage(self):
        self.write(RESULT)
        for args, wanted in {
                (): "name one result file",
                ("r.json",): "--to says for whom",
                ("r.json", "--to", "csv"): "no format 'csv'; there are: github-action-benchmark",
                ("nosuch.json", "--to", "influx"): "nosuch.json",
                ("r.json", "--to", "influx", "-o", "/nonexistent/out"): "cannot write into /nonexistent/out: No such file",
                ("r.json", "--nosuch"): "see mmlab publish --help",
        }.items():
            with self.subTest(args):
                self.assertIn(wanted, self.mmlab(*args, status=99).stderr)
        text_of_help = self.mmlab("--help").stdout
        self.assertTrue(all(name in text_of_help for name in FORMATS))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
