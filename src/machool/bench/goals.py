"""The project's goals P1 to P9 against what this run measured. Ratios, never microseconds, but for
the one that asks for them; every goal is told, met or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from machool.bench import resend

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Goal:
    """One line: what was asked for, and what came out. ``measured`` is None if this run did not
    measure it."""

    number: str
    text: str
    most: float
    measured: float | None

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        return "met" if self.measured <= self.most else "not met"


class Report:
    """What was measured, asked by name."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.report = report

    def trip(self, size: int, name: str, way: str, field: str = "hot") -> float | None:
        for row in self.report.get("round trips", []):
            if (row["size"], row["name"], row["way"]) == (size, name, way):
                return number(row.get(field))
        return None

    def bare(self, name: str, field: str) -> float | None:
        for row in self.report.get("request and reply", []):
            if (row["name"], row["way"]) == (name, "copy"):
                return number(row.get(field))
        return None

    def sizes(self) -> list[int]:
        return sorted({row["size"] for row in self.report.get("round trips", [])})


def number(value: Any) -> float | None:
    return None if value is None else float(value)


def ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def judge(report: dict[str, Any]) -> list[Goal]:
    """All goals, in order."""
    asked = Report(report)
    goals: list[Goal] = []
    for part in (_moved, _built, _arrays, _small, _python, _memory_and_edits, _flat, _clients):
        goals += part(asked)
    return goals


def _moved(asked: Report) -> Iterator[Goal]:
    rows = sorted(asked.report.get("hand-over", []), key=lambda row: int(row["size"]))
    value = ratio(rows[-1]["µs"], rows[0]["µs"]) if rows and rows[-1]["size"] >= 1 << 30 else None
    yield Goal("P1", "hand-over of a moved 1 GiB region / of 64 KiB", 1.3, value)


def _built(asked: Report) -> Iterator[Goal]:
    for size, text in ((8 * MIB, "8 MiB"), (64 * MIB, "64 MiB")):
        ours = asked.trip(size, "machool", "built")
        for name, way, most in (
            ("kept SharedMemory", "built", 1.05),
            ("iceoryx2", "built", 1.0),
            ("pyzmq copy=False", "copy", 1 / 7),
            ("Pipe", "copy", 1 / 9),
        ):
            measured = ratio(ours, asked.trip(size, name, way))
            yield Goal("P2", f"{text} built in place / {name}", most, measured)


def _arrays(asked: Report) -> Iterator[Goal]:
    def worst(name: str, least: int) -> float | None:
        pairs = (
            ratio(asked.trip(size, "machool", "copy"), asked.trip(size, name, "copy"))
            for size in asked.sizes()
            if size >= least
        )
        return max((value for value in pairs if value is not None), default=None)

    text = "array / kept SharedMemory, worst size from 64 KiB"
    yield Goal("P3", text, 1.1, worst("kept SharedMemory", 64 * KIB))
    yield Goal("P3", "array / Pipe, worst size", 1.0, worst("Pipe", 0))
    at_mib = ratio(asked.trip(MIB, "machool", "copy"), asked.trip(MIB, "Pipe", "copy"))
    yield Goal("P3", "array of 1 MiB / Pipe", 0.6, at_mib)
    yield Goal("P3", "array / Pipe, worst size from 8 MiB", 0.25, worst("Pipe", 8 * MIB))


def _small(asked: Report) -> Iterator[Goal]:
    ours, in_c = asked.bare("machool, a CPU each", "hot"), asked.bare("machool in C", "hot")
    yield Goal("P4", "64 B, hot / iceoryx2", 1 / 8, ratio(ours, asked.bare("iceoryx2", "hot")))
    yield Goal("P4", "64 B, hot, µs", 1.5, ours)
    yield Goal("P4", "64 B, hot, in C, µs", 0.5, in_c)
    socket = asked.bare("socket in C", "asleep")
    asleep = ratio(asked.bare("machool in C", "asleep"), socket)
    yield Goal("P4", "64 B, asleep, in C / a blocking socket in C", 1.05, asleep)
    asleep = ratio(asked.bare("machool", "asleep"), asked.bare("Pipe", "asleep"))
    yield Goal("P4", "64 B, asleep / Pipe", 1.0, asleep)


def _python(asked: Report) -> Iterator[Goal]:
    for way in ("copy", "built"):
        values = (
            ratio(asked.trip(size, "machool", way), asked.trip(size, "machool in C", way))
            for size in asked.sizes()
            if size >= 64 * KIB
        )
        worst = max((value for value in values if value is not None), default=None)
        yield Goal("P5", f"Python / C, {way}, worst size from 64 KiB", 1.2, worst)


def _memory_and_edits(asked: Report) -> Iterator[Goal]:
    fans = asked.report.get("fan-out", [])
    row = next((row for row in fans if row["name"] == "machool"), {"receivers": 8})
    text = f"summed PSS of one region with {row['receivers']} receivers / its size"
    yield Goal("P6", text, 1.05, number(row.get("times")))
    rows = {row["name"]: row["seconds"] for row in asked.report.get("re-send", [])}
    full, again = rows.get(resend.ARRAY), rows.get(resend.AGAIN)
    text = "re-send with 1 % of the pages written / a full copy"
    yield Goal("P7", text, 0.05, ratio(again, full))


def _flat(asked: Report) -> Iterator[Goal]:
    flat = asked.report.get("flat")
    growth = None
    if flat and flat["early"]:
        units = (("descriptors", 1), ("mappings", 1), ("rss", MIB))
        growth = max(
            (flat["late"][side][what] - flat["early"][side][what]) / unit
            for side in ("sender", "receiver")
            for what, unit in units
        )
    count = f"{flat['messages']:,}" if flat else "1,000,000"
    text = f"{count} messages: more descriptors, mappings, MiB of RSS, the most"
    yield Goal("P8", text, 2.0, growth)


def _clients(asked: Report) -> Iterator[Goal]:
    row = asked.report.get("clients")
    many = f"{row['clients']:,}" if row else "1,000"
    alone = row and ratio(row["busy alone, requests/s"], row["busy among idle, requests/s"])
    text = f"10 busy clients: throughput alone / among {many} connected"
    yield Goal("P9", text, 1.25, alone)
    spread = row and ratio(row["all busy, most answers"], row["all busy, least answers"])
    yield Goal("P9", f"{many} busy clients: most answers / least", 2.0, spread)
