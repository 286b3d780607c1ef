# SPDX-License-Identifier: MIT
"""Measures one step of a bisection into a new result file: in a virtual machine, on this machine, or by a command."""
import json
import os
import shlex
import shutil
import signal
import tempfile

from bisect_build import Builder, Skip
from bisect_state import Stop, say

VM_ENDS = {124: "the case did not end in time", 125: "the virtual machine did not come up",
           126: "the kernel reported a fault"}
INTERRUPTED = {number for ended in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM) for number in (-ended, 128 + ended)}
NEEDED_BYTES = 500 << 20


def load(path):
    """A result file, as far as a bisection relies on it; the rest is for mmlab compare."""
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        if result["schema"]["name"] == "mmlab-result" and isinstance(result["run"]["complete"], bool):
            return result
    except (ValueError, KeyError, TypeError):
        pass
    raise Stop(f"{path} is not a result file")


def is_control(case, control):
    return f"{case['scenario']}/{case['contender']}" == control


def split(path, control, paths):
    """The reverse of join(), for what is to be continued."""
    for part in paths:
        result = load(path)
        if len(paths) > 1:
            result["cases"] = [case for case in result["cases"] if is_control(case, control) == part.endswith("control.json")]
            names = {case["scenario"] for case in result["cases"]}
            result["scenarios"] = {name: about for name, about in result["scenarios"].items() if name in names}
        with open(part, "w", encoding="utf-8") as file:
            json.dump(result, file)


def join(path, folder, names):
    """One file of all runs of one boot, so that they are compared together."""
    if len(names) == 1:
        return
    result = load(path)
    for name in names:
        part = os.path.join(folder, name)
        if part == path:
            continue
        if not os.path.exists(part):
            raise Skip(f"the control was not measured: {name} is missing")
        other = load(part)
        result["cases"] += other["cases"]
        result["scenarios"] = {**other["scenarios"], **result["scenarios"]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)


class Measurer:
    """Keeps what was measured in the state; the kinds below differ in how a file is made."""

    def __init__(self, state, seed, timeout):
        self.state, self.seed, self.timeout = state, seed, timeout
        self.running = 0  # how many measurements were really made, and not found in the state

    def measure(self, step, purpose, rounds, former=None):
        """The entry of the state for this measurement. former: a file of fewer rounds to add to."""
        key = f"{step.name} {purpose} {rounds}"
        entry = self.state.measured.get(key)
        if entry is not None and (not entry["file"] or os.path.exists(self.state.join(entry["file"]))):
            return entry
        name = f"{step.file_name}.{purpose}.{rounds}"
        log = os.path.join("logs", name + ".log")
        entry = {"step": step.name, "purpose": purpose, "rounds": rounds, "seed": self._seed(purpose), "file": None,
                 "reason": None, "log": log}
        if shutil.disk_usage(self.state.folder).free < NEEDED_BYTES:
            raise Stop(f"less than {NEEDED_BYTES >> 20} MB are left in {self.state.folder}")
        if os.path.exists(self.state.join(log)):
            os.unlink(self.state.join(log))
        self.running += 1
        with tempfile.TemporaryDirectory(prefix="measure-", dir=self.state.folder) as folder:
            path = os.path.join(folder, "result.json")
            if former:
                shutil.copyfile(self.state.join(former), os.path.join(folder, "former.json"))
            try:
                self._make(step, purpose, rounds, path, os.path.join(folder, "former.json") if former else None,
                           self.state.join(log))
                result = load(path)
                if not result["run"]["complete"]:
                    raise Skip("the run is incomplete")
                self._check(step, result)
                entry["file"] = os.path.join("results", name + ".json")
                os.replace(path, self.state.join(entry["file"]))
            except Skip as skip:
                entry["reason"] = str(skip).replace(self.state.folder + os.sep, "")
                say(f"{step.title} cannot be measured: {skip}")
        self.state.put(key, entry)
        return entry

    def _seed(self, purpose):
        """Another one to confirm, so that no chance of the first can repeat itself, and for each run that shows the noise."""
        if purpose.startswith("again-"):
            return self.seed + int(purpose[len("again-"):])
        return self.seed + (purpose == "confirm")

    def _make(self, step, purpose, rounds, path, former, log):
        raise NotImplementedError

    def _check(self, step, result):
        pass


class TreeMeasurer(Measurer):
    """Measures with the program and the module of the step's own commit, as its author did."""

    def __init__(self, state, options, repo, scripts):
        super().__init__(state, options.seed, options.timeout)
        self.options, self.scripts = options, scripts
        self.builder = Builder(state, repo, scripts)

    def _runs(self, purpose, rounds):
        """Words of mmlab run: the case with the control, or, where the control has no such points, the control first."""
        last = ["--rounds", str(rounds), "--seed", str(self._seed(purpose))]
        last += ["--samples", str(self.options.samples)] if self.options.samples else []
        axes = [word for axis in self.options.axis for word in ("--axis", axis)]
        case, control = self.options.case, self.options.control
        if self.options.control_apart:
            return {"control.json": ["run", control, *last], "result.json": ["run", case, *axes, *last]}
        return {"result.json": ["run", *dict.fromkeys([case, control]), *axes, *last]}

    def _make(self, step, purpose, rounds, path, former, log):
        # To confirm exactly, everything is built anew; chance is beaten by measuring again.
        again = purpose == "confirm" and not self.options.noisy
        label = step.commit[:12] + ("-again" if again else "")
        folder = self.builder.program(step, label, log)
        runs, place = self._runs(purpose, rounds), os.path.dirname(path)
        if former:
            split(former, self.options.control, [os.path.join(place, "former-" + name) for name in runs])
        if self.options.native:
            for name, words in runs.items():
                words += ["--resume", os.path.join(place, "former-" + name)] if former else []
                file = os.path.join(place, name)
                self._ended(self.state.run([os.path.join(folder, "bench", "mmlab"), *words, "-o", file], log, timeout=self.timeout),
                            file, log)
            join(path, place, runs)
            return
        vm = [os.path.join(self.scripts, "vm"), "--kernel", step.kernel, "--build", folder, "--out", os.path.dirname(path),
              "--module", self.builder.module(step, label, log), "--log", log[:-len(".log")] + ".kernel.log",
              "--timeout", str(self.timeout)]
        vm += [] if self.options.noisy else ["--deterministic"]
        script = ""
        for name, words in runs.items():
            if former:
                vm += ["--add", os.path.join(place, "former-" + name)]
                words += ["--resume", "former-" + name]
            script += f'mmlab {shlex.join(words)} -o "$OUT/{name}" || exit\n'
        self._ended(self.state.run([*vm, "--", "sh", "-c", script], log), path, log)
        join(path, place, runs)

    def _ended(self, status, path, log):
        if status is None or status in VM_ENDS:
            raise Skip(f"{VM_ENDS[status or 124]} (log: {log})")
        # Somebody ended it; a program that dies by another signal is what this commit does.
        if status in INTERRUPTED:
            raise Stop(f"measuring was ended by a signal (log: {log})")
        # 1: a case failed, 77: all were skipped; the file says so. Everything else is what this commit cannot do.
        if status not in (0, 1, 77) or not os.path.exists(path):
            raise Skip(f"mmlab run ended with status {status} (log: {log})")

    def _check(self, step, result):
        if result["run"]["commit"] != step.commit or result["run"].get("dirty"):
            raise Stop(f"the program built from {step.short} says it is {result['run']['commit']}")


class CommandMeasurer(Measurer):
    """COMMAND STEP FILE: for set-ups that only their owner knows."""

    def __init__(self, state, command, seed, timeout):
        super().__init__(state, seed, timeout)
        self.command = command

    def _make(self, step, purpose, rounds, path, former, log):
        environment = {**os.environ, "MMLAB_BISECT_ROUNDS": str(rounds), "MMLAB_BISECT_SEED": str(self._seed(purpose)),
                       "MMLAB_BISECT_PURPOSE": purpose, "MMLAB_BISECT_FORMER": former or ""}
        status = self.state.run(["/bin/sh", "-c", self.command + ' "$@"', "sh", step.name, path], log, env=environment,
                                timeout=self.timeout)
        if status is None:
            raise Skip(f"the command did not end within {self.timeout} s (log: {log})")
        if status in (125, 77):
            raise Skip(f"the command skips it with status {status} (log: {log})")
        if status not in (0, 1):
            raise Stop(f"the command ended with status {status} for {step.short}; 125 would skip it (log: {log})")
        if not os.path.exists(path):
            raise Stop(f"the command ended with status {status} for {step.short} and wrote no file (log: {log})")
