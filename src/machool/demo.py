"""``python -m machool demo``: a server and a client, two processes, and memory between them.

    python -m machool demo                      both sides, then what just happened
    python -m machool demo --server [NAME]      the server alone, until Ctrl-C
    python -m machool demo --client NAME        the client alone

The client asks twice, as in the article that this exchange comes from: once for a reply of plain
bytes (a string of 32 bytes and an int), once for a page of memory.
"""

import argparse
import os
import statistics
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import machool

PLAIN, PAGE, LARGE = 8, 10, 11
"""The ids of the requests; a reply has the id of its request."""

BODY = struct.Struct("32si")
WHERE = struct.Struct("QQ")
LARGE_SIZE = 64 << 20
GREETING = b"Hello, OOL data!\0"


# --- the server -----------------------------------------------------------------------------------


def serve(name: str) -> int:
    """Answer requests until interrupted."""
    page = machool.Region(machool.page_size)
    memoryview(page)[: len(GREETING)] = GREETING
    large = machool.Region(LARGE_SIZE)
    memoryview(large)[:] = bytes(range(256)) * (LARGE_SIZE // 256)
    try:
        server = machool.Server(name)
    except machool.ServiceExists as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    with server:
        print(f"serving {name} as process {os.getpid()}", flush=True)
        try:
            for request in server:
                if request.id == PAGE:
                    request.reply(ool=page, id=PAGE)
                elif request.id == LARGE:
                    request.reply(WHERE.pack(os.getpid(), large.address), ool=large, id=LARGE)
                else:
                    request.reply(BODY.pack(b"Response - Hello Mach!", 510), id=request.id)
        except KeyboardInterrupt:
            pass
    return 0


# --- the client -----------------------------------------------------------------------------------


def text(data: bytes | memoryview) -> str:
    """The string in front of the first NUL."""
    return bytes(data).split(b"\0", 1)[0].decode()


def ask(client: machool.Client) -> None:
    """The article's two requests, printed the article's way."""
    request = BODY.pack(b"Request - Hello Mach!", 255)
    reply = client.request(request, id=PLAIN, timeout=5.0)
    greeting, number = BODY.unpack(reply.body)
    print("got response message!")
    print(f"id      : {reply.id}")
    print(f"bodyS   : {text(greeting)}")
    print(f"bodyI   : {number}")

    reply = client.request(request, id=PAGE, timeout=5.0)
    (descriptor,) = reply.descriptors
    print(text(reply.ool[0]))
    print(f"copy option: {int(descriptor.copy)}")
    print(f"buffer addr: {descriptor.address:#x}")
    print(f"total buffer size: {descriptor.size:#x}")


def is_mapped(address: int) -> bool:
    """Does this process have memory there?"""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(part, 16) for part in line.split(maxsplit=1)[0].split("-"))
        if first <= address < last:
            return True
    return False


def measure(client: machool.Client) -> str:
    """Look closer at what the two requests did; one paragraph."""
    clock = time.perf_counter
    request = BODY.pack(b"Request - Hello Mach!", 255)
    trips = []
    for _ in range(1000):
        start = clock()
        client.request(request, id=PLAIN, timeout=5.0)
        trips.append(clock() - start)

    mine = client.request(id=PAGE, timeout=5.0).ool[0]
    mine[:5] = b"Adieu"
    isolated = bytes(client.request(id=PAGE, timeout=5.0).ool[0][: len(GREETING)]) == GREETING

    hands = []
    for _ in range(5):
        start = clock()
        reply = client.request(id=LARGE, timeout=5.0)
        hands.append(clock() - start)
    server, there = WHERE.unpack(reply.body)
    here, size = reply.descriptors[0].address, reply.descriptors[0].size
    view = reply.ool[0]
    copies = []
    for _ in range(3):
        start = clock()
        copy = bytes(view)
        copies.append(clock() - start)
    right = copy[:256] == bytes(range(256)) and len(copy) == size == LARGE_SIZE
    del copy, view, reply
    freed = sys.platform != "linux" or not is_mapped(here)
    if not (isolated and right and freed):
        raise AssertionError("the exchange did not do what it promises")

    hand_over, copied, trip = min(hands), min(copies), statistics.median(trips)
    gone = (
        "When the last view of it was deleted, its pages left this process at once."
        if sys.platform == "linux"
        else ""
    )
    return (
        f"Process {os.getpid()} asked process {server}, and a page came back inside a message: "
        f"not a copy in a file or a named segment, but memory of this process, private to it. "
        f"The client then wrote into its page and asked again: the server's still reads "
        f"'{text(GREETING)}'. A plain request and its reply took {trip * 1e6:.1f} us (median of "
        f"{len(trips):,}). A region of {size >> 20} MiB, at {there:#x} there and {here:#x} here, "
        f"was handed over in {hand_over * 1e6:,.0f} us; copying it once inside this process takes "
        f"{copied * 1e6:,.0f} us, {copied / hand_over:,.0f} times as long. {gone}"
    ).rstrip()


def connect(name: str, *, explain: bool) -> int:
    """The client's side."""
    try:
        client = machool.Client(name)
    except machool.ServiceNotFound as error:
        print(f"{error}\nstart one: python -m machool demo --server {name}", file=sys.stderr)
        return 1
    with client:
        ask(client)
        if explain:
            print()
            print(textwrap.fill(measure(client), width=88))
    return 0


def both() -> int:
    """A server in a process of its own, then the client in this one."""
    name = f"com.example.machool.demo.{os.getpid()}"
    command = [sys.executable, "-m", "machool", "demo", "--server", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            if not server.stdout.readline():
                return 1
            return connect(name, explain=True)
        finally:
            server.terminate()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    side = parser.add_mutually_exclusive_group()
    side.add_argument(
        "--server",
        metavar="NAME",
        nargs="?",
        const="com.example.machool.demo",
        help="only serve (NAME: %(const)s)",
    )
    side.add_argument("--client", metavar="NAME", help="only ask the server of that name")


def run(args: argparse.Namespace) -> int:
    """Run one side or both."""
    if args.server:
        return serve(args.server)
    if args.client:
        return connect(args.client, explain=True)
    return both()
