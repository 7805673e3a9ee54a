"""The facts about this machine without which figures say nothing."""

import importlib.metadata
import mmap
import os
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

import machool
from machool.bench.peers import ALL

PACKAGES = ["numpy", *(peer.package for peer in ALL if peer.package)]


def _line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _cpu_model() -> str:
    for line in _line("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _distribution(package: str) -> str | None:
    for name in (package, {"zmq": "pyzmq", "faster_fifo": "faster-fifo"}.get(package, package)):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def facts() -> dict[str, Any]:
    """Kernel, CPUs, memory, versions."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    thp = _line("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
    build = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "GIL"
    versions = {name: _distribution(name) for name in PACKAGES}
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": f"{cpus} x {_cpu_model()}",
        "cpus": cpus,
        "page size": mmap.PAGESIZE,
        "huge pages for shared memory": thp.split("[")[-1].split("]")[0],
        "memory, MiB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "python": f"{sys.implementation.name} {platform.python_version()}, {build} build",
        "machool": machool.__version__,
        "packages": {name: version for name, version in versions.items() if version},
    }
