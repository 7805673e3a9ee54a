"""Hand-over of memory between two processes: machool beside what Python users have, in one run.

    python benchmarks/bench_handoff.py [--quick] [--json]

A round trip sends the bytes, and the other side answers with one small message without looking at
them (64 bytes: it sends them back). The ways compared take turns, and each figure is a median of
medians: machines are noisy, so only ratios within one run mean anything. pyzmq is measured where it
is installed. Never part of a test's verdict. README.md beside this file says what each line means.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import machool

ECHO, ACKNOWLEDGE, READ, PSS, HELD, STOP = range(6)
MIB = 1 << 20
BIG = 64 * MIB
SMALL_PART = 128 << 10
"""The smallest region that travels without a copy."""

Calls = dict[str, Callable[[], object]]


# --- what a process holds -------------------------------------------------------------------------


def pss() -> int:
    """Proportional set size of this process, in bytes: shared pages count in part."""
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss in smaps_rollup")


def held() -> dict[str, float]:
    """What would grow if something leaked."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        mappings = sum(1 for _ in maps)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mappings": mappings,
        "RSS, MiB": round(pages * machool.page_size / MIB, 1),
    }


# --- the other sides, each in a process of its own ------------------------------------------------


def serve(name: str) -> None:
    """machool's."""
    with machool.Server(name) as server:
        print("ready", flush=True)
        for request in server:
            if request.id == ECHO:
                request.reply(request.body)
            elif request.id == ACKNOWLEDGE:
                request.reply()
            elif request.id == READ:
                kept = request.ool[0]
                request.reply(str(sum(kept[:: machool.page_size])).encode())
            elif request.id == PSS:
                request.reply(str(pss()).encode())
            elif request.id == HELD:
                request.reply(json.dumps(held()).encode())
            else:
                return
            del request


def serve_pipe(pipe: Connection) -> None:
    """A Pipe's; it also attaches to the segments that are named to it."""
    while data := pipe.recv_bytes():
        if data.startswith(b"attach "):
            SharedMemory(data[7:].decode()).close()
        pipe.send_bytes(data if len(data) <= 64 else b"k")


def serve_zmq(address: str) -> None:
    """pyzmq's, receiving frames without a copy of its own."""
    zmq = importlib.import_module("zmq")
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
        socket.bind(address)
        while len(socket.recv(copy=False)):
            socket.send(b"k")


@contextlib.contextmanager
def machool_client() -> Iterator[machool.Client]:
    name = f"com.example.machool.bench.{os.getpid()}"
    command = [sys.executable, __file__, "--serve", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with machool.Client(name, timeout=120) as client:
            yield client
            client.send(id=STOP)


@contextlib.contextmanager
def pipe_client() -> Iterator[Connection]:
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve_pipe, args=(theirs,))
    process.start()
    yield mine
    mine.send_bytes(b"")
    process.join()


@contextlib.contextmanager
def zmq_client() -> Iterator[Any]:
    """A socket, or None without pyzmq."""
    try:
        zmq = importlib.import_module("zmq")
    except ImportError:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{folder}/bench"
        process = multiprocessing.get_context("spawn").Process(target=serve_zmq, args=(address,))
        process.start()
        with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
            socket.connect(address)
            yield socket
            socket.send(b"")
        process.join()


# --- measuring ------------------------------------------------------------------------------------


def interleaved(calls: Calls, rounds: int, each: int) -> dict[str, float]:
    """Median microseconds of each call; the calls take turns, each turn's median counts once."""
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
    return {name: statistics.median(values) * 1e6 for name, values in medians.items()}


def by_pipe(pipe: Connection, data: bytes | bytearray) -> None:
    pipe.send_bytes(data)
    pipe.recv_bytes()


def by_shared_memory(pipe: Connection, data: bytearray) -> None:
    """A segment for each message: made, filled, named to the other side, unlinked."""
    segment = SharedMemory(create=True, size=len(data))
    assert segment.buf is not None
    segment.buf[: len(data)] = data
    by_pipe(pipe, b"attach " + segment.name.encode())
    segment.close()
    segment.unlink()


def by_zmq(socket: Any, data: bytearray, copy: bool) -> None:
    socket.send(data, copy=copy)
    socket.recv()


def round_trips(client: machool.Client, quick: bool) -> dict[str, dict[str, float]]:
    """Microseconds of each way, for small messages and for 64 MiB."""
    small, ordinary, region = b"x" * 64, bytearray(BIG), machool.Region(BIG)
    memoryview(region)[:] = ordinary
    with pipe_client() as pipe, zmq_client() as socket:
        echo: Calls = {
            "machool": lambda: client.request(small, id=ECHO),
            "Pipe": lambda: by_pipe(pipe, small),
        }
        big: Calls = {
            "machool, ordinary memory": lambda: client.request(ool=ordinary, id=ACKNOWLEDGE),
            "machool, a clean region again": lambda: client.request(ool=region, id=ACKNOWLEDGE),
            "Pipe": lambda: by_pipe(pipe, ordinary),
            "SharedMemory, one for each": lambda: by_shared_memory(pipe, ordinary),
        }
        if socket is not None:
            big["pyzmq, copy=True"] = lambda: by_zmq(socket, ordinary, True)
            big["pyzmq, copy=False"] = lambda: by_zmq(socket, ordinary, False)
        return {
            "64 bytes": interleaved(echo, *((3, 300) if quick else (7, 2000))),
            "64 MiB": interleaved(big, *((1, 2) if quick else (5, 3))),
        }


def ratios(times: dict[str, dict[str, float]]) -> dict[str, float]:
    """The three that the project watches."""
    small, big = times["64 bytes"], times["64 MiB"]
    return {
        "64 bytes: machool / Pipe": small["machool"] / small["Pipe"],
        "ordinary 64 MiB: machool / Pipe": big["machool, ordinary memory"] / big["Pipe"],
        "64 MiB: Pipe / clean region": big["Pipe"] / big["machool, a clean region again"],
    }


def memory(client: machool.Client, size: int) -> dict[str, float]:
    """A region filled, sent, and read on both sides: what both processes hold together."""

    def both() -> int:
        return pss() + int(client.request(id=PSS).body)

    base = both()
    view = memoryview(machool.Region(size))
    for at in range(0, size, BIG):
        view[at : at + BIG] = b"\1" * min(BIG, size - at)
    there = int(client.request(ool=view.obj, id=READ).body)
    here = sum(view[:: machool.page_size])
    together = both() - base
    client.request(ool=b"x", id=READ)  # the receiver lets go of the region
    if not here == there == size // machool.page_size:
        raise RuntimeError("the receiver read something else")
    return {"GiB sent": size / (1 << 30), "summed PSS, GiB": together / (1 << 30)}


def flat(client: machool.Client, count: int) -> dict[str, Any]:
    """So many messages with a region each: what both hold after a tenth of them, and at the end."""

    def both() -> dict[str, dict[str, float]]:
        return {"sender": held(), "receiver": json.loads(client.request(id=HELD).body)}

    early: dict[str, dict[str, float]] = {}
    for number in range(count):
        region = machool.Region(SMALL_PART)
        with memoryview(region) as view:
            view[:: machool.page_size] = bytes(SMALL_PART // machool.page_size)
        client.request(ool=region, id=ACKNOWLEDGE)
        if number == count // 10:
            early = both()
    return {"messages": count, "after a tenth": early, "at the end": both()}


def measure(quick: bool) -> dict[str, Any]:
    with machool_client() as client:
        times = round_trips(client, quick)
        return {
            "machine": {
                "cpus": len(os.sched_getaffinity(0)),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "machool": machool.__version__,
            },
            "microseconds": times,
            "ratios": ratios(times),
            "memory": memory(client, (256 if quick else 1024) * MIB),
            "flat": flat(client, 2_000 if quick else 100_000),
        }


# --- printing -------------------------------------------------------------------------------------


def show(result: dict[str, Any]) -> None:
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    for size, times in result["microseconds"].items():
        print(f"\n{'round trip of ' + size:<34}{'us':>12}{'of Pipe':>12}")
        for way, value in times.items():
            print(f"  {way:<32}{value:>12,.1f}{value / times['Pipe']:>12.4f}")
    print()
    for name, value in {**result["ratios"], **result["memory"]}.items():
        print(f"{name:<34}{value:>12,.3f}")
    rows = result["flat"]
    print(f"\n{rows['messages']:,} regions sent{'after a tenth':>29}{'at the end':>13}")
    for side, early in rows["after a tenth"].items():
        for what, before in early.items():
            print(f"  {side + ', ' + what:<34}{before:>12}{rows['at the end'][side][what]:>13}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    result = measure(arguments.quick)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
