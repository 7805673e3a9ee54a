"""The command line of the benchmark."""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import machool
from machool.bench import goals, machine, native, parts, peers, plot, table
from machool.bench.other import Pairs
from machool.bench.progress import Progress

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PARTS = [part.name for part in parts.PARTS]


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


def parts_of(text: str) -> list[str]:
    """A list of parts with commas between them."""
    wanted = [name.strip() for name in text.split(",")]
    if unknown := [name for name in wanted if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    return wanted


def picture_of(text: str) -> Path:
    """A file to draw into, if there is something to draw with."""
    path = Path(text)
    if path.suffix not in plot.SUFFIXES:
        raise argparse.ArgumentTypeError(f"a name that ends in .svg or .png, not {text!r}")
    if not plot.available():
        raise argparse.ArgumentTypeError("needs matplotlib: pip install machool[bench]")
    return path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds: a minute")
    parser.add_argument("--sizes", type=sizes_of, metavar="N,...", help="like 64,4K,8M,1G")
    parser.add_argument("--rounds", type=count_of, metavar="N", help="turns of each contestant")
    parser.add_argument("--parts", type=parts_of, metavar="NAME,...", help="only these parts")
    parser.add_argument(
        "--plot", type=picture_of, metavar="FILE", help="draw the round trips: FILE.svg or .png"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")


def effort(args: argparse.Namespace) -> parts.Effort:
    """How much the options ask for."""
    chosen = parts.QUICK if args.quick else parts.FULL
    if args.sizes:
        chosen = dataclasses.replace(chosen, sizes=args.sizes)
    if args.rounds:
        chosen = dataclasses.replace(chosen, rounds=args.rounds)
    return chosen


def measure(asked: parts.Effort, names: Sequence[str], progress: Progress) -> dict[str, Any]:
    """The whole report: the machine, the parts of those names, the goals."""
    report: dict[str, Any] = {"machine": machine.facts()}
    progress.begin("starting the other processes")
    with Pairs(peers.installed()) as pairs, native.processes() as natives:
        run = parts.Run(pairs.all, natives, asked, progress)
        for part in parts.PARTS:
            if part.name in names:
                progress.begin(part.name)
                machool.trim()  # no part begins with what another has left
                if measured := part.measure(run):
                    report[part.name] = measured
    progress.end()
    report["goals"] = [
        {"goal": goal.number, "text": goal.text, "at most": goal.most}
        | {"measured": goal.measured, "verdict": goal.verdict}
        for goal in goals.judge(report)
    ]
    return report


def run(args: argparse.Namespace) -> int:
    """Measure, print, write."""
    report = measure(effort(args), args.parts or PARTS, Progress())
    for line in text(report):
        print(line)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if args.plot and "round trips" in report:
        plot.draw(report, args.plot)
    return 0


def text(report: dict[str, Any]) -> Iterator[str]:
    """The report, to be read."""
    yield from table.facts_lines(report["machine"])
    for part in parts.PARTS:
        if part.name in report:
            yield from part.lines(report[part.name])
    yield from table.goals_lines(report["goals"])
