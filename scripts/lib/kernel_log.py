# SPDX-License-Identifier: MIT
"""Judges a kernel log: which of its lines say that the kernel found something wrong with itself."""

import re

# Programs that crash are their own business: "traps: x[1] general protection fault" and "x[1]: segfault" are not here.
REPORTS = [
    r"\bBUG\b",
    r"\bWARNING: ",
    r"\bOops\b",
    r"\bKASAN: ",
    r"\bKCSAN: ",
    r"\bKFENCE: ",
    r"\bUBSAN: ",
    r"\bODEBUG: ",
    r"Kernel panic",
    r"general protection fault, (probably|maybe)",
    r"general protection fault: .*\[#\d+\]",
    r"(stack segment|divide error|invalid opcode|double fault|int3): .*\[#\d+\]",
    r"unable to handle (kernel|page fault)",
    r"Bad page (state|map|cache)",
    r"Bad rss-counter",
    r"non-zero pgtables_bytes",
    r"bad (pgd|p4d|pud|pmd) ",
    r"swap_free: (Bad|Unused)|get_swap_device: Bad",
    r"(possible|suspicious) .*(locking|lock|deadlock|dependency|RCU usage)",
    r"inconsistent lock state",
    r"held lock freed|lock held when returning|still has locks held|bad unlock balance",
    r"INFO: (possible|trying to register non-static key|task .* blocked for more than)",
    r"(soft|hard) lockup|NMI watchdog: .*LOCKUP",
    r"rcu: .*(stall|detected|kthread starved)",
    r"Voluntary context switch within RCU",
    r"sleeping function called from invalid context|scheduling while atomic",
    r"list_(add|del) corruption",
    r"refcount_t: ",
    r"unreferenced object 0x",
    r"kmemleak: .*(new suspected memory leak|Kernel memory leak detector disabled)",
    r"page_table_check|page_owner: .*corrupt",
    r"slab.*(Poison overwritten|Redzone overwritten|Objects remaining)",
    r"vmalloc: .*leak|Trying to vfree\(\) (bad|nonexistent)",
]

_REPORT = re.compile("|".join(f"(?:{pattern})" for pattern in REPORTS))
_RACE = re.compile(r"\bBUG: KCSAN: ")
_RULER = re.compile(r"={60,}$")


def read_exceptions(path):
    """One regular expression a line; '#' starts a comment line, which must give the reason."""
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    return [re.compile(line) for line in lines if line and not line.startswith("#")]


def without_foreign_races(lines):
    """Leaves out what KCSAN says about races in which no function of the module had a part: the stock kernel has many."""
    kept = []
    at = 0
    while at < len(lines):
        if _RACE.search(lines[at]):
            end = next((end for end in range(at, len(lines)) if _RULER.search(lines[end])), None)
            if end is not None and not any("[mmlab]" in line for line in lines[at:end]):
                at = end
        kept.append(lines[at])
        at += 1
    return kept


def reports(text, exceptions):
    """The lines of a log that are reports, without the exceptions."""
    found = []
    for line in without_foreign_races(text.splitlines()):
        if _REPORT.search(line) and not any(exception.search(line) for exception in exceptions):
            found.append(line.rstrip("\r"))
    return found
