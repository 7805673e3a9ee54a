"""A new SharedMemory for each message: made, filled, named to the other side, unlinked."""

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from machool.bench.peer import Consumer, Look, Producer


class NewSegmentConsumer(Consumer):
    def __init__(self, pipe: Any) -> None:
        self.pipe: Connection = pipe

    def prepare(self, size: int, slots: int, details: Any) -> None:
        self.size = size

    def take(self, look: Look) -> None:
        segment = SharedMemory(self.pipe.recv_bytes().decode())
        assert segment.buf is not None
        with segment.buf[: self.size] as view:
            seen = look(view)
        segment.close()
        self.pipe.send_bytes(seen.to_bytes(4, "little"))


class NewSegment(Producer):
    name = "new SharedMemory"
    note = "one for each message; names go by a Pipe"
    ways = ("copy", "built")
    named = True
    consumer = NewSegmentConsumer

    def __init__(self) -> None:
        self.pipe, self.theirs = multiprocessing.Pipe()
        self.sent: list[SharedMemory] = []

    def far(self) -> tuple[Any, ...]:
        return (self.theirs,)

    def meet(self) -> None:
        self.theirs.close()

    def prepare(self, size: int, slots: int, fill: Any) -> None:
        self.size, self.fill = size, fill

    def _hand_over(self, segment: SharedMemory) -> None:
        self.pipe.send_bytes(segment.name.encode())
        self.sent.append(segment)

    def send(self, source: Any) -> None:
        segment = SharedMemory(create=True, size=max(self.size, 1))
        assert segment.buf is not None
        segment.buf[: self.size] = source
        self._hand_over(segment)

    def build(self, value: int) -> None:
        segment = SharedMemory(create=True, size=max(self.size, 1))
        assert segment.buf is not None
        with segment.buf[: self.size] as view:
            self.fill(view, value)
        self._hand_over(segment)

    def acknowledged(self) -> int:
        seen = int.from_bytes(self.pipe.recv_bytes(), "little")
        segment = self.sent.pop(0)
        segment.close()
        segment.unlink()
        return seen

    def close(self) -> None:
        self.pipe.close()
