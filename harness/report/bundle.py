#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Put files into one that python3 runs: the same bytes whenever the files are the same.

usage: bundle.py OUTPUT FILE...
"""
import os
import sys
import zipfile


def main(output, paths):
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(paths, key=os.path.basename):
            with open(path, "rb") as file:
                entry = zipfile.ZipInfo(os.path.basename(path))
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, file.read(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
