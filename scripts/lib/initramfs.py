# SPDX-License-Identifier: MIT
"""An initramfs in memory: files by guest path, written as an uncompressed newc archive.

The same content gives the same bytes (no times, no inode numbers of the host, sorted names), because a
deterministic guest must not see the difference between two packings.
"""

import os
import re
import stat
import subprocess


class MissingLibrary(Exception):
    """A program needs a shared library that the host does not have."""


class Initramfs:
    """library_folders: where libraries are, if programs are not for this machine."""

    def __init__(self, library_folders=()):
        self._library_folders = library_folders
        self._entries = {}  # guest path without the first slash: (mode, rdev, bytes or host path)

    def _parents(self, path):
        head = os.path.dirname(path)
        while head and head not in self._entries:
            self._entries[head] = (stat.S_IFDIR | 0o755, (0, 0), b"")
            head = os.path.dirname(head)

    def _put(self, path, mode, content, rdev=(0, 0)):
        path = os.path.normpath(path).lstrip("/")
        self._parents(path)
        self._entries[path] = (mode, rdev, content)

    def directory(self, path, mode=0o755):
        self._put(path, stat.S_IFDIR | mode, b"")

    def data(self, path, content, mode=0o644):
        self._put(path, stat.S_IFREG | mode, content)

    def text(self, path, content, mode=0o644):
        self.data(path, content.encode("utf-8", "surrogateescape"), mode)

    def symlink(self, path, target):
        self._put(path, stat.S_IFLNK | 0o777, os.fsencode(target))

    def device(self, path, major, minor, mode=0o600):
        self._put(path, stat.S_IFCHR | mode, b"", (major, minor))

    def file(self, path, host_path):
        """One host file, and the shared libraries it needs if it is a dynamic program."""
        mode = stat.S_IMODE(os.stat(host_path).st_mode)
        self._put(path, stat.S_IFREG | mode, host_path)
        if self._library_folders:
            libraries = foreign_libraries(host_path, self._library_folders)
        else:
            libraries = {library: os.path.realpath(library) for library in shared_libraries(host_path)}
        for library, content in libraries.items():
            if library.lstrip("/") not in self._entries:
                self._put(library, stat.S_IFREG | 0o755, content)

    def tree(self, path, host_path):
        """A host file, or a folder with all that is in it."""
        if not os.path.isdir(host_path):
            self.file(path, host_path)
            return
        self.directory(path)
        for name in sorted(os.listdir(host_path)):
            inner = os.path.join(host_path, name)
            if os.path.islink(inner):
                self.symlink(os.path.join(path, name), os.readlink(inner))
            elif os.path.isdir(inner) or os.path.isfile(inner):
                self.tree(os.path.join(path, name), inner)

    def write(self, out):
        for number, path in enumerate(sorted(self._entries), 1):
            mode, rdev, content = self._entries[path]
            if isinstance(content, str):
                with open(content, "rb") as source:
                    content = source.read()
            _write_member(out, number, path, mode, rdev, content)
        _write_member(out, 0, "TRAILER!!!", 0, (0, 0), b"")


def _write_member(out, number, path, mode, rdev, content):
    name = os.fsencode(path) + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, rdev[0], rdev[1], len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    for part in (header + name, content):
        out.write(part)
        out.write(b"\0" * (-len(part) % 4))


def is_elf(host_path):
    with open(host_path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def shared_libraries(host_path):
    """The absolute paths of everything the loader would map for this program, loader included."""
    if not is_elf(host_path):
        return []
    result = subprocess.run(["ldd", host_path], capture_output=True, text=True, check=False,
                            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"})
    libraries = []
    for line in result.stdout.splitlines():
        missing = re.match(r"\s*(\S+) => not found", line)
        if missing:
            raise MissingLibrary(f"{host_path} needs {missing.group(1)}, which is not installed")
        found = re.match(r"\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)", line)
        if found:
            libraries.append(found.group(1))
    # Ending a thread loads this one at run time, so that ldd cannot know.
    for library in list(libraries):
        if os.path.basename(library) == "libc.so.6":
            unwinder = os.path.join(os.path.dirname(library), "libgcc_s.so.1")
            if os.path.exists(unwinder):
                libraries.append(unwinder)
    return libraries


def foreign_libraries(program, folders):
    """The libraries of a program for another architecture, as {path in the guest: path here}; ldd cannot say."""
    found, left = {}, [program] if is_elf(program) else []
    while left:
        text = subprocess.run(["readelf", "-ld", left.pop()], capture_output=True, text=True, check=False,
                              env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}).stdout
        wanted = re.findall(r"Requesting program interpreter: (\S+)\]", text)
        wanted += ["/lib/" + name for name in re.findall(r"\(NEEDED\)\s+Shared library: \[(\S+)\]", text)]
        # Ending a thread loads this one at run time.
        if "/lib/libc.so.6" in wanted:
            wanted.append("/lib/libgcc_s.so.1")
        for path in wanted:
            if path in found:
                continue
            here = [os.path.join(folder, os.path.basename(path)) for folder in folders]
            here = [name for name in here if os.path.exists(name)]
            if not here:
                raise MissingLibrary(f"{program} needs {os.path.basename(path)}, which is not in {folders[0]}")
            found[path] = os.path.realpath(here[0])
            left.append(found[path])
    return found
