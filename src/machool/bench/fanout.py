"""One message to several receivers, all of which read it: time, and memory while all hold it."""

import time
from collections.abc import Callable
from typing import Any

import machool
from machool.bench import touch, usage
from machool.bench.other import Pair, Pairs
from machool.bench.peer import Producer
from machool.bench.peers import missing
from machool.bench.peers.ours import Machool
from machool.bench.peers.pipe import Pipe
from machool.bench.peers.zmq_ import Zmq


class Fan:
    """One sender, several receivers; what is sent is filled once for all of them."""

    def __init__(self, pairs: list[Pair], size: int) -> None:
        self.pairs, self.size = pairs, size
        self.fill = touch.filler(size)
        self.array = self.make()
        for pair in pairs:
            pair.prepare(size)

    def make(self) -> Any:
        """Memory for a message."""
        return touch.ordinary(self.size)

    def source(self) -> Any:
        """What the next message is filled into: an ordinary array can be filled again."""
        return self.array

    def send(self, pair: Pair, source: Any) -> None:
        """To one of them."""
        pair.producer.send(source)

    def step(self, value: int) -> float:
        """Fill, send to all, wait for all; the seconds."""
        for pair in self.pairs:
            pair.order("take", 1, "all")
        start = time.perf_counter()
        source = self.source()
        self.fill(source, value)
        for pair in self.pairs:
            self.send(pair, source)
        seen = [pair.producer.acknowledged() for pair in self.pairs]
        took = time.perf_counter() - start
        for pair in self.pairs:
            pair.answer()
        if set(seen) != {touch.expected(self.size)[value]}:
            raise RuntimeError("other bytes arrived than were sent")
        return took

    def held(self) -> int:
        """Summed PSS of all processes while all hold what they have read."""
        source = self.source()
        self.fill(source, 1)
        for pair in self.pairs:
            pair.order("hold")
        for pair in self.pairs:
            self.send(pair, source)
        for pair in self.pairs:
            pair.answer()
        together = self.pss()
        for pair in self.pairs:
            pair.let_go()
            pair.producer.acknowledged()
        return together

    def pss(self) -> int:
        """Of all processes, now."""
        return usage.pss() + sum(usage.pss_of(pair.process.pid) for pair in self.pairs)


class OurFan(Fan):
    """machool: a region for each message, that the sender keeps."""

    def make(self) -> Any:
        return None

    def source(self) -> Any:
        return machool.Region(self.size, zeroed=False)

    def send(self, pair: Pair, source: Any) -> None:
        assert isinstance(pair.producer, Machool)
        pair.producer.client.send(ool=source, reply=True)


FANS: dict[type[Producer], type[Fan]] = {Machool: OurFan, Pipe: Fan, Zmq: Fan}


def run(
    size: int, receivers: int, steps: int, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """One row for each peer."""
    rows = []
    for kind, fan_class in FANS.items():
        if missing(kind):
            continue
        progress(kind.name)
        with Pairs([kind] * receivers) as pairs:
            fan = fan_class(pairs.all, 0)
            before = fan.pss()
            fan = fan_class(pairs.all, size)
            held = fan.held() - before
            took = min(fan.step(2 + step) for step in range(steps))
            del fan
        row = {"size": size, "receivers": receivers, "name": kind.name, "seconds": took}
        rows.append(row | {"PSS": held, "times": held / size})
    return rows
