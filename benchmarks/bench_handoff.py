"""Hand-over of memory between two processes: machool against multiprocessing.Pipe, in one run.

    python benchmarks/bench_handoff.py [--quick] [--json]

Timings of one machine at one time: only the ratios mean anything, and each is made of rounds that
take turns. A round trip sends the bytes, and the other side answers with one small message without
looking at them (64 bytes: it sends them back). Never part of a test's verdict.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import machool

ECHO, ACKNOWLEDGE, READ, STOP = range(4)
BIG = 64 << 20


def pss(pid: int | str = "self") -> int:
    """Proportional set size in bytes: pages shared with others count in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss in smaps_rollup")


def serve(name: str) -> None:
    """The machool side of the bench, in a process of its own."""
    with machool.Server(name) as server:
        print("ready", flush=True)
        for request in server:
            if request.id == ECHO:
                request.reply(request.body)
            elif request.id == ACKNOWLEDGE:
                request.reply()
            elif request.id == READ:
                part = request.ool[0]
                touched = sum(part[:: machool.page_size])
                request.reply(json.dumps([touched, pss()]).encode())
                del part
            else:
                return
            del request


def serve_pipe(pipe: Connection) -> None:
    """The same over a Pipe."""
    while data := pipe.recv_bytes():
        pipe.send_bytes(data if len(data) <= 64 else b"k")


def interleaved(calls: dict[str, Callable[[], object]], rounds: int, each: int) -> dict[str, float]:
    """Median seconds of each call; the calls take turns, and each turn's median counts once."""
    medians: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            times = []
            for _ in range(each):
                start = time.perf_counter()
                call()
                times.append(time.perf_counter() - start)
            medians[name].append(statistics.median(times))
    return {name: statistics.median(values) for name, values in medians.items()}


def compare(client: machool.Client, pipe: Connection, quick: bool) -> dict[str, Any]:
    """The timings and their ratios."""
    small, ordinary, region = b"x" * 64, bytearray(BIG), machool.Region(BIG)
    memoryview(region)[:] = ordinary

    def by_pipe(data: bytes | bytearray) -> None:
        pipe.send_bytes(data)
        pipe.recv_bytes()

    rounds, each = (3, 300) if quick else (7, 2000)
    result = interleaved(
        {
            "machool, 64 bytes": lambda: client.request(small, id=ECHO),
            "Pipe, 64 bytes": lambda: by_pipe(small),
        },
        rounds,
        each,
    )
    result |= interleaved(
        {
            "machool, ordinary 64 MiB": lambda: client.request(ool=ordinary, id=ACKNOWLEDGE),
            "Pipe, ordinary 64 MiB": lambda: by_pipe(ordinary),
            "machool, clean 64 MiB region again": lambda: client.request(
                ool=region, id=ACKNOWLEDGE
            ),
        },
        2 if quick else 5,
        2 if quick else 3,
    )
    return {
        "microseconds": {name: round(seconds * 1e6, 1) for name, seconds in result.items()},
        "ratios": {
            "64 bytes, machool / Pipe": result["machool, 64 bytes"] / result["Pipe, 64 bytes"],
            "ordinary 64 MiB, machool / Pipe": result["machool, ordinary 64 MiB"]
            / result["Pipe, ordinary 64 MiB"],
            "64 MiB, Pipe / clean region sent again": result["Pipe, ordinary 64 MiB"]
            / result["machool, clean 64 MiB region again"],
        },
    }


def memory(client: machool.Client, size: int) -> dict[str, float]:
    """A region sent and read page by page: what both processes hold together."""
    base = pss()
    _, other_base = json.loads(client.request(ool=b"x", id=READ).body)
    region = machool.Region(size)
    view = memoryview(region)
    for at in range(0, size, 64 << 20):
        view[at : at + (64 << 20)] = b"\1" * min(64 << 20, size - at)
    del view
    touched, other = json.loads(client.request(ool=region, id=READ).body)
    if touched != size // machool.page_size:
        raise RuntimeError("the receiver read something else")
    together = (pss() - base) + (other - other_base)
    return {"GiB sent": size / (1 << 30), "summed PSS in GiB": together / (1 << 30)}


def held() -> dict[str, int]:
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        mappings = sum(1 for _ in maps)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mappings": mappings,
        "peak RSS in MiB": rss,
    }


def flat(client: machool.Client, count: int) -> dict[str, Any]:
    """So many messages with a region each: what is held at a tenth of the way, and at the end."""
    early: dict[str, int] = {}
    for number in range(count):
        client.request(ool=machool.Region(1 << 17), id=ACKNOWLEDGE)
        if number == count // 10:
            early = held()
    return {"messages": count, "after a tenth": early, "at the end": held()}


def run(quick: bool) -> dict[str, Any]:
    name = f"com.example.machool.bench.{os.getpid()}"
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", name], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    server.stdout.readline()
    mine, theirs = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(target=serve_pipe, args=(theirs,))
    other.start()
    with machool.Client(name) as client:
        result = {
            "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
            **compare(client, mine, quick),
            "memory": memory(client, (1 << 28) if quick else (1 << 30)),
            "flat": flat(client, 2_000 if quick else 100_000),
        }
        client.send(id=STOP)
    mine.send_bytes(b"")
    other.join()
    server.wait()
    return result


def show(result: dict[str, Any]) -> None:
    for title, rows in result.items():
        print(title)
        for name, value in rows.items():
            text = f"{value:.3f}" if isinstance(value, float) else str(value)
            print(f"  {name:<44} {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    result = run(arguments.quick)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
