"""A SharedMemory that both sides keep, by hand: the fastest that the standard library can do.

Nothing is protected: the producer may overwrite what the consumer reads, either may die and leave
the segment behind, and the size is fixed. The slot in use is told by a Pipe, or by a word in the
segment that the other side keeps looking at.
"""

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from machool.bench.peer import Consumer, Look, Producer

PAGE = 4096


def _stride(size: int) -> int:
    return max(-(-size // PAGE), 1) * PAGE


class _Slots:
    """A segment cut into slots behind a page of control words, used in turn."""

    def __init__(self, size: int, slots: int, name: str | None = None) -> None:
        room = PAGE + _stride(size) * slots
        self.segment = SharedMemory(name, create=name is None, size=room if name is None else 0)
        self.at = 0
        assert self.segment.buf is not None
        self.words = self.segment.buf[:PAGE].cast("I")
        starts = range(PAGE, PAGE + _stride(size) * slots, _stride(size))
        self.views = [self.segment.buf[start : start + size] for start in starts]

    def next(self) -> memoryview:
        view = self.views[self.at]
        self.at = (self.at + 1) % len(self.views)
        return view

    def close(self, unlink: bool) -> None:
        for view in [*self.views, self.words]:
            view.release()
        self.segment.close()
        if unlink:
            self.segment.unlink()


class KeptSegmentConsumer(Consumer):
    def __init__(self, pipe: Any) -> None:
        self.pipe: Connection = pipe
        self.slots: _Slots | None = None

    def prepare(self, size: int, slots: int, details: Any) -> None:
        self.close()
        self.slots = _Slots(size, slots, details)
        self.next = self.slots.next

    def take(self, look: Look) -> None:
        self.pipe.recv_bytes()
        self.pipe.send_bytes(look(self.next()).to_bytes(4, "little"))

    def close(self) -> None:
        if self.slots is not None:
            self.slots.close(False)
            self.slots = None


class KeptSegment(Producer):
    name = "kept SharedMemory"
    note = "by hand: one segment for the whole run, told by a Pipe, unprotected"
    ways = ("copy", "built")
    named = True
    consumer = KeptSegmentConsumer

    def __init__(self) -> None:
        self.pipe, self.theirs = multiprocessing.Pipe()
        self.slots: _Slots | None = None

    def far(self) -> tuple[Any, ...]:
        return (self.theirs,)

    def meet(self) -> None:
        self.theirs.close()

    def prepare(self, size: int, slots: int, fill: Any) -> str:
        if self.slots is not None:
            self.slots.close(True)
        self.fill = fill
        self.slots = _Slots(size, slots)
        self.next = self.slots.next
        return self.slots.segment.name

    def send(self, source: Any) -> None:
        self.next()[:] = source
        self.pipe.send_bytes(b"k")

    def build(self, value: int) -> None:
        self.fill(self.next(), value)
        self.pipe.send_bytes(b"k")

    def acknowledged(self) -> int:
        return int.from_bytes(self.pipe.recv_bytes(), "little")

    def close(self) -> None:
        self.pipe.close()
        if self.slots is not None:
            self.slots.close(True)


# Words of the control page: how many were sent and taken, and what was seen of the last ones.
SENT, TAKEN, SEEN, SEEN_WORDS = 0, 16, 32, 64


class SpinningSegmentConsumer(KeptSegmentConsumer):
    def prepare(self, size: int, slots: int, details: Any) -> None:
        super().prepare(size, slots, details)
        self.taken = 0

    def take(self, look: Look) -> None:
        assert self.slots is not None
        words, taken = self.slots.words, self.taken
        while words[SENT] == taken:
            pass
        words[SEEN + taken % SEEN_WORDS] = look(self.next())
        self.taken = words[TAKEN] = taken + 1


class SpinningSegment(KeptSegment):
    name = "kept SharedMemory, spinning"
    note = "by hand: as above, and both sides look at a word until it changes"
    spins = True
    consumer = SpinningSegmentConsumer

    def prepare(self, size: int, slots: int, fill: Any) -> str:
        details = super().prepare(size, slots, fill)
        self.sent = self.heard = 0
        return details

    def _ring(self) -> None:
        assert self.slots is not None
        self.sent += 1
        self.slots.words[SENT] = self.sent

    def send(self, source: Any) -> None:
        self.next()[:] = source
        self._ring()

    def build(self, value: int) -> None:
        self.fill(self.next(), value)
        self._ring()

    def acknowledged(self) -> int:
        assert self.slots is not None
        words, heard = self.slots.words, self.heard
        while words[TAKEN] == heard:
            pass
        self.heard = heard + 1
        return words[SEEN + heard % SEEN_WORDS]
