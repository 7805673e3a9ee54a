"""Many messages, each with a fresh region that moves: does anything grow?"""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from machool.bench import touch, usage
from machool.bench.other import Pair, Pairs
from machool.bench.peers.ours import Machool

SIZE = 128 << 10
PART = 200


def run(count: int, seconds: float, progress: Callable[[str], None]) -> dict[str, Any]:
    """Up to ``count`` messages or so many seconds; what both sides held after a tenth, and held at
    the end."""
    with Pairs([Machool]) as pairs:
        (pair,) = pairs.all
        pair.prepare(SIZE)
        early: dict[str, Any] = {}
        sent, start = 0, time.monotonic()
        while sent < count and time.monotonic() < start + seconds:
            _send(pair, PART)
            sent += PART
            progress(f"{sent:,} of {count:,}")
            if not early and (sent >= count // 10 or time.monotonic() > start + seconds / 10):
                early = _both(pair)
        return {"messages": sent, "early": early, "late": _both(pair)}


def _both(pair: Pair) -> dict[str, Any]:
    return {"sender": asdict(usage.held()), "receiver": asdict(pair.held())}


def _send(pair: Pair, count: int) -> None:
    pair.order("take", count, "first")
    for number in range(count):
        value = touch.value_of(number)
        if pair.producer.exchange_built(value) != value:
            raise RuntimeError("other bytes arrived than were sent")
    pair.answer()
