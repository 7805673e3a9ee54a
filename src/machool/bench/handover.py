"""The hand-over alone: a warm region that moves there and back, not touched meanwhile.

Half of a round trip is a hand-over. Nothing is copied and nothing filled, so its time should not
depend on the size.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import machool
from machool.bench.other import Pair, Pairs
from machool.bench.peer import Look
from machool.bench.peers.ours import Machool, MachoolConsumer

MOST_STEPS = 200


def _region(message: machool.Message) -> machool.Region:
    """The region of the message's only part, without views of it."""
    view = message.ool[0]
    region: Any = view.obj
    view.release()
    assert isinstance(region, machool.Region)
    return region


class ReturningConsumer(MachoolConsumer):
    """Moves each region back."""

    def take(self, look: Look) -> None:
        request = self.server.receive()
        request.reply(ool=machool.OOL(_region(request), deallocate=True))


class Returning(Machool):
    """machool, with one region on its way."""

    consumer = ReturningConsumer

    def there_and_back(self, region: machool.Region) -> machool.Region:
        """Move it; where it has come back."""
        return _region(self.client.request(ool=machool.OOL(region, deallocate=True)))


def _turn(pair: Pair, region: machool.Region, share: float) -> tuple[machool.Region, float]:
    """So many round trips as fit; microseconds of one hand-over, the median."""
    assert isinstance(pair.producer, Returning)
    took: list[float] = []
    end = time.monotonic() + share
    while len(took) < 3 or (len(took) < MOST_STEPS and time.monotonic() < end):
        pair.order("take", 1, "none")
        start = time.perf_counter()
        region = pair.producer.there_and_back(region)
        took.append((time.perf_counter() - start) / 2 * 1e6)
        pair.answer()
    return region, statistics.median(took)


def run(
    sizes: list[int], rounds: int, share: float, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """One row for each size, the least of the rounds."""
    with Pairs([Returning]) as pairs:
        (pair,) = pairs.all
        regions = {size: machool.Region(size) for size in sizes}
        for region in regions.values():
            with memoryview(region) as view:
                view[:: machool.page_size] = b"\1" * len(view[:: machool.page_size])
        best: dict[int, float] = {}
        for number in range(rounds):
            for size in sizes:
                progress(f"round {number + 1} of {rounds}")
                regions[size], median = _turn(pair, regions.pop(size), share)
                best[size] = min(best.get(size, median), median)
    return [{"size": size, "µs": median} for size, median in best.items()]
