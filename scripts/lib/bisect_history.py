# SPDX-License-Identifier: MIT
"""The steps of a bisection, in order, and which of them to try next."""
import os
import subprocess

from bisect_state import Stop


class Step:
    """A commit, a kernel, or one of each: what is measured at one place of the history."""

    def __init__(self, name, commit=None, kernel=None, subject=None, date=None):
        self.name = name  # what is varied: the whole commit, or the kernel
        self.commit, self.kernel, self.subject, self.date = commit, kernel, subject, date
        self.short = name[:12] if commit == name else name
        self.title = f"{self.short} ({subject})" if subject else self.short
        self.file_name = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in self.short)


def git(repo, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(["git", "-C", repo, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              env=environment, errors="replace")
    except FileNotFoundError:
        raise Stop("git is missing: apt-get install git") from None
    if done.returncode:
        raise Stop(f"git {arguments[0]} in {repo}: {done.stderr.strip() or f'status {done.returncode}'}")
    return done.stdout.strip()


def commit_of(repo, name):
    try:
        return git(repo, "rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")
    except Stop:
        raise Stop(f"{repo} has no commit '{name}'") from None


def describe(repo, commit):
    subject, date = git(repo, "show", "--no-patch", "--format=%s%n%cs", commit).split("\n")
    return subject, date


def commits(repo, good, bad, kernel=None):
    """From one end to the other along first parents; a merge is one step. The order of the ends does not matter."""
    good, bad = commit_of(repo, good), commit_of(repo, bad)
    if good == bad:
        raise Stop(f"both ends are the commit {good[:12]}: there is nothing between them")
    for first, last in ((good, bad), (bad, good)):
        lines = git(repo, "log", "--first-parent", "--reverse", "--format=%H %P%x00%cs%x00%s", last, "^" + first).splitlines()
        names, dates, subjects = zip(*(line.split("\0") for line in lines)) if lines else ((), (), ())
        if names and names[0].split()[1:2] == [first]:
            subject, date = describe(repo, first)
            return [Step(first, first, kernel, subject, date)] + [
                Step(name.split()[0], name.split()[0], kernel, subject, date) for name, date, subject in zip(names, dates, subjects)]
    raise Stop(f"{good[:12]} and {bad[:12]} are not on one line of first parents: take ends of which one was made from the other "
               "(git merge-base, git log --first-parent)")


def kernels(names, commit):
    return [Step(name, commit, name) for name in names]


def middle(candidates, lo, hi, misses):
    """Of the candidates strictly between lo and hi the one nearest to the middle.

    After misses, that is, steps that cannot be measured, not the neighbour: what broke one mostly broke a range. So one
    half, a quarter, three quarters, an eighth and so on of the way, which is the number of misses with its bits reversed.
    """
    at, fraction, n = 0.0, 0.5, misses + 1
    while n:
        at += fraction * (n & 1)
        fraction /= 2
        n >>= 1
    return min(candidates, key=lambda i: (abs(i - (lo + at * (hi - lo))), i))
