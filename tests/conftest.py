"""What the tests share: a peer process, names of services, counts of what may not leak."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_serial = itertools.count()

PRELUDE = """
import os, signal, sys
import machool
def ready(text="ready"):
    print(text, flush=True)
def heard():
    return sys.stdin.readline().strip()
name = sys.argv[1]
"""


class Peer:
    """Another process, running a script; it talks in lines, so that nobody has to sleep."""

    def __init__(self, source: str, *arguments: str, user: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(source), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **({"user": user, "group": user, "extra_groups": []} if user is not None else {}),
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line it says; its standard error is shown when it says nothing more."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        text = self.process.stdout.readline()
        if not text:
            pytest.fail(f"the peer ended: {self.process.stderr.read()}")
        return text.strip()

    def tell(self, text: str = "go") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Waits for its end, which must be a good one."""
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, out + err

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def service() -> str:
    """A name that nobody else uses."""
    return f"com.example.machool.test.{os.getpid()}.{next(_serial)}"


@pytest.fixture
def spawn() -> Iterator[Callable[..., Peer]]:
    """Starts peers; what still runs at the end of the test is killed."""
    peers: list[Peer] = []

    def start(source: str, *arguments: str, user: int | None = None) -> Peer:
        peers.append(Peer(source, *arguments, user=user))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


ECHO = """
    with machool.Server(name) as server:
        ready()
        for request in server:
            if request.id == 99:
                break
            request.reply(request.body, ool=[bytes(part) for part in request.ool])
"""


@pytest.fixture
def echo(service: str, spawn: Callable[..., Peer]) -> Peer:
    """A server in another process that sends back what it gets."""
    peer = spawn(ECHO, service)
    assert peer.line() == "ready"
    return peer


def held() -> tuple[int, int, int]:
    """Descriptors, mappings and Mach names of this process."""
    import machool

    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        mappings = sum(1 for _ in maps)
    return len(list(Path("/proc/self/fd").iterdir())), mappings, machool.stats()["ports"]
