"""faster-fifo: a ring in shared memory of the size it is made with; objects are pickled."""

import importlib
from typing import Any

from machool.bench.peer import Consumer, Look, Producer

ROOM = 320 << 20
WAIT = 120.0


class FifoConsumer(Consumer):
    def __init__(self, there: Any, back: Any) -> None:
        self.there, self.back = there, back

    def take(self, look: Look) -> None:
        self.back.put(look(self.there.get(timeout=WAIT)))


class Fifo(Producer):
    name = "faster-fifo"
    package = "faster_fifo"
    note = "a bytearray or an array, pickled; one ring for the whole run"
    consumer = FifoConsumer
    most = 64 << 20

    def __init__(self) -> None:
        kind = importlib.import_module("faster_fifo").Queue
        self.there, self.back = kind(ROOM), kind(1 << 16)

    def far(self) -> tuple[Any, ...]:
        return self.there, self.back

    def send(self, source: Any) -> None:
        self.there.put(source, timeout=WAIT)

    def acknowledged(self) -> int:
        seen: int = self.back.get(timeout=WAIT)
        return seen
