"""Memory in a message: what arrives is the receiver's own, and dies with its last view.

The server registers its name before it starts the client, so nobody has to wait for anybody.
"""

import os
import subprocess
import sys

import machool


def client(name: str) -> None:
    with machool.Client(name) as client:
        first = client.request(b"memory, please", timeout=10).ool[0]
        second = client.request(b"once more", timeout=10).ool[0]
    first[:6] = b"edited"
    print(f"client {os.getpid()}: first  = {bytes(first[:14])}")
    print(f"client {os.getpid()}: second = {bytes(second[:14])}, {len(second):,} bytes")
    with machool.Client(name) as client:
        client.send(b"bye")


def server(name: str) -> None:
    region = machool.Region(1 << 20)
    memoryview(region)[:14] = b"as it was sent"
    with machool.Server(name) as server:
        child = subprocess.Popen([sys.executable, __file__, name])
        for request in server:
            if request.body == b"bye":
                break
            request.reply(ool=region)
    child.wait()
    print(f"server {os.getpid()}: region = {bytes(memoryview(region)[:14])}")
    print("proved: what a receiver writes, nobody else sees")


if __name__ == "__main__":
    if sys.argv[1:]:
        client(sys.argv[1])
    else:
        server(f"com.example.two-processes.{os.getpid()}")
