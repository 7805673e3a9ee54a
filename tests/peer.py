"""Processes for tests: each runs one function, and talks with the test in lines of literals.

In the test:

    def echo(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                request.reply(request.body)

    def test_echo(spawn, name):
        peer = spawn(echo, name)
        assert peer.hear() == "ready"

The function's source alone goes to the new process, with `machool`, `os`, `sys`, `time` and the
names of this module at hand; further functions that it calls are given in `uses`. What it tells
must be a literal: numbers, strings, bytes, tuples, lists, dicts, None.
"""

import ast
import contextlib
import ctypes
import inspect
import os
import resource
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

LIMIT = 30.0
"""Seconds that only a failure reaches."""

HERE = Path(__file__).resolve().parent
PRELUDE = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {str(HERE)!r})
from peer import *
import machool
"""


# --- in the peer ----------------------------------------------------------------------------------

_to_test = sys.stdout


def tell(value: object) -> None:
    """Tell the test something."""
    _to_test.write(repr(value) + "\n")
    _to_test.flush()


def hear() -> Any:
    """What the test tells; ends this process when the test is gone or done with it."""
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return ast.literal_eval(line)


def become(uid: int, *, dumpable: bool = True) -> None:
    """Turn into another, unprivileged user; `dumpable` as a program that was started as it."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if ctypes.CDLL(None).prctl(4, int(dumpable), 0, 0, 0) != 0:  # PR_SET_DUMPABLE
        raise OSError("prctl")


def limit(which: str, soft: int) -> None:
    """Lower a soft limit of this process: limit("NOFILE", 32)."""
    number = getattr(resource, f"RLIMIT_{which}")
    hard = resource.getrlimit(number)[1]
    resource.setrlimit(number, (soft, hard))


def descriptors() -> int:
    """Open descriptors of this process."""
    return len(os.listdir("/proc/self/fd")) - 1


def mappings() -> int:
    """Memory objects that this process has mapped; ordinary anonymous memory does not count, nor
    does what is parked for the next message: that is bounded, and has tests of its own."""
    import machool

    return Path("/proc/self/maps").read_text().count("memfd:") - machool.stats()["parked"]


def address_space() -> int:
    """Bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def holdings() -> dict[str, int]:
    """What this process holds that a leak would make grow."""
    import machool

    stats = machool.stats()
    return {
        "descriptors": descriptors(),
        "mappings": mappings(),
        **{key: stats[key] for key in ("regions", "region_bytes", "channels", "ports")},
    }


def settle(wanted: Mapping[str, int], seconds: float = LIMIT) -> dict[str, int]:
    """Let the layer do what is due until this process holds no more than `wanted`, and return what
    it holds then. A task does its house-keeping while it waits for messages, so this waits."""
    import machool

    end = time.monotonic() + seconds
    while True:
        with machool.Port() as port, contextlib.suppress(machool.TimedOut):
            port.receive(timeout=0)
        now = holdings()
        if all(now[key] <= wanted[key] for key in wanted) or time.monotonic() > end:
            return now
        with machool.Port() as port, contextlib.suppress(machool.TimedOut):
            port.receive(timeout=0.01)


# --- in the test ----------------------------------------------------------------------------------


class PeerEnded(AssertionError):
    """The process ended although the test expected to hear from it."""


class Peer:
    """A process that runs `function(*args)`."""

    def __init__(
        self,
        function: Callable[..., object] | str,
        *args: object,
        uses: Iterable[Callable[..., object]] = (),
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(function, str):
            source = textwrap.dedent(function)
        else:
            parts = [textwrap.dedent(inspect.getsource(part)) for part in (*uses, function)]
            source = "\n".join([*parts, f"{function.__name__}(*{args!r})"])
        self.process = subprocess.Popen(
            [python, "-c", PRELUDE + "sys.stdout = sys.stderr\n" + source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self.pid = self.process.pid
        self._heard = b""

    def hear(self, seconds: float = LIMIT) -> Any:
        """What it tells next."""
        assert self.process.stdout is not None
        end = time.monotonic() + seconds
        while b"\n" not in self._heard:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError(f"process {self.pid} told nothing for {seconds} s")
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                code = self.process.wait(LIMIT)
                raise PeerEnded(f"process {self.pid} ended with {code} (its stderr is captured)")
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return ast.literal_eval(line.decode())

    def tell(self, value: object) -> None:
        """Tell it something: its hear() returns it."""
        assert self.process.stdin is not None
        self.process.stdin.write(repr(value).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, value: object) -> Any:
        """tell(), then hear()."""
        self.tell(value)
        return self.hear()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as SIGKILL does, and wait until it is gone."""
        self.process.kill()
        self.process.wait(LIMIT)

    def stop(self) -> None:
        """SIGSTOP, and wait until it stands still."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def wait(self, seconds: float = LIMIT) -> int:
        """Its exit status, once it ends by itself."""
        return self.process.wait(seconds)

    def done(self) -> None:
        """Let it end by its next hear(), or by itself, and insist on success."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.wait() == 0

    def close(self) -> None:
        """Make sure that nothing of it is left."""
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
