"""iceoryx2: publisher and subscriber over shared memory; whoever waits polls.

The sample that a subscriber has looked at is given back before it acknowledges: the next one finds
it free, and warm. Acknowledgements go by a service of their own.
"""

import ctypes
import importlib
import os
from collections.abc import Callable
from typing import Any

from machool.bench.peer import Consumer, Look, Producer

_READ, _WRITE = 0x100, 0x200
_view: Any = ctypes.pythonapi.PyMemoryView_FromMemory
_view.restype = ctypes.py_object
_view.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]


def _memory(sample: Any, flag: int) -> memoryview:
    """A plain view: the sample's own has a format that memoryview can only be asked about."""
    payload = sample.payload()
    view: memoryview = _view(payload.as_ptr(), payload.len(), flag)
    return view


class _Node:
    def __init__(self, name: str) -> None:
        self.iox2 = importlib.import_module("iceoryx2")
        self.iox2.set_log_level(self.iox2.LogLevel.Error)
        self.node = self.iox2.NodeBuilder.new().create(self.iox2.ServiceType.Ipc)
        self.name = name

    def service(self, what: str, slots: int) -> Any:
        slots = max(2, slots)
        builder = self.node.service_builder(self.iox2.ServiceName.new(f"{self.name}/{what}"))
        builder = builder.publish_subscribe(self.iox2.Slice[ctypes.c_uint8])
        builder = builder.subscriber_max_buffer_size(slots).enable_safe_overflow(False)
        return builder.open_or_create()

    def publisher(self, what: str, size: int, slots: int) -> Any:
        builder = self.service(what, slots).publisher_builder()
        return builder.initial_max_slice_len(max(1, size)).create()

    def subscriber(self, what: str, slots: int) -> Any:
        return self.service(what, slots).subscriber_builder().create()


def _poll(subscriber: Any) -> Any:
    receive = subscriber.receive
    while (sample := receive()) is None:
        pass
    return sample


class IceoryxConsumer(Consumer):
    def __init__(self, name: str) -> None:
        self.node = _Node(name)
        self.back = self.node.publisher("back", 4, 64)
        self.there: Any = None

    def prepare(self, size: int, slots: int, details: Any) -> None:
        self.there = self.node.subscriber(details, slots)
        self.size = size

    def take(self, look: Look) -> None:
        sample = _poll(self.there)
        seen = look(_memory(sample, _READ)[: self.size])
        sample.delete()
        answer = self.back.loan_slice_uninit(4)
        _memory(answer, _WRITE)[:] = seen.to_bytes(4, "little")
        answer.assume_init().send()


class Iceoryx(Producer):
    name = "iceoryx2"
    package = "iceoryx2"
    note = "publish and subscribe; both sides poll"
    ways = ("copy", "built")
    named = True
    spins = True
    consumer = IceoryxConsumer

    def __init__(self) -> None:
        self.service = f"machool/bench/{os.getpid()}/{os.urandom(4).hex()}"
        self.node = _Node(self.service)
        self.back = self.node.subscriber("back", 64)
        self.turns = 0

    def far(self) -> tuple[Any, ...]:
        return (self.service,)

    def prepare(self, size: int, slots: int, fill: Callable[[Any, int], None]) -> str:
        self.turns += 1
        what = f"there/{self.turns}"
        self.there = self.node.publisher(what, size, slots)
        self.size, self.fill = max(1, size), fill
        return what

    def send(self, source: Any) -> None:
        loan = self.there.loan_slice_uninit(self.size)
        _memory(loan, _WRITE)[: len(source)] = source
        loan.assume_init().send()

    def build(self, value: int) -> None:
        loan = self.there.loan_slice_uninit(self.size)
        self.fill(_memory(loan, _WRITE), value)
        loan.assume_init().send()

    def acknowledged(self) -> int:
        sample = _poll(self.back)
        seen = int.from_bytes(_memory(sample, _READ), "little")
        sample.delete()
        return seen
