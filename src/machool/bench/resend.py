"""A region that is sent again after one page in a hundred was written to, beside a full copy."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import machool
from machool.bench import touch
from machool.bench.other import Pair, Pairs
from machool.bench.peers.ours import Machool

EVERY = 100
ARRAY, AGAIN = "an ordinary array, copied", "a region, 1 % of it written again"


def _dirty(view: memoryview, value: int) -> None:
    step = EVERY * machool.page_size
    for at in range(0, len(view), step):
        view[at] = value


def _send(pair: Pair, what: Any, value: int) -> float:
    """Seconds from the sending to the acknowledgement of who has looked at one byte."""
    assert isinstance(pair.producer, Machool)
    pair.order("take", 1, "first")
    start = time.perf_counter()
    reply = pair.producer.client.request(ool=what)
    took = time.perf_counter() - start
    pair.answer()
    if int.from_bytes(reply.body, "little") != value:
        raise RuntimeError("the receiver saw another byte than was written")
    return took


def run(size: int, steps: int, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each of the two, medians."""
    took: dict[str, list[float]] = {ARRAY: [], AGAIN: []}
    with Pairs([Machool]) as pairs:
        (pair,) = pairs.all
        region, array = machool.Region(size), touch.ordinary(size)
        for memory in (region, array):
            touch.filler(size)(memory, 1)
        _send(pair, region, 1)
        _send(pair, array, 1)
        for step in range(steps):
            value = touch.value_of(step + 1)
            for name, memory in ((AGAIN, region), (ARRAY, array)):
                progress(f"{name}: {step + 1} of {steps}")
                with memoryview(memory) as view:
                    _dirty(view, value)
                took[name].append(_send(pair, memory, value))
    return [
        {"size": size, "name": name, "seconds": statistics.median(times)}
        for name, times in took.items()
    ]
