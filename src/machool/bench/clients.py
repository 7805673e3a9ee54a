"""Many clients of one server: a few busy ones among a thousand that are idle, and all busy at once.

The server is a Python process, the clients are C processes: what is measured is the server's part.
"""

import contextlib
import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import machool
from machool.bench import place
from machool.bench.swarm import Swarm

FEW = 10
STOP = 1
STOPPING = 60.0


def serve(name: str, control: Connection) -> None:
    """The server's process, whole: it answers 4 bytes to whatever comes."""
    place.end_with_parent()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with machool.Server(name) as server:
        control.send("ready")
        for request in server:
            if request.id == STOP:
                break
            request.reply(b"good")


@contextlib.contextmanager
def _service(clients: int) -> Iterator[Swarm]:
    """A server and its clients, all connected."""
    name = f"com.example.machool.bench.{os.getpid()}.{os.urandom(4).hex()}"
    control, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(name, theirs))
    process.start()
    theirs.close()
    control.recv()
    try:
        swarm = Swarm(name, clients)
        try:
            yield swarm
        finally:
            swarm.close()
        with machool.Client(name, timeout=STOPPING) as client:
            client.send(id=STOP)
        process.join(STOPPING)
    finally:
        process.kill()
        process.join()
        control.close()


def run(many: int, rounds: int, seconds: float, progress: Callable[[str], None]) -> dict[str, Any]:
    """Requests a second: few clients alone, the same few among many idle ones, and all busy."""
    alone, among = [], []
    progress(f"starting {many:,} clients")
    with _service(FEW) as few, _service(many) as crowd:
        for number in range(rounds):
            progress(f"{FEW} busy: round {number + 1} of {rounds}")
            alone.append(sum(few.run(FEW, seconds)) / seconds)
            among.append(sum(crowd.run(FEW, seconds)) / seconds)
        progress(f"{many:,} busy")
        span = seconds * rounds + many / 500
        answers = crowd.run(many, span)
    return {
        "clients": many,
        "busy": FEW,
        "busy alone, requests/s": max(alone),
        "busy among idle, requests/s": max(among),
        "all busy, requests/s": sum(answers) / span,
        "all busy, least answers": min(answers),
        "all busy, most answers": max(answers),
    }
