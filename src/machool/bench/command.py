"""The command line of the benchmark."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machool.bench import machine, native, peers, rounds, table, usage
from machool.bench.other import Pairs

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = [0, 64, 4 * KIB, 64 * KIB, MIB, 8 * MIB, 64 * MIB, GIB]
QUICK_SIZES = [64, 64 * KIB, MIB, 8 * MIB]
PAUSE = 0.002
ASLEEP_MOST = MIB
NEEDED = 12
"""How much memory a size must find available, in times of itself."""


def size_of(text: str) -> int:
    """65536, 64K, 8M, 1G."""
    scale = {"K": KIB, "M": MIB, "G": GIB}.get(text[-1:].upper())
    return int(text[:-1]) * scale if scale else int(text)


def sizes_of(text: str) -> list[int]:
    """A list of sizes with commas between them."""
    try:
        sizes = [size_of(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"sizes like 64,4K,8M,1G, not {text!r}") from None
    if any(size < 0 or size > 2 * GIB for size in sizes):
        raise argparse.ArgumentTypeError("sizes from 0 to 2G")
    return sizes


def count_of(text: str) -> int:
    """A number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds: a minute")
    parser.add_argument("--sizes", type=sizes_of, metavar="N,...", help="like 64,4K,8M,1G")
    parser.add_argument("--rounds", type=count_of, metavar="N", help="turns of each contestant")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")


class Progress:
    """One line on stderr that says what is going on; nothing where stderr is no terminal, but for
    a line at each new part."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self.part = ""
        self.start = time.monotonic()

    def begin(self, part: str) -> None:
        self.part = part
        if not self.terminal:
            self._write(f"{self._clock()} {part}\n")

    def __call__(self, text: str) -> None:
        if self.terminal:
            self._write(f"\r\x1b[K{self._clock()} {self.part}: {text}")

    def end(self) -> None:
        if self.terminal:
            self._write("\r\x1b[K")

    def _clock(self) -> str:
        return f"{time.monotonic() - self.start:6.1f} s"

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def round_trips(
    contestants: Sequence[rounds.Contestant],
    sizes: list[int],
    turns: int,
    share: float,
    progress: Progress,
) -> list[dict[str, Any]]:
    """One row for each size and contestant."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        progress.begin(f"round trips of {table.size_text(size)}")
        if usage.available() < NEEDED * size:
            progress.begin(f"not enough memory for {table.size_text(size)}: left out")
            continue
        hot = rounds.run(contestants, size, turns, share, progress=progress)
        asleep: dict[tuple[str, str], rounds.Figure] = {}
        if size <= ASLEEP_MOST:
            asleep = rounds.run(contestants, size, turns, share, PAUSE, progress)
        for key, figure in hot.items():
            row = {"size": size, "name": key[0], "way": key[1], "hot": figure.best}
            row |= {"worst": figure.worst, "cpu": figure.cpu, "steps": figure.steps}
            if key in asleep:
                row["asleep"] = asleep[key].best
            rows.append(row)
        for contestant in contestants:
            contestant.release()
    return rows


def run(args: argparse.Namespace) -> int:
    """Measure, print, write."""
    progress = Progress()
    sizes = args.sizes or (QUICK_SIZES if args.quick else SIZES)
    turns, share = args.rounds or (3 if args.quick else 7), 0.02 if args.quick else 0.1
    progress.begin("starting the other processes")
    with Pairs(peers.installed()) as pairs, native.processes() as limits:
        contestants: list[rounds.Contestant] = [*rounds.exchanges(pairs.pairs.values()), *limits]
        trips = round_trips(contestants, sizes, turns, share, progress)
    progress.end()
    report = {"machine": machine.facts(), "round trips": trips}
    for line in [*table.facts_lines(machine.facts()), *table.trips_lines(trips)]:
        print(line)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0
