# SPDX-License-Identifier: MIT
"""How fast this machine's time stamp counter counts.

QEMU emulates the counter of x86-64 by this one. A guest's kernel finds out how fast it is by comparing it with an emulated timer,
at which a busy machine does not look in time: then the guest's clock runs ten times too fast, and so do all times measured with it.
"""
import ctypes
import mmap
import os
import time

# rdtsc; shl rdx, 32; or rax, rdx; ret
READ_COUNTER = bytes.fromhex("0f31 48c1e220 4809d0 c3")


def tsc_khz(seconds=0.2):
    """Counts in a millisecond; None where it cannot be read."""
    if os.uname().machine != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # not everywhere may what was written be executed
        return None
    page.write(READ_COUNTER)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def moment():
        """(ns, counts) at one time: of many readings, the one that was interrupted least."""
        readings = []
        for _ in range(100):
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            counts = read()
            after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            readings.append((after - before, (before + after) // 2, counts))
        return min(readings)[1:]

    first_ns, first = moment()
    time.sleep(seconds)
    last_ns, last = moment()
    return round((last - first) * 1e6 / (last_ns - first_ns))
