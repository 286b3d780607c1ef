# SPDX-License-Identifier: MIT
"""Where in the kernel the instructions of each case were executed, as the plugin of the emulator counted them."""

import bisect
import json

from tcg_counters import hash32

LEAST_SHARE = 0.002  # functions with less are left out


class Symbols:
    """The functions of a kernel and its modules, from the text of /proc/kallsyms."""

    def __init__(self, text):
        found = {}
        for line in text.splitlines():
            address, kind, name = line.split(None, 2)
            if kind in "tTwW":
                found.setdefault(int(address, 16), " ".join(name.split()))
        self.addresses = sorted(found)
        self.names = [found[address] for address in self.addresses]

    def name(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.names[index] if address and index >= 0 else "(elsewhere)"


def read_log(path):
    """{name of a case: {address: times executed}}."""
    cases = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            name, address, count = line.split()
            cases.setdefault(int(name, 16), {})[int(address, 16)] = int(count)
    return cases


def functions(addresses, symbols):
    """[(instructions, function)], most first."""
    sums = {}
    for address, count in addresses.items():
        name = symbols.name(address)
        sums[name] = sums.get(name, 0) + count
    return sorted(((count, name) for name, count in sums.items()), key=lambda entry: (-entry[0], entry[1]))


def text(results, cases, symbols):
    """The profile of all cases of these result files, which are texts."""
    lines = ["Instructions of the kernel in one operation, exact, by function (with what it has inline).", ""]
    for content in results:
        result = json.loads(content)
        run_hash = hash32(result["run"]["id"])
        for index, case in enumerate(result["cases"], 1):
            found = cases.get(run_hash << 32 | index)
            if not found or not case["counted_ops"]:
                continue
            total = sum(found.values())
            params = " ".join(f"{name}={value}" for name, value in case["params"].items())
            lines += [f"{case['scenario']}/{case['contender']} {params}",
                      f"{total / case['counted_ops']:12,.1f}  100.0 %"]
            lines += [f"{count / case['counted_ops']:12,.1f}  {100 * count / total:5.1f} %  {name}"
                      for count, name in functions(found, symbols) if count >= LEAST_SHARE * total]
            lines.append("")
    return "\n".join(lines)
