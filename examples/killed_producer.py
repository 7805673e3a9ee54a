"""A producer is killed while its message still waits in the queue: it arrives all the same.

Memory in a message belongs to the message, not to the process that sent it; and nothing is left
behind that somebody would have to clean up.
"""

import os
import signal
import subprocess
import sys

import machool

SIZE = 64 << 20


def producer(name: str) -> None:
    region = machool.Region(SIZE)
    with memoryview(region) as view:
        view[:] = b"0123456789abcdef" * (SIZE // 16)
    machool.Client(name).send(b"my last words", ool=machool.OOL(region, deallocate=True))
    os.kill(os.getpid(), signal.SIGKILL)


def main(name: str) -> None:
    with machool.Server(name) as server:
        process = subprocess.Popen([sys.executable, __file__, name])
        code = process.wait()  # nobody has received anything so far
        print(f"producer {process.pid}: ended by {signal.Signals(-code).name}")
        message = server.receive(timeout=10)
    view = message.ool[0]
    print(f"received {bytes(message.body)} and {len(view) >> 20} MiB from {message.sender.pid}")
    assert message.sender.pid == process.pid
    assert view == b"0123456789abcdef" * (SIZE // 16)
    print("proved: every byte is there although its sender is not")


if __name__ == "__main__":
    if sys.argv[1:]:
        producer(sys.argv[1])
    else:
        main(f"com.example.killed-producer.{os.getpid()}")
