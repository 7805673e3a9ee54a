"""multiprocessing.Queue: an object pickled by a thread, through a pipe."""

import multiprocessing
from typing import Any

from machool.bench.peer import Consumer, Look, Producer


class QueueConsumer(Consumer):
    def __init__(self, there: Any, back: Any) -> None:
        self.there, self.back = there, back

    def take(self, look: Look) -> None:
        self.back.put(look(self.there.get()))


class Queue(Producer):
    name = "Queue"
    note = "a bytearray or an array, pickled"
    consumer = QueueConsumer
    borrows = True

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.there: Any = context.Queue()
        self.back: Any = context.Queue()

    def far(self) -> tuple[Any, ...]:
        return self.there, self.back

    def send(self, source: Any) -> None:
        self.there.put(source)

    def acknowledged(self) -> int:
        seen: int = self.back.get()
        return seen

    def close(self) -> None:
        for queue in (self.there, self.back):
            queue.close()
            queue.join_thread()
