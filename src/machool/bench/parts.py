"""The parts of a run: which there are, and how much of each is done.

Every part takes the pairs that are at hand and gives what stands under its name in the report.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from machool.bench import (
    clients,
    fanout,
    flat,
    handover,
    library,
    memory,
    resend,
    rounds,
    streams,
    table,
    usage,
)
from machool.bench.native import NativeExchange
from machool.bench.other import Pair, Pairs
from machool.bench.peers.ours import MachoolApart
from machool.bench.progress import Progress

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAUSE = 0.002
NEEDED = 12
"""How much memory a size must find available, in times of itself."""


@dataclass(frozen=True)
class Effort:
    """How much is done."""

    sizes: list[int]
    rounds: int
    share: float
    """Seconds for a turn."""
    asleep_most: int
    """The largest size that is also sent to a receiver that sleeps."""
    stream_sizes: list[int]
    memory: int
    """The size whose price in memory is told; from 33 MiB on malloc gives pages back at once."""
    big: int
    """The size of what is shared with many."""
    receivers: int
    again: int
    """The size of what is sent again."""
    moved: int
    messages: int
    message_seconds: float
    clients: int
    client_seconds: float


FULL = Effort(
    sizes=[0, 64, 4 * KIB, 64 * KIB, MIB, 8 * MIB, 64 * MIB, GIB],
    rounds=7,
    share=0.1,
    asleep_most=MIB,
    stream_sizes=[64, 64 * KIB, MIB, 8 * MIB],
    memory=64 * MIB,
    big=256 * MIB,
    receivers=8,
    again=GIB,
    moved=GIB,
    messages=1_000_000,
    message_seconds=300.0,
    clients=1000,
    client_seconds=1.0,
)
QUICK = Effort(
    sizes=[64, 64 * KIB, MIB, 8 * MIB, 64 * MIB],
    rounds=3,
    share=0.02,
    asleep_most=64 * KIB,
    stream_sizes=[64, MIB],
    memory=64 * MIB,
    big=64 * MIB,
    receivers=8,
    again=GIB,
    moved=GIB,
    messages=20_000,
    message_seconds=2.0,
    clients=1000,
    client_seconds=0.3,
)


class Run:
    """What all parts have at hand."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        natives: Sequence[NativeExchange],
        effort: Effort,
        progress: Progress,
    ) -> None:
        self.pairs, self.natives = pairs, natives
        self.effort, self.progress = effort, progress

    def fits(self, size: int, times: int = NEEDED) -> bool:
        """Whether there is memory for it; says so if not."""
        if usage.available() >= times * size:
            return True
        self.progress.begin(f"not enough memory for {table.size_text(size)}: left out")
        return False


def round_trips(run: Run) -> list[dict[str, Any]]:
    """One row for each size and contestant."""
    rows: list[dict[str, Any]] = []
    for size in run.effort.sizes:
        if run.fits(size):
            run.progress.begin(f"round trips of {table.size_text(size)}")
            contestants: list[rounds.Contestant] = [*rounds.exchanges(run.pairs), *run.natives]
            rows += [{"size": size, **row} for row in _rows(run, contestants, size)]
    return rows


def request_and_reply(run: Run) -> list[dict[str, Any]]:
    """64 bytes, nothing filled or read."""
    contestants: list[rounds.Contestant] = []
    with Pairs([MachoolApart]) as apart:
        for pair in [*apart.all, *run.pairs]:
            contestants.append(rounds.Exchange(pair, "copy", read=False))
        contestants += [native.untouched() for native in run.natives if native.way == "copy"]
        return list(_rows(run, contestants, 64))


def _rows(
    run: Run, contestants: Sequence[rounds.Contestant], size: int
) -> Iterator[dict[str, Any]]:
    turns, share, progress = run.effort.rounds, run.effort.share, run.progress
    hot = rounds.run(contestants, size, turns, share, progress=progress)
    asleep: dict[tuple[str, str], rounds.Figure] = {}
    if size <= run.effort.asleep_most:
        asleep = rounds.run(contestants, size, turns, share, PAUSE, progress)
    for (name, way), figure in hot.items():
        row: dict[str, Any] = {"name": name, "way": way, "hot": figure.best}
        row |= {"worst": figure.worst, "steps": figure.steps, **asdict(figure.cost)}
        if (name, way) in asleep:
            row["asleep"] = asleep[name, way].best
        yield row
    for contestant in contestants:
        contestant.release()


def hand_over(run: Run) -> list[dict[str, Any]]:
    most = run.effort.moved
    sizes = [size for size in (64 * KIB, MIB, 64 * MIB) if size < most]
    sizes += [most] * run.fits(most, 3)
    return handover.run(sizes, run.effort.rounds, run.effort.share, run.progress)


def one_way(run: Run) -> list[dict[str, Any]]:
    effort = run.effort
    turns = max(1, effort.rounds // 2)
    return streams.run(run.pairs, effort.stream_sizes, turns, effort.share, run.progress)


def held(run: Run) -> list[dict[str, Any]]:
    if not usage.pss():
        return []
    return memory.run(run.pairs, run.effort.memory, run.progress)


def to_many(run: Run) -> list[dict[str, Any]]:
    if not usage.pss() or not run.fits(run.effort.big, 2 * run.effort.receivers + 4):
        return []
    return fanout.run(
        run.effort.big, run.effort.receivers, max(1, run.effort.rounds // 2), run.progress
    )


def again(run: Run) -> list[dict[str, Any]]:
    size = run.effort.again
    return resend.run(size, run.effort.rounds, run.progress) if run.fits(size, 6) else []


def many_messages(run: Run) -> dict[str, Any] | None:
    if not usage.pss():
        return None
    return flat.run(run.effort.messages, run.effort.message_seconds, run.progress)


def many_clients(run: Run) -> dict[str, Any] | None:
    if not library.built():
        return None
    effort = run.effort
    return clients.run(effort.clients, effort.rounds, effort.client_seconds, run.progress)


@dataclass(frozen=True)
class Part:
    """One part: its name, what measures it, what prints it. What the system does not tell (macOS
    tells no PSS) is left out."""

    name: str
    measure: Callable[[Run], Any]
    lines: Callable[[Any], Iterator[str]]


PARTS = (
    Part("round trips", round_trips, table.trips_lines),
    Part("request and reply", request_and_reply, table.bare_lines),
    Part("hand-over", hand_over, table.handover_lines),
    Part("streams", one_way, table.streams_lines),
    Part("memory", held, table.memory_lines),
    Part("fan-out", to_many, table.fanout_lines),
    Part("re-send", again, table.resend_lines),
    Part("flat", many_messages, table.flat_lines),
    Part("clients", many_clients, table.clients_lines),
)
