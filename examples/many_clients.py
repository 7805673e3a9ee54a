"""One server, many clients: each is handed the same region and gets a snapshot of its own.

The handler runs in four threads; a fifth waits for the clients and then shuts the server down.
"""

import os
import subprocess
import sys
import threading

import machool

CLIENTS, REQUESTS = 8, 25


def client(name: str) -> None:
    with machool.Client(name, timeout=30) as client:
        views = [client.request(b"page, please").ool[0] for _ in range(REQUESTS)]
    for number, view in enumerate(views):
        view[:] = bytes([number + 1]) * len(view)
    assert all(view[0] == view[-1] == number + 1 for number, view in enumerate(views))


def main(name: str) -> None:
    region = machool.Region(16 * machool.page_size)  # zero-filled
    seen: dict[int, int] = {}
    lock = threading.Lock()

    def handler(request: machool.Message) -> None:
        with lock:
            seen[request.sender.pid] = seen.get(request.sender.pid, 0) + 1
        request.reply(ool=region)

    with machool.Server(name) as server:
        command = [sys.executable, __file__, name]
        clients = [subprocess.Popen(command) for _ in range(CLIENTS)]

        def wait() -> None:
            for process in clients:
                process.wait()
            server.shutdown()

        threading.Thread(target=wait).start()
        server.serve(handler, threads=4)

    assert seen == {process.pid: REQUESTS for process in clients}
    assert not any(process.returncode for process in clients)
    assert bytes(region) == bytes(len(memoryview(region)))
    print(f"{len(seen)} clients, {sum(seen.values())} regions handed out and written to")
    print("proved: the server's own pages are still zero, and it knew who asked")


if __name__ == "__main__":
    if sys.argv[1:]:
        client(sys.argv[1])
    else:
        main(f"com.example.many-clients.{os.getpid()}")
