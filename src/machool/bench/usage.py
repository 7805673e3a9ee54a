"""What a process has used and holds."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """CPU time in microseconds, pages touched for the first time, and how often a process gave up
    its CPU to wait."""

    cpu: float
    faults: float
    sleeps: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu + other.cpu, self.faults + other.faults, self.sleeps + other.sleeps)

    def __sub__(self, other: "Cost") -> "Cost":
        return self + other.times(-1)

    def times(self, factor: float) -> "Cost":
        return Cost(self.cpu * factor, self.faults * factor, self.sleeps * factor)


def cost() -> Cost:
    """Of this process so far, in user code and in the kernel."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Cost((used.ru_utime + used.ru_stime) * 1e6, used.ru_minflt, used.ru_nvcsw)


def pss() -> int:
    """Proportional set size of this process in bytes: shared pages count in part. 0 where the
    system does not tell."""
    return pss_of("self")


def pss_of(pid: int | str | None) -> int:
    """The same of another process."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def available() -> int:
    """Bytes that can be used without swapping; a guess where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 4 << 30
    told = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    return next(told, 4 << 30)


def free_in_shm() -> int:
    """Bytes that named shared memory may still take; plenty where that has no file system."""
    try:
        room = os.statvfs("/dev/shm")
    except OSError:
        return 1 << 50
    return room.f_bavail * room.f_frsize


@dataclass(frozen=True)
class Held:
    """What would grow if something leaked."""

    descriptors: int
    mappings: int
    rss: int


def held() -> Held:
    """What this process holds. Linux only."""
    mappings = Path("/proc/self/maps").read_bytes().count(b"\n")
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    return Held(descriptors, mappings, pages * os.sysconf("SC_PAGE_SIZE"))
