"""What a message costs in memory: both processes together, while the receiver holds it.

Summed PSS (proportional set size: pages that processes share count once over all) above what both
had before, in times of the message's size. The sender's own array counts.
"""

from collections.abc import Callable, Iterable
from typing import Any

from machool.bench import touch, usage
from machool.bench.other import Pair


def _send(pair: Pair, way: str, array: Any) -> None:
    if way == "copy":
        touch.filler(len(array))(array, 1)
        pair.producer.send(array)
    elif way == "built":
        pair.producer.build(1)
    else:
        pair.producer.build_again(1)


def _held(pair: Pair, way: str, size: int) -> int:
    pair.prepare(0)
    before = usage.pss() + pair.pss()
    array = touch.ordinary(size if way == "copy" else 0)
    pair.prepare(size)
    pair.order("hold")
    _send(pair, way, array)
    there: int = pair.answer()
    together = there + usage.pss()
    pair.let_go()
    pair.producer.acknowledged()
    pair.prepare(0)
    return together - before


def run(pairs: Iterable[Pair], size: int, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each peer and way."""
    rows = []
    for pair in pairs:
        if not pair.producer.able(size):
            continue
        for way in pair.producer.ways:
            progress(f"{pair.producer.name}, {way}")
            held = _held(pair, way, size)
            row = {"size": size, "name": pair.producer.name, "way": way, "PSS": held}
            rows.append(row | {"times": held / size})
    return rows
