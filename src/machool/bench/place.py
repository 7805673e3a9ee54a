"""Where processes run, and how long.

Two processes that spin on one CPU wait for the scheduler to part them, milliseconds for each step.
So who spins gets a CPU for each side, and is seen at its best. All others run where the scheduler
puts them.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator


def _usable() -> list[int]:
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def settle() -> None:
    """Put this process, for good, where ``apart`` does not put the other one."""
    if len(cpus := _usable()) > 1:
        os.sched_setaffinity(0, {cpus[1]})


@contextlib.contextmanager
def apart(wanted: bool) -> Iterator[None]:
    """Keep this process on the first of its CPUs meanwhile, if that is wanted."""
    cpus = _usable()
    if not wanted or len(cpus) < 2:
        yield
        return
    os.sched_setaffinity(0, {cpus[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cpus)


def end_with_parent() -> None:
    """Have this process killed when the one that started it ends: who spins sees no end of file.
    Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
