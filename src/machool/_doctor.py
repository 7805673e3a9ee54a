"""``python -m machool doctor``: is this machine fit for machool, and what to do if not.

Every check yields findings: a line with what was measured and, unless all is well, what to do.
``ok`` and ``note`` leave the exit code 0; a ``fail`` makes it 1. Each check stands alone: one that
raises is itself reported as a failure and the others still run.
"""

import argparse
import dataclasses
import json
import mmap
import os
import platform
import resource
import socket
import struct
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

OK: Literal["ok"] = "ok"
NOTE: Literal["note"] = "note"
FAIL: Literal["fail"] = "fail"

_SNAPSHOT_SEALS = 0x0001 | 0x0002 | 0x0004 | 0x0008  # SEAL, SHRINK, GROW, WRITE
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    status: Literal["ok", "note", "fail"]
    value: str
    advice: str = "nothing to do"


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:,} {unit}"
        count //= 1024
    raise AssertionError


# --- the build ------------------------------------------------------------------------------------


def python_build() -> Iterator[Finding]:
    """The interpreter."""
    kind = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "GIL"
    debug = ", debug" if sysconfig.get_config_var("Py_DEBUG") else ""
    value = f"{platform.python_implementation()} {platform.python_version()}, {kind} build{debug}"
    if platform.python_implementation() != "CPython":
        yield Finding("python", FAIL, value, "use CPython 3.11 or newer")
    else:
        yield Finding("python", OK, value)
    gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    if kind == "free-threaded" and gil_enabled():
        yield Finding(
            "gil", NOTE, "switched on at run time", "look for PYTHON_GIL=1 or an older extension"
        )


def package() -> Iterator[Finding]:
    """The shared objects and headers of this package."""
    import machool._machool as extension
    from machool import _config

    yield Finding("extension", OK, str(extension.__file__))
    if sys.platform == "darwin":
        return
    rebuild = "reinstall machool; in a checkout run scripts/bootstrap"
    for name, path in (
        ("library", _config.library_dir() / "libmachool.so"),
        ("headers", _config.include_dir() / "mach" / "mach.h"),
        ("pkg-config", _config.pkg_config_dir() / "machool.pc"),
    ):
        found = path.is_file()
        yield Finding(name, OK if found else FAIL, str(path), "nothing to do" if found else rebuild)
    other = os.environ.get("LD_LIBRARY_PATH", "")
    for folder in filter(None, other.split(":")):
        if Path(folder, "libmachool.so").exists():
            advice = "unset LD_LIBRARY_PATH: it wins over the library beside the extension"
            yield Finding("library path", FAIL, folder, advice)


# --- the machine ----------------------------------------------------------------------------------


def cpus() -> Iterator[Finding]:
    """How many CPUs this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if usable == 1:
        advice = "two or more make request and reply some ten times faster"
        yield Finding("cpus", NOTE, "1", advice)
    else:
        yield Finding("cpus", OK, str(usable))


def page_size() -> Iterator[Finding]:
    """The unit in which memory is handed over."""
    yield Finding("page size", OK, _size(mmap.PAGESIZE))


def limits() -> Iterator[Finding]:
    """Resource limits of this process that machool can run into."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    value = f"{files:,} (up to {most:,})" if most != resource.RLIM_INFINITY else f"{files:,}"
    if files != resource.RLIM_INFINITY and files < 256:
        yield Finding("open files", FAIL, value, "raise it: ulimit -n 1024")
    elif files != resource.RLIM_INFINITY and files <= 1024:
        advice = "enough for hundreds of large regions; for more: ulimit -n 4096"
        yield Finding("open files", NOTE, value, advice)
    else:
        yield Finding("open files", OK, value)
    for name, which, flag, harm in (
        ("address space", resource.RLIMIT_AS, "-v", "regions count against it"),
        ("file size", resource.RLIMIT_FSIZE, "-f", "no region can be larger"),
    ):
        soft, _ = resource.getrlimit(which)
        if soft == resource.RLIM_INFINITY:
            yield Finding(name, OK, "unlimited")
        else:
            yield Finding(name, NOTE, _size(soft), f"{harm}; ulimit {flag} unlimited lifts it")


def memory() -> Iterator[Finding]:
    """How the kernel hands out memory and mappings."""
    maps = _number("/proc/sys/vm/max_map_count")
    if maps is not None:
        few = maps < 65530
        advice = "each live region is one mapping: sysctl vm.max_map_count=65530"
        yield Finding("mappings", NOTE if few else OK, f"{maps:,}", *([advice] if few else []))
    if _number("/proc/sys/vm/overcommit_memory") == 2:
        advice = "private copies are charged in full; vm.overcommit_memory=0 is the default"
        yield Finding("overcommit", NOTE, "strict (2)", advice)
    limit = _number("/sys/fs/cgroup/memory.max")
    if limit is not None:
        advice = "regions count against this control group's limit"
        yield Finding("memory limit", NOTE, _size(limit), advice)


_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")
_HUGE_GAIN = (
    "huge pages are worth, for 64 MiB on another machine (2 CPUs, Linux 6.18): filling 54 -> 6 ms, "
    "mapping and reading 4.0 -> 0.32 ms, freeing 8.9 -> 0.19 ms"
)
_HUGE_PROBE = 8 << 20


def _chosen(path: Path) -> str | None:
    """The word in brackets of such a file; None if there is none."""
    try:
        return path.read_text().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        return None


def _shared_huge_pages() -> str | None:
    """The setting that counts for memfds: newer kernels have one for each size of page."""
    general = _chosen(_HUGE_PAGES / "shmem_enabled")
    try:
        size = int((_HUGE_PAGES / "hpage_pmd_size").read_text())
    except (OSError, ValueError):
        return general
    own = _chosen(_HUGE_PAGES / f"hugepages-{size >> 10}kB" / "shmem_enabled")
    return general if own in (None, "inherit") else own


def _mapped_huge(address: int) -> int:
    """How many bytes of the mapping that starts there are huge pages of shared memory."""
    with open("/proc/self/smaps") as smaps:
        inside = False
        for line in smaps:
            word = line.split(maxsplit=1)[0]
            if "-" in word:
                inside = word.startswith(f"{address:x}-")
            elif inside and word == "ShmemPmdMapped:":
                return int(line.split()[1]) << 10
    return 0


def huge_pages() -> Iterator[Finding]:
    """Huge pages for shared memory: fewer faults for large regions."""
    import machool

    setting = _shared_huge_pages()
    path = _HUGE_PAGES / "shmem_enabled"
    if setting is None:
        advice = "nothing to do; large regions fault page by page"
        yield Finding("huge pages", NOTE, "not in this kernel", advice)
    elif setting in ("never", "deny"):
        advice = f"{_HUGE_GAIN}; root may try: echo advise > {path}"
        yield Finding("huge pages", NOTE, f"{setting}: regions have pages of 4 KiB", advice)
    else:
        with machool.Region(_HUGE_PROBE) as region:
            with memoryview(region) as view:
                view[:: mmap.PAGESIZE] = bytes(len(view) // mmap.PAGESIZE)
            got = _mapped_huge(region.address)
        value = f"{setting}: a region of {_size(_HUGE_PROBE)} got {_size(got)} in huge pages"
        if got:
            yield Finding("huge pages", OK, value)
        else:
            compact = "echo 1 > /proc/sys/vm/compact_memory"
            advice = f"memory may be in pieces, root may try: {compact}; {_HUGE_GAIN}"
            yield Finding("huge pages", NOTE, value, advice)


def page_map() -> Iterator[Finding]:
    """Can written pages be found by looking, rather than by copying everything?"""
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as pages:
            pages.read(8)
        yield Finding("pagemap", OK, "readable")
    except OSError as error:
        advice = "re-sent regions are copied whole; a dumpable process may read it"
        yield Finding("pagemap", NOTE, f"{error.strerror}", advice)


# --- the primitives -------------------------------------------------------------------------------


def sealed_memory() -> Iterator[Finding]:
    """A sealed memfd, mapped privately, is what a region travels in."""
    import fcntl

    size = mmap.PAGESIZE
    fd = os.memfd_create("machool-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.pwrite(fd, b"as sent", 0)
        os.truncate(fd, size)
        fcntl.fcntl(fd, _F_ADD_SEALS, _SNAPSHOT_SEALS)
        seals = fcntl.fcntl(fd, _F_GET_SEALS)
        with mmap.mmap(fd, size, mmap.MAP_PRIVATE) as view:
            view[:7] = b"written"
        unchanged = os.pread(fd, 7, 0) == b"as sent"
    finally:
        os.close(fd)
    if seals & _SNAPSHOT_SEALS == _SNAPSHOT_SEALS and unchanged:
        yield Finding("sealed memfd", OK, "created, sealed, mapped copy-on-write")
    else:
        yield Finding("sealed memfd", FAIL, f"seals {seals:#x}", "use a kernel from 4.0 on")


def sockets() -> Iterator[Finding]:
    """Abstract SEQPACKET sockets that carry descriptors and credentials."""
    address = b"\0machool-doctor-" + os.urandom(8).hex().encode()
    kind = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC
    with (
        socket.socket(socket.AF_UNIX, kind) as listener,
        socket.socket(socket.AF_UNIX, kind) as client,
    ):
        listener.bind(address)
        listener.listen(1)
        client.connect(address)
        with listener.accept()[0] as server:
            socket.send_fds(client, [b"x"], [client.fileno()])
            _, descriptors, _, _ = socket.recv_fds(server, 1, 1)
            for fd in descriptors:
                os.close(fd)
            credentials = server.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    if len(descriptors) == 1 and struct.unpack("3i", credentials)[0] == os.getpid():
        yield Finding("sockets", OK, "descriptors and credentials arrive")
    else:
        yield Finding("sockets", FAIL, "descriptors are lost", "allow SCM_RIGHTS in the sandbox")


def bootstrap_names() -> Iterator[Finding]:
    """Where service names live."""
    folder = os.environ.get("MACHOOL_BOOTSTRAP_DIR")
    if not folder:
        yield Finding("names", OK, "abstract sockets of this network namespace")
        return
    path = Path(folder)
    if path.exists() and not path.is_dir():
        yield Finding("names", FAIL, folder, "let MACHOOL_BOOTSTRAP_DIR name a folder")
    elif not os.access(path if path.exists() else path.parent, os.W_OK | os.X_OK):
        advice = "let MACHOOL_BOOTSTRAP_DIR name a folder that this user can write to"
        yield Finding("names", FAIL, folder, advice)
    elif len(os.fsencode(path.absolute())) > 60:
        advice = "choose a shorter MACHOOL_BOOTSTRAP_DIR: a socket's path has 107 bytes in all"
        yield Finding("names", NOTE, folder, advice)
    else:
        yield Finding("names", OK, f"sockets in {folder}")


def exchange() -> Iterator[Finding]:
    """A request and a reply with a page of memory, within this process."""
    import machool

    name = f"com.example.machool.doctor.{os.getpid()}"
    page = machool.Region(mmap.PAGESIZE)
    with machool.Server(name) as server, machool.Client(name) as client:

        def answer() -> None:
            server.receive(timeout=5.0).reply(ool=page)

        with memoryview(page) as view:
            view[:7] = b"as sent"
        thread = threading.Thread(target=answer)
        thread.start()
        reply = client.request(b"", timeout=5.0)
        thread.join()
        arrived = bytes(reply.ool[0][:7]) == b"as sent"
    if arrived:
        yield Finding("exchange", OK, "a page went there and back")
    else:
        yield Finding("exchange", FAIL, "the page changed on its way", "please report this machine")


_ANYWHERE: list[Callable[[], Iterator[Finding]]] = [
    python_build,
    package,
    cpus,
    page_size,
    limits,
]
_LINUX: list[Callable[[], Iterator[Finding]]] = [
    memory,
    huge_pages,
    page_map,
    sealed_memory,
    sockets,
    bootstrap_names,
]


def examine() -> list[Finding]:
    """Run every check that applies here."""
    findings: list[Finding] = []
    for check in [*_ANYWHERE, *(_LINUX if sys.platform == "linux" else []), exchange]:
        try:
            findings += check()
        except Exception as error:
            name = check.__name__.replace("_", " ")
            summary = (check.__doc__ or "").splitlines()[0]
            value = f"{type(error).__name__}: {error}"
            findings.append(Finding(name, FAIL, value, f"needed: {summary}"))
    return findings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them is a failure."""
    findings = examine()
    failed = any(finding.status == FAIL for finding in findings)
    if args.json:
        report = {"ok": not failed, "findings": [dataclasses.asdict(f) for f in findings]}
        print(json.dumps(report, indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            print(f"{finding.status:<4}  {finding.name:<{width}}  {finding.value}")
            if finding.status != OK:
                print(f"{'':<4}  {'':<{width}}  -> {finding.advice}")
        print("machool cannot run here as it should" if failed else "machool can run here")
    return int(failed)
