"""A region of 1 GiB in two processes at once, in memory once.

PSS is resident memory with every shared page counted in shares: summed over both processes it says
how much there really is. The client fills and sends, both read all of it, both print.
Another size: python one_gibibyte.py MIB.
"""

import os
import subprocess
import sys
from pathlib import Path

import machool

MIB = 1 << 20


def pss() -> int:
    """Proportional set size of this process, in MiB (Linux)."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) // 1024
    raise OSError("no PSS")


def client(name: str, size: int) -> None:
    region = machool.Region(size * MIB)
    with memoryview(region) as view:
        for offset in range(0, len(view), MIB):
            view[offset : offset + MIB] = bytes([offset // MIB % 256]) * MIB
    print(f"client: filled {size} MiB, PSS {pss()} MiB", flush=True)
    with machool.Client(name) as client:
        client.request(ool=region, timeout=60)  # the server reads, and keeps its view
        sum(memoryview(region)[:: machool.page_size])  # and so do we
        mine, theirs = pss(), int(client.request(timeout=60).body)
    print(f"client: read {size} MiB, PSS {mine} MiB; with the server's {mine + theirs} MiB")
    print(f"proved: {size} MiB in two processes, {(mine + theirs) / size:.2f} times in memory")


def server(name: str, size: int) -> None:
    with machool.Server(name) as server:
        child = subprocess.Popen([sys.executable, __file__, str(size), name])
        message = server.receive(timeout=60)
        view = message.ool[0]
        for offset in range(0, len(view), MIB):
            assert view[offset : offset + MIB] == bytes([offset // MIB % 256]) * MIB
        message.reply()
        message = server.receive(timeout=60)
        print(f"server: read {len(view) // MIB} MiB, PSS {pss()} MiB", flush=True)
        message.reply(str(pss()).encode())
    child.wait()


if __name__ == "__main__":
    size = int(sys.argv[1]) if sys.argv[1:] else 1024
    if sys.argv[2:]:
        client(sys.argv[2], size)
    else:
        server(f"com.example.one-gibibyte.{os.getpid()}", size)
