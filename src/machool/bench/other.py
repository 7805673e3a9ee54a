"""The other process of a peer: it makes the consumer and does as it is told over a pipe.

Between turns it sleeps in ``recv``, so that a consumer that spins costs the other peers nothing.
"""

import contextlib
import multiprocessing
import signal
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from machool.bench import place, touch, usage
from machool.bench.peer import Consumer, Producer

STARTING = 60.0


def serve(
    consumer_class: type[Consumer], far: tuple[Any, ...], control: Connection, spins: bool
) -> None:
    """The other process, whole."""
    place.end_with_parent()
    if spins:
        place.settle()
    consumer = consumer_class(*far)
    control.send("ready")
    size = 0
    with contextlib.suppress(EOFError):
        while True:
            order, *rest = control.recv()
            if order == "prepare":
                size, slots, details = rest
                consumer.prepare(size, slots, details)
                control.send("ready")
            elif order == "take":
                count, name = rest
                control.send(_take(consumer, count, touch.look(name, size)))
            elif order == "hold":
                _hold(consumer, size, control)
            elif order == "pss":
                control.send(usage.pss())
            elif order == "held":
                control.send(usage.held())
            else:
                break
    consumer.close()


def _take(consumer: Consumer, count: int, look: touch.Read) -> usage.Cost:
    """Receive so many messages; what that cost."""
    take = consumer.take
    before = usage.cost()
    for _ in range(count):
        take(look)
    return usage.cost() - before


def _hold(consumer: Consumer, size: int, control: Connection) -> None:
    """Receive one message, tell what this process holds while it has it, and keep it until told."""
    read = touch.reader(size)

    def look(buffer: Any) -> int:
        seen = read(buffer)
        control.send(usage.pss())
        control.recv()
        return seen

    consumer.take(look)


class Pair:
    """A producer here, its consumer in a process of its own."""

    def __init__(self, kind: type[Producer]) -> None:
        self.producer = kind()
        self.prepared = (-1, 0)
        self.control, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=serve,
            args=(kind.consumer, self.producer.far(), theirs, kind.spins),
            daemon=True,
        )
        self.process.start()
        theirs.close()

    def meet(self) -> None:
        """Wait until the consumer exists."""
        self.answer()
        self.producer.meet()

    def order(self, *words: Any) -> None:
        """Tell the other process what to do."""
        self.control.send(words)

    def answer(self) -> Any:
        """What it says when it has done so."""
        return self.control.recv()

    def prepare(self, size: int, slots: int = 1) -> None:
        """Both sides get ready for messages of that size, of which so many may be under way."""
        if self.prepared == (size, slots):
            return
        self.prepared = size, slots
        details = self.producer.prepare(size, slots, touch.filler(size))
        self.order("prepare", size, slots, details)
        self.answer()

    def pss(self) -> int:
        """The other process's, now."""
        self.order("pss")
        pss: int = self.answer()
        return pss

    def held(self) -> usage.Held:
        """What the other process holds now."""
        self.order("held")
        held: usage.Held = self.answer()
        return held

    def let_go(self) -> None:
        """After "hold": it may drop the message and acknowledge."""
        self.control.send("go")

    def close(self, failed: bool = False) -> None:
        """End the other process, then this side. After a failure nobody knows what it waits for."""
        if failed:
            self.process.kill()
        with contextlib.suppress(OSError):
            self.order("stop")
        self.process.join(STARTING)
        self.control.close()
        self.producer.close()


class Pairs:
    """All pairs of a run. Should one's other process die, the run ends with an error at once,
    whatever it is waiting for."""

    def __init__(self, kinds: list[type[Producer]]) -> None:
        self.closing = False
        self.all: list[Pair] = []
        self.former = signal.signal(signal.SIGCHLD, self._child_ended)
        for kind in kinds:
            self.all.append(Pair(kind))
        for pair in self.all:
            pair.meet()

    def _child_ended(self, number: int, frame: FrameType | None) -> None:
        if self.closing:
            return
        for pair in self.all:
            if pair.process.exitcode is not None:
                self.closing = True
                name = pair.producer.name
                raise RuntimeError(f"the other process of {name} ended: {pair.process.exitcode}")

    def __enter__(self) -> "Pairs":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        failed, self.closing = kind is not None, True
        for pair in self.all:
            pair.close(failed)
        signal.signal(signal.SIGCHLD, self.former)
