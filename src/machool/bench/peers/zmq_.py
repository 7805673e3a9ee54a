"""pyzmq: a PAIR of sockets over ``ipc://``, with and without copies of its own."""

import importlib
import os
import tempfile
from typing import Any

from machool.bench.peer import Consumer, Look, Producer


class ZmqConsumer(Consumer):
    def __init__(self, address: str, copy: bool) -> None:
        zmq = importlib.import_module("zmq")
        self.context, self.copy = zmq.Context(), copy
        self.socket = self.context.socket(zmq.PAIR)
        self.socket.set_hwm(0)
        self.socket.bind(address)

    def take(self, look: Look) -> None:
        got = self.socket.recv(copy=self.copy)
        seen = look(got if self.copy else got.buffer)
        self.socket.send(seen.to_bytes(4, "little"))

    def close(self) -> None:
        self.context.destroy(linger=0)


class ZmqCopy(Producer):
    name = "pyzmq copy=True"
    package = "zmq"
    note = "PAIR over ipc://"
    consumer = ZmqConsumer
    copies = True

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.address = f"ipc://{os.path.join(self.folder.name, 'bench')}"
        self.tracker: Any = None

    def far(self) -> tuple[Any, ...]:
        return self.address, self.copies

    def meet(self) -> None:
        zmq = importlib.import_module("zmq")
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PAIR)
        self.socket.set_hwm(0)
        self.socket.connect(self.address)

    def send(self, source: Any) -> None:
        self.socket.send(source)

    def acknowledged(self) -> int:
        return int.from_bytes(self.socket.recv(), "little")

    def close(self) -> None:
        self.context.destroy(linger=0)
        self.folder.cleanup()


class Zmq(ZmqCopy):
    name = "pyzmq copy=False"
    copies = False
    borrows = True

    def send(self, source: Any) -> None:
        self.socket.send(source, copy=False)
