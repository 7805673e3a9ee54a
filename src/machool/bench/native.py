"""The contestants in C: the limit, a blocking socket, and machool without Python.

They live in the package's shared object ``_native.so`` (csrc/bench). A process of its own loads it
and forks the consumer, so that neither Python side is part of what is measured.
"""

import contextlib
import ctypes
import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from machool.bench import library, place
from machool.bench.rounds import Turn
from machool.bench.usage import Cost

LIMIT, SOCKET, MACH = "limit in C", "socket in C", "machool in C"
WAYS = {
    (LIMIT, "copy"): 0,
    (LIMIT, "built"): 1,
    (SOCKET, "copy"): 2,
    (MACH, "copy"): 3,
    (MACH, "built"): 4,
    (MACH, "again"): 5,
}
SOCKET_MOST = 128 << 10
STOPPING = 60.0


class _Host:
    """Inside the process: the pairs that are open, by way."""

    def __init__(self) -> None:
        self.library = library.load()
        self.pairs: dict[int, int] = {}

    def prepare(self, way: int, size: int, read: bool) -> None:
        self.close(way)
        pair = self.library.bench_open(way, size, read)
        if not pair:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.pairs[way] = pair

    def turn(self, way: int, steps: int, pause: float) -> Turn:
        took, cost = (ctypes.c_double * steps)(), (ctypes.c_double * 3)()
        error = self.library.bench_turn(self.pairs[way], steps, pause, took, cost)
        if error:
            raise OSError(error, os.strerror(error))
        return Turn(list(took), Cost(*cost).times(1 / steps))

    def obey(self, order: str, rest: list[Any]) -> Any:
        """What the method of that name gives, or its error."""
        try:
            return getattr(self, order)(*rest)
        except OSError as error:
            return error

    def close(self, way: int) -> None:
        if way in self.pairs:
            self.library.bench_close(self.pairs.pop(way))


def serve(control: Connection) -> None:
    """The process that loads the shared object, whole."""
    place.end_with_parent()
    host = _Host()
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            order, *rest = control.recv()
            control.send(host.obey(order, rest))
    for way in list(host.pairs):
        host.close(way)


class Native:
    """The process, seen from here."""

    def __init__(self) -> None:
        self.control, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
        self.process.start()
        theirs.close()

    def ask(self, *order: Any) -> Any:
        """Have it do something; what came of it."""
        self.control.send(order)
        answer = self.control.recv()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def contestants(self, read: bool = True) -> list["NativeExchange"]:
        """All of them."""
        return [NativeExchange(self, name, way, read) for name, way in WAYS]

    def close(self) -> None:
        """End it, and its children."""
        self.control.close()
        self.process.join(STOPPING)


class NativeExchange:
    """A pair of C processes; takes turns like any other contestant."""

    def __init__(self, native: Native, name: str, way: str, read: bool) -> None:
        self.native, self.name, self.way, self.read = native, name, way, read
        self.number = WAYS[name, way]

    def untouched(self) -> "NativeExchange":
        """The same without filling and reading."""
        return NativeExchange(self.native, self.name, self.way, False)

    def able(self, size: int) -> bool:
        return self.name != SOCKET or size <= SOCKET_MOST

    def prepare(self, size: int) -> None:
        self.native.ask("prepare", self.number, size, self.read)

    def turn(self, steps: int, pause: float) -> Turn:
        turn: Turn = self.native.ask("turn", self.number, steps, pause)
        return turn

    def release(self) -> None:
        """Give the memory back until the next prepare()."""
        self.native.ask("close", self.number)


@contextlib.contextmanager
def processes() -> Iterator[list[NativeExchange]]:
    """The contestants in C, or none where the shared object is not built (macOS)."""
    if not library.built():
        yield []
        return
    native = Native()
    try:
        yield native.contestants()
    finally:
        native.close()
