"""multiprocessing.Pipe: bytes through a socket, without pickling."""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from machool.bench.peer import Consumer, Look, Producer


class PipeConsumer(Consumer):
    def __init__(self, pipe: Any) -> None:
        self.pipe: Connection = pipe

    def take(self, look: Look) -> None:
        self.pipe.send_bytes(look(self.pipe.recv_bytes()).to_bytes(4, "little"))

    def close(self) -> None:
        self.pipe.close()


class Pipe(Producer):
    name = "Pipe"
    note = "send_bytes and recv_bytes, no pickling"
    consumer = PipeConsumer

    def __init__(self) -> None:
        self.pipe, self.theirs = multiprocessing.Pipe()

    def far(self) -> tuple[Any, ...]:
        return (self.theirs,)

    def meet(self) -> None:
        self.theirs.close()

    def send(self, source: Any) -> None:
        self.pipe.send_bytes(source)

    def acknowledged(self) -> int:
        return int.from_bytes(self.pipe.recv_bytes(), "little")

    def close(self) -> None:
        self.pipe.close()
