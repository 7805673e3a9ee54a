"""machool: up to a page in the message itself, more as out-of-line memory.

What a consumer has looked at is given back before it answers, as by all that share memory here: the
next message finds its pages free, and warm.
"""

import os
from typing import Any

import machool
from machool.bench.peer import Consumer, Look, Producer

IDLE = 3 * (64 << 20)
"""Bytes that may lie idle here: each of the three ways finds what it had at its last turn, as it
would in a process of its own, within the usual 64 MiB."""
INLINE = 4096
"""The largest ordinary array that goes in the body."""
WAIT = 120.0


def _seen(answer: machool.Message) -> int:
    return int.from_bytes(answer.body, "little")


class MachoolConsumer(Consumer):
    def __init__(self, name: str) -> None:
        self.server = machool.Server(name, queue_limit=64)

    def take(self, look: Look) -> None:
        request = self.server.receive()
        if request.descriptors:
            with request.ool[0] as part:
                seen = look(part)
        else:
            seen = look(request.body)
        request.reply(seen.to_bytes(4, "little"))

    def close(self) -> None:
        self.server.close()


class Machool(Producer):
    name = "machool"
    ways = ("copy", "built", "again")
    consumer = MachoolConsumer

    def __init__(self) -> None:
        self.service = f"com.example.machool.bench.{os.getpid()}.{os.urandom(4).hex()}"
        self.client: machool.Client

    def far(self) -> tuple[Any, ...]:
        return (self.service,)

    def meet(self) -> None:
        self.client = machool.Client(self.service, timeout=WAIT)

    def prepare(self, size: int, slots: int, fill: Any) -> None:
        self.size, self.fill = size, fill
        machool.set_limits(idle_bytes=IDLE)
        self.kept: machool.Region | None = None

    def _built(self, value: int) -> machool.OOL:
        region = machool.Region(self.size, zeroed=False)
        self.fill(region, value)
        return machool.OOL(region, deallocate=True)

    def _filled_again(self, value: int) -> machool.Region:
        if self.kept is None:
            self.kept = machool.Region(self.size)
        self.fill(self.kept, value)
        return self.kept

    def send(self, source: Any) -> None:
        if self.size <= INLINE:
            self.client.send(source, reply=True)
        else:
            self.client.send(ool=source, reply=True)

    def build(self, value: int) -> None:
        self.client.send(ool=self._built(value), reply=True)

    def build_again(self, value: int) -> None:
        self.client.send(ool=self._filled_again(value), reply=True)

    def acknowledged(self) -> int:
        return _seen(self.client.receive())

    def exchange(self, source: Any) -> int:
        if self.size <= INLINE:
            return _seen(self.client.request(source))
        return _seen(self.client.request(ool=source))

    def exchange_built(self, value: int) -> int:
        return _seen(self.client.request(ool=self._built(value)))

    def exchange_again(self, value: int) -> int:
        return _seen(self.client.request(ool=self._filled_again(value)))

    def close(self) -> None:
        self.client.close()


class MachoolApart(Machool):
    """The same, placed as those are that always spin."""

    name = "machool, a CPU each"
    spins = True
