"""One-way streams: the producer is so many messages ahead of what was acknowledged.

Each message is filled, sent and read like a round trip's. A peer that reads an array after ``send``
has returned gets as many arrays as may be under way, the others fill one again and again.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from machool.bench import place, touch
from machool.bench.other import Pair

WINDOWS = (1, 4, 16)
ROOM = 512 << 20
"""What may be under way at once, in bytes."""
LEAST, MOST = 8, 50_000
ACKNOWLEDGED = 64
"""Under way at once for every peer: what its acknowledgements have room for."""

Send = Callable[[int], None]


def _sender(pair: Pair, way: str, size: int, window: int) -> Send:
    producer = pair.producer
    if way == "built":
        return producer.build
    fill = touch.filler(size)
    arrays = [touch.ordinary(size) for _ in range(window if producer.borrows else 1)]
    for array in arrays:
        fill(array, 1)
    turn = 0

    def send(value: int) -> None:
        nonlocal turn
        array = arrays[turn]
        turn = (turn + 1) % len(arrays)
        fill(array, value)
        producer.send(array)

    return send


def _stream(pair: Pair, send: Send, size: int, window: int, count: int) -> float:
    """The seconds that so many messages took."""
    expected, acknowledged = touch.expected(size), pair.producer.acknowledged
    pair.order("take", count, "all")
    start = time.perf_counter()
    for number in range(count + window):
        if number >= window:
            seen, value = acknowledged(), touch.value_of(number - window)
            if seen != expected[value]:
                raise RuntimeError(f"{pair.producer.name}: other bytes arrived than were sent")
        if number < count:
            send(touch.value_of(number))
    took = time.perf_counter() - start
    pair.answer()
    return took


def run(
    pairs: Iterable[Pair],
    sizes: list[int],
    rounds: int,
    share: float,
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Messages a second, the best of the rounds, for each peer, way, size and window."""
    rows = []
    for size in sizes:
        for window in WINDOWS:
            if size * window > ROOM:
                continue
            streams = _open(pairs, size, window)
            best: dict[tuple[str, str], float] = {}
            for _ in range(rounds):
                for pair, way, send in streams:
                    key = pair.producer.name, way
                    progress(f"{key[0]}, {way}: {window} in flight")
                    with place.apart(pair.producer.spins):
                        speed = _speed(pair, send, size, window, share)
                    best[key] = max(best.get(key, 0.0), speed)
            rows += [
                {"size": size, "in flight": window, "name": name, "way": way, "messages/s": speed}
                for (name, way), speed in best.items()
            ]
    return rows


def _open(pairs: Iterable[Pair], size: int, window: int) -> list[tuple[Pair, str, Send]]:
    streams = []
    for pair in pairs:
        if pair.producer.able(size, window):
            pair.prepare(size, window)
            ways = [way for way in pair.producer.ways if way != "again"]
            streams += [(pair, way, _sender(pair, way, size, window)) for way in ways]
    return streams


def _speed(pair: Pair, send: Send, size: int, window: int, share: float) -> float:
    trial = _stream(pair, send, size, window, max(LEAST, window)) / max(LEAST, window)
    count = max(LEAST, window, min(MOST, int(share / trial)))
    return count / _stream(pair, send, size, window, count)
