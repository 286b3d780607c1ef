# SPDX-License-Identifier: MIT
"""What differs between the guests of scripts/vm by their architecture."""
import os


class Amd64:
    name = "amd64"
    qemu = "qemu-system-x86_64"
    package_groups = "vm"
    build_folder = "build"
    # cx16: QEMU 7.2 emulates cmpxchg16b wrongly for 6.12. la57: a level of page tables that most machines do not have.
    # erms, fsrm: with them the kernel copies with "rep movsb", which the emulator does byte by byte.
    tcg_cpu = "max,-cx16,-la57,-erms,-fsrm"
    tcg_machine = []
    words = "console=ttyS0 ignore_loglevel panic=-1 oops=panic tsc=reliable 8250.nr_uarts=4 no_timer_check"
    busybox = "/bin/busybox"
    library_folders = ()  # those of this machine
    is_this_machine = True

    @staticmethod
    def ports(log, channels):
        """The kernel log is the first serial port."""
        return ["-serial", f"file:{log}"] + [word for name in channels for word in ("-serial", f"chardev:{name}")]


class Arm64:
    """Always emulated. Its ttyS ports are a card, because the board has one port only, which is not ttyS0 but the console."""
    name = "arm64"
    qemu = "qemu-system-aarch64"
    package_groups = "vm arm64"
    build_folder = "build/arm64"
    # A processor that real machines have had, with a PMU that libpfm4 knows. Others emulate slower.
    tcg_cpu = "cortex-a57"
    tcg_machine = ["-machine", "virt"]
    words = "console=ttyAMA0 ignore_loglevel panic=-1 oops=panic 8250.nr_uarts=4"
    is_this_machine = False

    def __init__(self, sysroot):
        self.busybox = os.path.join(sysroot, "bin", "busybox")
        self.library_folders = [os.path.join(sysroot, folder) for folder in ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu")]

    @staticmethod
    def ports(log, channels):
        ports = ",".join(f"chardev{number}={name}" for number, name in enumerate(("unused",) + channels, 1))
        return ["-serial", f"file:{log}", "-chardev", "null,id=unused", "-device", f"pci-serial-4x,{ports}"]
