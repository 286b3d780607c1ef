# SPDX-License-Identifier: MIT
"""What a bisection has measured so far, in a folder that survives being killed at any point.

Only measurements are kept, not the position of the search: that follows from them, and is found again by going through
the search anew with every measurement at hand. A file is never changed once the state names it.
"""
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys

SCHEMA = {"name": "mmlab-bisect-state", "version": 1}


class Stop(Exception):
    """The bisection cannot go on, and not because of what is bisected: the message is for the user."""


def say(message):
    print(f"mmlab: {message}", file=sys.stderr, flush=True)


def write_whole(path, text):
    """Appears complete or not at all, also if the machine stops."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def die_with_parent():
    """In the child: it ends when we are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class State:
    def __init__(self, folder, settings, restart=False):
        self.folder = folder
        self.path = os.path.join(folder, "state.json")
        os.makedirs(folder, exist_ok=True)
        self._take_lock()
        if restart:
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if name in ("results", "logs", "built", "tree", "build"):
                    shutil.rmtree(path)
                elif name in ("state.json", "report.json", "report.txt"):
                    os.unlink(path)
        for name in os.listdir(folder):  # of measurements that were killed
            if name.startswith("measure-"):
                shutil.rmtree(os.path.join(folder, name))
        self.measured = {}
        self.resumed = os.path.exists(self.path)
        if self.resumed:
            self._load(settings)
        self.settings = settings
        for name in ("results", "logs", "built"):
            os.makedirs(self.join(name), exist_ok=True)
        self._save()

    def join(self, *names):
        return os.path.join(self.folder, *names)

    def _take_lock(self):
        """Held until we and everything that we started have ended: what a killed bisection left may still build."""
        self.lock = os.open(self.join("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process works in {self.folder}: waiting for it")
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    def _load(self, settings):
        try:
            with open(self.path, encoding="utf-8") as file:
                data = json.load(file)
            if data["schema"] != SCHEMA:
                raise ValueError("of another version")
            former, self.measured = data["settings"], data["measured"]
        except (ValueError, KeyError, TypeError) as error:
            raise Stop(f"{self.path} is no state of a bisection ({error}): remove it, or --restart") from None
        other = sorted(name for name in {*former, *settings} if former.get(name) != settings.get(name))
        if other:
            raise Stop(f"{self.folder} holds another bisection (different: {', '.join(other)}): "
                       "give another --state, or --restart to lose it")

    def _save(self):
        write_whole(self.path, json.dumps({"schema": SCHEMA, "settings": self.settings, "measured": self.measured}, indent=1) + "\n")

    def put(self, key, entry):
        self.measured[key] = entry
        self._save()

    def forget_skipped(self):
        self.measured = {key: entry for key, entry in self.measured.items() if entry["file"]}
        self._save()

    def run(self, argv, log, cwd=None, env=None, timeout=None):
        """Runs a program with its output in a log. Returns its status, negative for a signal, or None after the timeout."""
        with open(log, "ab") as out:
            try:
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=env,
                                           pass_fds=[self.lock], preexec_fn=die_with_parent)
            except OSError as error:
                raise Stop(f"cannot run {argv[0]}: {error.strerror}") from None
            try:
                return process.wait(timeout)
            except subprocess.TimeoutExpired:
                end(process)
                return None
            except BaseException:
                end(process)
                raise


def end(process):
    """In order if it can, for a virtual machine has a guest to interrupt."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
