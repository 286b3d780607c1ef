# SPDX-License-Identifier: MIT
"""Builds what a step of a bisection measures: the program and the module of one commit, outside of the checkout.

All steps are built in the same folders, one after the other, because the length of a path that the compiler writes into a
program changes how the program boots. Nothing is kept from one build to the next but the two files.
"""
import os
import shutil
import subprocess

from bisect_history import git
from bisect_state import Stop


class Skip(Exception):
    """This step cannot be measured, which says nothing about it: the message is the reason."""


class Builder:
    def __init__(self, state, repo, scripts):
        self.state, self.repo, self.scripts = state, repo, scripts
        self.tree, self.build = state.join("tree"), state.join("build")
        self.cloned = False
        self.libperf = None

    def _script(self, *words):
        """What one of the scripts prints; its messages go to the user."""
        done = subprocess.run([os.path.join(self.scripts, words[0]), *words[1:]], stdout=subprocess.PIPE, text=True, check=False,
                              pass_fds=[self.state.lock])
        return done.stdout.strip() if done.returncode == 0 else None

    def check_out(self, commit):
        """A clone of our own that borrows the objects: a kill leaves nothing behind in the repository."""
        if not self.cloned:
            shutil.rmtree(self.tree, ignore_errors=True)
            git(self.repo, "clone", "--quiet", "--shared", "--no-checkout", os.path.abspath(self.repo), self.tree)
            self.cloned = True
        git(self.tree, "checkout", "--quiet", "--force", "--detach", commit)
        git(self.tree, "clean", "-ffdxq")

    def _tool(self, what, log, argv, **options):
        status = self.state.run(argv, log, **options)
        if status != 0:
            raise Skip(f"{what} (log: {log})")

    def program(self, step, label, log):
        """The folder to give to scripts/vm as its build folder, with bench/mmlab of the step's commit."""
        folder = self.state.join("built", label)
        if os.path.exists(folder):
            return folder
        if self.libperf is None:
            self.libperf = self._script("libperf")
        if self.libperf is None:
            raise Stop("libperf is not there (see above)")
        self.check_out(step.commit)
        shutil.rmtree(self.build, ignore_errors=True)
        path = os.environ.get("PKG_CONFIG_PATH")
        environment = {**os.environ, "PKG_CONFIG_PATH": self.libperf + (f":{path}" if path else "")}
        self._tool("meson setup failed", log, ["meson", "setup", self.build, self.tree], env=environment)
        self._tool("does not compile", log, ["ninja", "-C", self.build, "bench/mmlab"])
        shutil.rmtree(folder + ".new", ignore_errors=True)
        os.makedirs(os.path.join(folder + ".new", "bench"))
        shutil.copy2(os.path.join(self.build, "bench", "mmlab"), os.path.join(folder + ".new", "bench", "mmlab"))
        os.rename(folder + ".new", folder)
        return folder

    def module(self, step, label, log):
        """The module of the step's commit for its kernel, or "none" if the commit has none."""
        path = self.state.join("built", label, f"{step.kernel}.ko")
        if os.path.exists(path):
            return path
        kdir = self._kernel(step.kernel)
        self.check_out(step.commit)
        builder = os.path.join(self.tree, "kmod", "build-module")
        if not os.path.exists(builder):
            return "none"
        out = self.state.join("build", "module")
        self._tool(f"the module does not build for {step.kernel}", log, [builder, kdir, out])
        shutil.copy2(os.path.join(out, "mmlab.ko"), path + ".new")
        os.rename(path + ".new", path)
        return path

    def _kernel(self, name):
        kdir = subprocess.run([os.path.join(self.scripts, "kernels"), "path", name, "kdir"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
        if kdir.returncode == 0:
            return kdir.stdout.strip()
        if name.endswith("-debug"):
            raise Skip(f"kernel {name} is not there: scripts/kernels build-debug {name[:-6]}")
        if self._script("kernels", "fetch", name) is None:
            raise Skip(f"kernel {name} cannot be obtained (see above)")
        return self._script("kernels", "path", name, "kdir")
