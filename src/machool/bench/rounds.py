"""Round trips: the contestants take turns, several rounds of that.

A step is: fill n bytes, hand them over, the other side reads every byte, and acknowledges. A turn
is as many steps as fit into its share of time. The figure of a turn is the median of its steps; the
figure of a contestant is the least of its turns, since whatever else runs on the machine can only
add. Only figures of one run compare.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from machool.bench import place, touch, usage
from machool.bench.other import Pair
from machool.bench.usage import Cost

MOST_STEPS = 3000
WARM_STEPS = 2
"""Steps that come first in a turn and do not count: the turns before may have taken from a
contestant what it keeps from message to message."""
MOST_SECONDS = 6.0
"""For a contestant at one size: if its steps are long, it has fewer rounds, but two."""
PARTS = 3


@dataclass
class Turn:
    """What one turn measured."""

    microseconds: list[float]
    cost: Cost
    """Of a step, both processes together."""


@dataclass
class Figure:
    """What all turns of a contestant at one size measured, in microseconds."""

    medians: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    steps: int = 0

    def add(self, turn: Turn) -> None:
        self.medians.append(statistics.median(turn.microseconds))
        self.costs.append(turn.cost)
        self.steps += len(turn.microseconds)

    @property
    def best(self) -> float:
        return min(self.medians)

    @property
    def worst(self) -> float:
        return max(self.medians)

    @property
    def cost(self) -> Cost:
        """Field by field, the median over the turns."""
        return Cost(
            statistics.median(cost.cpu for cost in self.costs),
            statistics.median(cost.faults for cost in self.costs),
            statistics.median(cost.sleeps for cost in self.costs),
        )


class Contestant(Protocol):
    """Whoever takes a turn."""

    name: str
    way: str

    def able(self, size: int) -> bool:
        """Whether it can carry messages of that size."""

    def prepare(self, size: int) -> None:
        """Get ready; not timed."""

    def turn(self, steps: int, pause: float) -> Turn:
        """Take so many steps, each after that pause in seconds."""

    def release(self) -> None:
        """Give memory back; prepare() comes before the next turn."""


_sources: dict[int, Any] = {}


def source_of(size: int) -> Any:
    """An ordinary array of that size, written to, that all contestants share."""
    if size not in _sources:
        _sources.clear()
        _sources[size] = touch.ordinary(size)
        touch.filler(size)(_sources[size], 1)
    return _sources[size]


class Exchange:
    """A pair of processes that exchange messages in one of the peer's ways."""

    def __init__(self, pair: Pair, way: str, read: bool = True) -> None:
        self.pair, self.way, self.read = pair, way, read
        self.name = pair.producer.name

    def able(self, size: int) -> bool:
        return self.pair.producer.able(size)

    def prepare(self, size: int) -> None:
        self.size = size
        self.pair.prepare(size)
        self.expected = touch.expected(size) if self.read else [0] * 256
        self.source = source_of(size)

    def release(self) -> None:
        _sources.clear()

    def _step(self) -> Callable[[int], int]:
        producer, source = self.pair.producer, self.source
        fill = touch.filler(self.size if self.read else 0)
        if self.way == "built":
            return producer.exchange_built
        if self.way == "again":
            return producer.exchange_again
        exchange = producer.exchange

        def copy(value: int) -> int:
            fill(source, value)
            return exchange(source)

        return copy

    def turn(self, steps: int, pause: float) -> Turn:
        with place.apart(self.pair.producer.spins):
            return self._turn(steps, pause)

    def _turn(self, steps: int, pause: float) -> Turn:
        step, expected, now = self._step(), self.expected, time.perf_counter_ns
        took: list[int] = []
        before = usage.cost()
        warm = WARM_STEPS
        self.pair.order("take", steps + warm, "all" if self.read else "none")
        for number in range(steps + warm):
            value = touch.value_of(number)
            if pause:
                time.sleep(pause)
            start = now()
            seen = step(value)
            took.append(now() - start)
            if seen != expected[value]:
                raise RuntimeError(f"{self.name}, {self.way}: other bytes arrived than were sent")
        cost = usage.cost() - before + self.pair.answer()
        return Turn([ns / 1e3 for ns in took[warm:]], cost.times(1 / len(took)))


def run(
    contestants: Sequence[Contestant],
    size: int,
    rounds: int,
    share: float,
    pause: float = 0.0,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[tuple[str, str], Figure]:
    """Let them take turns with messages of that size; ``share`` is the seconds for each turn."""
    figures: dict[tuple[str, str], Figure] = {}
    steps: dict[tuple[str, str], int] = {}
    turns: dict[tuple[str, str], int] = {}
    able = [one for one in contestants if one.able(size)]
    for one in able:
        progress(f"{one.name}, {one.way}: ready")
        one.prepare(size)
        trial = one.turn(1, pause).microseconds[0] / 1e6 + pause
        steps[one.name, one.way] = _steps(share, trial)
        turns[one.name, one.way] = max(2, int(MOST_SECONDS / max(share, trial)))
        figures[one.name, one.way] = Figure()
    for number in range(rounds):
        for one in able:
            key = one.name, one.way
            if number >= turns[key]:
                continue
            progress(f"{one.name}, {one.way}: round {number + 1} of {rounds}")
            turn = _whole_turn(one, share, steps[key], pause)
            figures[key].add(turn)
            steps[key] = _steps(share, statistics.median(turn.microseconds) / 1e6 + pause)
    return figures


def _whole_turn(one: Contestant, share: float, steps: int, pause: float) -> Turn:
    """As many steps as fit. They come in parts, so that a bad guess ends soon."""
    took: list[float] = []
    cost = Cost(0, 0, 0)
    end = time.monotonic() + share
    while not took or (time.monotonic() < end and len(took) < MOST_STEPS):
        part = one.turn(max(1, steps // PARTS), pause)
        took += part.microseconds
        cost += part.cost.times(len(part.microseconds))
    return Turn(took, cost.times(1 / len(took)))


def _steps(share: float, seconds: float) -> int:
    return max(1, min(MOST_STEPS, int(share / max(seconds, 1e-7))))


def exchanges(pairs: Iterable[Pair]) -> list[Exchange]:
    """One contestant for each way of each pair."""
    return [Exchange(pair, way) for pair in pairs for way in pair.producer.ways]
