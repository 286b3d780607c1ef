# SPDX-License-Identifier: MIT
"""The part of `mmlab report` that makes pages and pictures. `mmlab report --html` starts it; it is no command for people."""

import argparse
import json
import os
import pkgutil
import subprocess
import sys
import tempfile

import page
from draw import exported, plain_style
from runs import History, Unusable, load, name_apart

ERROR = 99
MOST_SIDES = 4  # of a folder
FILES = ("page.css", "page.js", "picture.css", "uPlot.iife.min.js", "uPlot.min.css", "uPlot-LICENSE.txt")


def parse(argv):
    parser = argparse.ArgumentParser(prog="mmlab report", add_help=False, allow_abbrev=False)
    parser.add_argument("--html")
    parser.add_argument("--svg")
    parser.add_argument("--program")
    parser.add_argument("paths", nargs="+")
    parser.error = lambda message: (_ for _ in ()).throw(Unusable(message))
    return parser.parse_args(argv)


def resources():
    found = {}
    for name in FILES:
        try:
            found[name] = pkgutil.get_data("__main__", name).decode()
        except OSError:
            continue  # built without the chart library
    return found


def gather(paths):
    """(runs side by side, history or None)"""
    folders = [path for path in paths if os.path.isdir(path)]
    if folders and len(paths) > 1:
        raise Unusable("name files, or one folder")
    if not folders:
        return [load(path) for path in paths], None
    history = History(folders[0])
    return [load(path) for path in history.latest(MOST_SIDES)], history


def compare(program, sides):
    """What mmlab compare says of each further run, with the first as the base: [(name, its JSON or a reason)]."""
    found = []
    for run in sides[1:] if program else ():
        base = sides[0]
        if not set(base.scenarios) & set(run.scenarios):
            continue
        name = f"{run.name} against {base.name}"
        result = subprocess.run([program, "compare", "--json", base.path, run.path], capture_output=True, check=False)
        try:
            if result.returncode not in (0, 1, 2):
                raise ValueError(result.stderr.decode(errors="replace").strip() or f"status {result.returncode}")
            verdict = json.loads(result.stdout)
            verdict["changes"]  # is there
            found.append((name, verdict))
        except (ValueError, KeyError, TypeError) as reason:
            found.append((name, str(reason)))
    return found


def save(path, text):
    """Whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=os.path.dirname(os.path.abspath(path)),
                                         prefix=".mmlab-", delete=False) as file:
            try:
                file.write(text)
                file.close()
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(file.name, 0o666 & ~mask)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise Unusable(f"cannot write {path}: {error.strerror or error}") from error


def save_pictures(folder, sides, history, css):
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise Unusable(f"cannot make the folder {folder}: {error.strerror or error}") from error
    counts = {}
    for name, svg in page.pictures(sides, history):
        name = page.short_id(name)
        counts[name] = counts.get(name, 0) + 1
        path = os.path.join(folder, f"{name}-{counts[name]}.svg")
        save(path, exported(svg, css))
        print(path)


def main(argv):
    options = parse(argv)
    sides, history = gather(options.paths)
    name_apart(sides)
    files = resources()
    if options.html:
        text = page.page(sides, history, compare(options.program, sides), files)
        if options.html == "-":
            sys.stdout.write(text)
        else:
            save(options.html, text)
        if "uPlot.iife.min.js" not in files:
            print("mmlab report: built without the chart library, so pictures cannot be zoomed", file=sys.stderr)
    if options.svg:
        save_pictures(options.svg, sides, history, plain_style(files["picture.css"]))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Unusable as problem:
        print(f"mmlab report: {problem}", file=sys.stderr)
        sys.exit(ERROR)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(ERROR)
