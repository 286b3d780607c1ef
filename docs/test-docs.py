#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Check that the documents agree with the programs and with each other.

usage: docs/test-docs.py BUILD_DIR

Prints a line "ok NAME" or "not ok NAME" for each check. Exit status: 0 all passed, 1 one failed, 99 wrong usage.
"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAN = {"mmlab": "docs/man/mmlab.1.rst", "scripts": "docs/man/mmlab-scripts.7.rst"}
COMMANDS = ("list", "run", "env", "report", "compare", "publish")
SCRIPTS = ("bench", "test", "crossover", "vm", "kernels", "packages", "libperf", "uplot", "bisect", "build", "scale", "simulate", "clones",
           "sysroot", "tcg-plugin", "fuzz", "fuzz-kernel", "analyze", "coverage", "stress",
           "attack", "trinity")
# Further pages in which a scenario's contenders may be described.
PAGES = {"refpage": ["refpage-bench"], "refpage-app": ["refpage-bench", "refpage"]}
OPTION = r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])"


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def tree():
    """Paths of all files that belong to the tree."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if listed.returncode == 0:
        paths = listed.stdout.decode().split("\0")
    else:  # an archive without git: whatever is not a build folder
        paths = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if not name.startswith("build")]
            paths += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(path for path in paths if path and os.path.isfile(os.path.join(ROOT, path)))


def help_text(command):
    """What --help prints; wide, so that nothing is wrapped."""
    result = subprocess.run(command + ["--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "COLUMNS": "1000"}, check=False, timeout=60)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} --help ends with status {result.returncode}: {result.stdout.strip()}")
    return result.stdout


def options_of_help(text):
    """Options that a help text offers: in its usage lines, and at the start of indented lines."""
    found = set()
    for line in text.splitlines():
        if re.match(r"usage:|\s+scripts/|\s+mmlab ", line, re.IGNORECASE):
            found |= set(re.findall(OPTION, line))
        elif re.match(r"\s+-", line):
            found |= set(re.findall(OPTION, re.split(r"\s{2,}", line.strip())[0]))
    return found - {"-h", "--help"}


def section(page, title):
    """The part of a manual page below a title, or None."""
    match = re.search(rf"^{re.escape(title)}\n=+\n(.*?)(?=^[^\n]+\n={{3,}}\n|\Z)", page, re.MULTILINE | re.DOTALL)
    return match and match.group(1)


def options_of_page(text):
    """Options that a section explains: those that start a line."""
    return {option for line in text.splitlines() if line.startswith("-") for option in re.findall(OPTION, line)} \
        - {"-h", "--help"}


def check_options(build):
    """Every option of every command is in its manual page, and the other way round."""
    commands = [("mmlab", name.upper(), [program(build), name]) for name in COMMANDS]
    commands += [("scripts", f"SCRIPTS/{name.upper()}", [os.path.join(ROOT, "scripts", name)]) for name in SCRIPTS]
    for man, title, command in commands:
        page = section(read(MAN[man]), title)
        if page is None:
            yield f"{MAN[man]} has no section {title}"
            continue
        offered, explained = options_of_help(help_text(command)), options_of_page(page)
        for option in sorted(offered - explained):
            yield f"{MAN[man]} does not explain {option} of {title}"
        for option in sorted(explained - offered):
            yield f"{MAN[man]} explains {option}, which {title} does not offer"


def check_environment(_build):
    """Every environment variable that is read is in a manual page."""
    pages = "".join(read(page) for page in MAN.values())
    patterns = (r'getenv\("(MMLAB_\w+)"\)', r"\$\{?(MMLAB_[A-Z_]+)", r'environ(?:\.get\(|\[)"(MMLAB_\w+)"')
    for path in tree():
        name = os.path.basename(path)
        if path.split("/")[0] not in ("harness", "bench", "kmod", "scripts") or name.startswith("test-"):
            continue
        for variable in {found for pattern in patterns for found in re.findall(pattern, read(path))}:
            if not re.search(rf"``{variable}``", pages):
                yield f"{path} reads {variable}, which no manual page explains"


def check_scenarios(build):
    """Every scenario has its page, which names all its contenders, axes, metrics and presets."""
    listed = subprocess.run([program(build), "list", "--json"], stdout=subprocess.PIPE, check=True, timeout=60)
    for scenario in json.loads(listed.stdout):
        name = scenario["name"]
        pages = [f"docs/{page}.md" for page in [name] + PAGES.get(name, [])]
        there = [page for page in pages if os.path.exists(os.path.join(ROOT, page))]
        text = "".join(read(page) for page in there)
        if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            yield f"scenario {name}: no page describes it ({' or '.join(pages)})"
            continue
        if "deterministic" not in [preset["name"] for preset in scenario["presets"]]:
            yield f"scenario {name} has no preset deterministic, so scripts/bench --deterministic leaves it out"
        for kind in ("contenders", "axes", "metrics", "presets"):
            for item in scenario[kind]:
                if not re.search(rf"(?<![\w-]){re.escape(item['name'])}(?![\w-])", text):
                    yield f"{' and '.join(there)}: no mention of {item['name']}, one of the {kind} of {name}"


def check_examples(build):
    """Every command in an example exists, with its options, and what it publishes is a format."""
    formats = re.findall(r"``([a-z-]+)``", re.search(r"^--to <FORMAT>\n(.*?)\n\n", read(MAN["mmlab"]), re.M | re.S).group(1))
    folder = "ci/examples"
    for name in sorted(os.listdir(os.path.join(ROOT, folder))):
        text = re.sub(r"^\s*#.*", "", read(f"{folder}/{name}"), flags=re.MULTILINE)
        calls = re.findall(r"(?:scripts/([a-z]+)|bench/mmlab ([a-z]+))\b([^\n|&;]*)", text)
        if not calls:
            yield f"{folder}/{name} calls nothing of ours"
        for script, command, arguments in calls:
            if script == "kernel":
                continue
            call = [os.path.join(ROOT, "scripts", script)] if script else [program(build), command]
            offered = options_of_help(help_text(call))
            if script == "bench":  # hands on what it does not know
                offered |= options_of_help(help_text([program(build), "run"]))
            for option in sorted(set(re.findall(OPTION, arguments)) - offered):
                yield f"{folder}/{name}: {' '.join(call[-1:])} has no option {option}"
            for chosen in re.findall(r"--to (\S+)", arguments):
                if chosen not in formats:
                    yield f"{folder}/{name}: no format {chosen}"


def documents():
    return [path for path in tree() if path.endswith(".md")]


def without_code(text):
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def check_links(_build):
    """Relative links point to something."""
    for path in documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(read(path))):
            target = target.split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and \
                    not os.path.exists(os.path.join(ROOT, os.path.dirname(path), target)):
                yield f"{path}: the link to {target} points nowhere"


def command_problem(words, known):
    """What is wrong with a command line of a document, or None. known: options by (program, command)."""
    words = [word for word in words if not re.match(r"[A-Z_]+=", word) and word != "sudo"]
    if not words:
        return None
    if words[0].startswith(("scripts/", "kmod/", "results/", "docs/", ".ci/")):
        if not os.access(os.path.join(ROOT, words[0]), os.X_OK):
            return f"there is no program {words[0]}"
        options = known.get((words[0], None))
        if "--" in words:
            words = words[:words.index("--")]
        if words[0] == "scripts/bench":  # hands on what it does not know
            options = options | known[("mmlab", "run")]
    elif os.path.basename(words[0]) == "mmlab":
        if len(words) < 2 or words[1] in ("--help", "--version"):
            return None
        options = known.get(("mmlab", words[1]))
        if options is None:
            return f"mmlab has no command {words[1]}"
    else:
        return None
    for word in words[1:] if options is not None else []:
        option = word.split("=")[0]
        if re.fullmatch(OPTION, option) and option not in options | {"-h", "--help"}:
            return f"{words[0]} has no option {option}"
    return None


def check_commands(build):
    """Command lines in the code blocks of documents name programs, commands and options that exist."""
    known = {("mmlab", name): options_of_help(help_text([program(build), name])) for name in COMMANDS}
    known.update({(f"scripts/{name}", None): options_of_help(help_text([os.path.join(ROOT, "scripts", name)]))
                  for name in SCRIPTS})
    for path in documents():
        for block in re.findall(r"^```\w*\n(.*?)^```$", read(path), re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                problem = command_problem(re.sub(r"^\$ |\s#.*$", "", line.strip()).split(), known)
                if problem:
                    yield f"{path}: {problem}: {line.strip()}"


def check_paths(_build):
    """No file names the place of this checkout."""
    if ROOT.count("/") < 2:
        return  # a place so short that anything could be meant
    for path in tree():
        with open(os.path.join(ROOT, path), "rb") as file:
            if re.search(re.escape(ROOT.encode()) + rb"(?![\w.-])", file.read()):
                yield f"{path} names the place of this checkout"


def check_claims(_build):
    """The tests that docs/security.md and docs/robustness.md name exist."""
    for test, name in re.findall(r"`(test-[a-z-]+) ([a-z-]+)`", read("docs/security.md")):
        if f'"{name}"' not in read(f"kmod/{test}.c"):
            yield f"docs/security.md: kmod/{test}.c has no {name}"
    for name in re.findall(r"`(test_\w+)`", read("docs/robustness.md")):
        if f"def {name}(" not in read("harness/test-faults.py"):
            yield f"docs/robustness.md: harness/test-faults.py has no {name}"


def check_licences(_build):
    """Sources name a licence whose text is in LICENSES."""
    for path in tree():
        head = "\n".join(read(path).splitlines()[:5])
        match = re.search(r"SPDX-License-Identifier: ([\w.-]+)(?: WITH ([\w.-]+))?", head)
        if not match and re.search(r"\.(c|h|py|sh|rst)$|meson\.build$|Kbuild$|Makefile$", path):
            yield f"{path} names no licence"
        for name in match.groups() if match else []:
            if name and not os.path.exists(os.path.join(ROOT, "LICENSES", f"{name}.txt")):
                yield f"{path} names the licence {name}, whose text is not in LICENSES"


CHECKS = (
    ("options are in the manual pages, and the other way round", check_options),
    ("environment variables are in the manual pages", check_environment),
    ("scenarios and what they consist of are in their pages", check_scenarios),
    ("examples for continuous integration", check_examples),
    ("relative links", check_links),
    ("commands in code blocks", check_commands),
    ("no file names the place of this checkout", check_paths),
    ("tests that claims name", check_claims),
    ("licences", check_licences),
)


def program(build):
    return os.path.join(build, "bench", "mmlab")


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 99
    build = os.path.abspath(sys.argv[1])
    failed = False
    for name, check in CHECKS:
        try:
            problems = list(check(build))
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            problems = [str(error)]
        for problem in problems:
            print(f"# {problem}")
        print(f"{'not ok' if problems else 'ok'} docs: {name}")
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
