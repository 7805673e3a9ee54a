"""Clients by the hundred, each a C process of its own (csrc/bench/swarm.c), for one server.

They are forked from a process that has loaded as little as possible, since each is a copy of it.
"""

import contextlib
import ctypes
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

from machool.bench import place
from machool.bench.library import load

STOPPING = 60.0


def serve(control: Connection) -> None:
    """The process that has the clients, whole."""
    place.end_with_parent()
    library = load()
    swarm, count = None, 0
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            order, *rest = control.recv()
            if order == "start":
                service, count = rest
                swarm = library.bench_swarm_start(service.encode(), count)
                control.send(None if swarm else os.strerror(ctypes.get_errno()))
            else:
                busy, seconds = rest
                answers = (ctypes.c_uint64 * busy)()
                error = library.bench_swarm_run(swarm, busy, seconds, answers)
                control.send(os.strerror(error) if error else list(answers))
    library.bench_swarm_end(swarm)


class Swarm:
    """So many clients of a service, all connected."""

    def __init__(self, service: str, count: int) -> None:
        self.control, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
        self.process.start()
        theirs.close()
        self.ask("start", service, count)

    def ask(self, *order: Any) -> Any:
        """Have it do something; what came of it."""
        self.control.send(order)
        answer = self.control.recv()
        if isinstance(answer, str):
            raise RuntimeError(f"clients: {answer}")
        return answer

    def run(self, busy: int, seconds: float) -> list[int]:
        """Answers that each of the first ``busy`` clients got within so many seconds."""
        answers: list[int] = self.ask("run", busy, seconds)
        return answers

    def close(self) -> None:
        """End all clients."""
        self.control.close()
        self.process.join(STOPPING)
