"""Signals: blocked calls are interrupted by exceptions of handlers, and by nothing else (S154)."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import machool
from peer import LIMIT, hear, tell

WAITS = {
    "Server.receive": "server.receive()",
    "Server.receive, with a time-out": "server.receive(1000)",
    "Server.__next__": "next(server)",
    "Server.serve": "server.serve(lambda message: None)",
    "Port.receive": "machool.Port().receive()",
    "Client.request": "client.request()",
    "Client.receive": "client.receive()",
    "Client.send": "[client.send() for _ in range(100)]",
}

CTRL_C = """
signal.signal(signal.SIGINT, signal.default_int_handler)
name = {name!r}
server = machool.Server(name)
client = machool.Client(name)
tell("blocking")
try:
    {call}
except KeyboardInterrupt:
    end = time.monotonic()
    tell(end)
hear()
"""


def wait_until_blocked(
    pid, system_calls=("futex", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll")
):
    """Until the process sleeps in a system call that waits for a message."""
    numbers = {
        "futex": 202,
        "poll": 7,
        "ppoll": 271,
        "epoll_wait": 232,
        "epoll_pwait": 281,
        "epoll_pwait2": 441,
    }
    wanted = {str(numbers[call]) for call in system_calls}
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        if state == "S" and Path(f"/proc/{pid}/syscall").read_text().split()[0] in wanted:
            return
        os.sched_yield()
    raise TimeoutError(f"process {pid} does not block")


blocked = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="numbers of system calls are those of x86-64"
)


@blocked
@pytest.mark.parametrize("call", WAITS.values(), ids=WAITS)
def test_ctrl_c_within_100_ms(spawn, name, call):
    peer = spawn(CTRL_C.format(name=name, call=call))
    assert peer.hear() == "blocking"
    delays = []
    wait_until_blocked(peer.pid)
    start = time.monotonic()
    peer.signal(signal.SIGINT)
    delays.append(peer.hear() - start)
    peer.done()
    assert min(delays) < 0.1


@blocked
def test_ctrl_c_between_processes(spawn, name):
    """Of a request that the server has received, and will never answer."""

    def asker(name):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        client = machool.Client(name)
        try:
            client.request(ool=bytes(1 << 20))
        except KeyboardInterrupt:
            tell(time.monotonic())
        tell(client.request(timeout=30).body)
        hear()

    with machool.Server(name) as server:
        peer = spawn(asker, name)
        request = server.receive(LIMIT)
        wait_until_blocked(peer.pid)
        start = time.monotonic()
        peer.signal(signal.SIGINT)
        assert peer.hear() - start < 0.1
        again = server.receive(LIMIT)
        with pytest.raises(machool.PeerDied):
            request.reply(b"nobody waits for this")
        again.reply(b"answered")
        assert peer.hear() == b"answered"
        peer.done()


@blocked
def test_ctrl_c_with_other_threads_waiting(spawn, name):
    """The main thread hears of it although another thread leads the waiting."""

    def waiters(name):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        server = machool.Server(name)
        ports = [machool.Port() for _ in range(3)]
        for port in ports:
            threading.Thread(target=port.receive, daemon=True).start()
        tell("blocking")
        try:
            server.receive()
        except KeyboardInterrupt:
            tell(time.monotonic())
        hear()
        os._exit(0)

    peer = spawn(waiters, name)
    peer.hear()
    wait_until_blocked(peer.pid)
    start = time.monotonic()
    peer.signal(signal.SIGINT)
    assert peer.hear() - start < 0.1
    assert peer.process.poll() is None


@blocked
def test_handler_that_returns_lets_the_wait_go_on(spawn, name):
    def waiter(name):
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: (seen.append(1), tell(len(seen))))
        with machool.Server(name) as server:
            tell("blocking")
            message = server.receive()
            tell((message.body, len(seen)))
            hear()

    peer = spawn(waiter, name)
    peer.hear()
    for number in range(1, 21):
        wait_until_blocked(peer.pid)
        peer.signal(signal.SIGUSR1)
        assert peer.hear() == number
    with machool.Client(name) as client:
        client.send(b"still there?")
    assert peer.hear() == (b"still there?", 20)
    peer.done()


@blocked
def test_handler_runs_while_sending_blocks(spawn, name):
    def sender(name):
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: (seen.append(1), tell(len(seen))))
        with machool.Client(name) as client:
            for number in range(5):
                client.send(str(number).encode())
            held = machool.stats()["region_bytes"]
            tell("full")
            parts = [machool.OOL(b"x" * 300_000, copy=copy) for copy in machool.CopyOption]
            client.send(b"5", ool=parts)
            tell((len(seen), machool.stats()["region_bytes"] - held))
            hear()

    with machool.Server(name) as server:
        peer = spawn(sender, name)
        assert peer.hear() == "full"
        for number in range(1, 11):
            wait_until_blocked(peer.pid)
            peer.signal(signal.SIGUSR1)
            assert peer.hear() == number
        messages = [server.receive(LIMIT) for _ in range(6)]
        assert [message.body for message in messages] == [b"0", b"1", b"2", b"3", b"4", b"5"]
        assert [bytes(view) for view in messages[-1].ool] == [b"x" * 300_000] * 2
        assert peer.hear() == (10, 0)  # what was handed back each time is not held
        with pytest.raises(machool.TimedOut):
            server.receive(0.05)  # sent once, whatever interrupted it
        peer.done()


@blocked
def test_interrupted_send_leaves_everything_with_the_sender(spawn, name):
    def sender(name):
        class Enough(Exception):
            pass

        def stop(*_):
            raise Enough

        signal.signal(signal.SIGUSR1, stop)
        region = machool.Region(1 << 20)
        memoryview(region)[:4] = b"mine"
        with machool.Client(name) as client, machool.Port() as port:
            for _ in range(5):
                client.send()
            ports = machool.stats()["ports"]
            tell("full")
            try:
                client.send(ool=machool.OOL(region, deallocate=True), ports=port)
            except Enough:
                tell((region.moved, bytes(memoryview(region)[:4]), port.right))
            tell(machool.stats()["ports"] - ports)
            hear()
            client.send(ool=machool.OOL(region, deallocate=True), ports=port)
            tell(region.moved)
            hear()

    with machool.Server(name) as server:
        peer = spawn(sender, name)
        assert peer.hear() == "full"
        wait_until_blocked(peer.pid)
        peer.signal(signal.SIGUSR1)
        assert peer.hear() == (False, b"mine", "receive")
        assert peer.hear() == 0
        for _ in range(5):
            server.receive(LIMIT)
        peer.tell("again")
        message = server.receive(LIMIT)
        assert bytes(message.ool[0][:4]) == b"mine"
        assert message.ports[0].right == "send"
        assert peer.hear() is True
        peer.done()


def test_time_out_counts_on_through_signals(name):
    """A signal every few milliseconds lengthens nothing."""
    count = 0

    def handler(*_):
        nonlocal count
        count += 1

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        with machool.Server(name) as server:
            start = time.monotonic()
            with pytest.raises(machool.TimedOut):
                server.receive(0.3)
            took = time.monotonic() - start
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert 0.3 <= took < 2.0
    assert count > 2


def test_handler_can_shut_down_the_server(spawn, name):
    """The usual way to stop a service: SIGTERM ends the loop, the rest of the program runs."""

    def service(name):
        with machool.Server(name) as server:
            signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
            tell("ready")
            for request in server:
                request.reply(request.body)
            tell("left the loop")
        hear()

    peer = spawn(service, name)
    peer.hear()
    with machool.Client(name) as client:
        assert client.request(b"x", timeout=LIMIT).body == b"x"
        peer.signal(signal.SIGTERM)
        assert peer.hear() == "left the loop"
        with pytest.raises(machool.PeerDied):
            client.request(timeout=LIMIT)
    peer.done()


def test_handler_can_send_and_receive(spawn, name):
    """Python runs handlers between bytecodes, so they may use everything."""

    def service(name):
        with machool.Server(name) as server:

            def handler(*_):
                with machool.Client(name) as client:
                    client.send(b"from the handler")

            signal.signal(signal.SIGUSR1, handler)
            tell("ready")
            for message in server:
                tell(message.body)

    peer = spawn(service, name)
    peer.hear()
    for _ in range(5):
        peer.signal(signal.SIGUSR1)
        assert peer.hear() == b"from the handler"


def test_storm_of_signals(spawn, name):
    """Thousands of messages while signals rain on both sides: none lost, none doubled."""

    def service(name):
        signal.signal(signal.SIGUSR1, lambda *_: None)
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                request.reply(request.body, ool=request.ool)

    peer = spawn(service, name)
    peer.hear()
    stop = threading.Event()

    def storm():
        while not stop.wait(0.0005):
            peer.signal(signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGUSR1)

    old = signal.signal(signal.SIGUSR1, lambda *_: None)
    thread = threading.Thread(target=storm)
    thread.start()
    try:
        with machool.Client(name, timeout=LIMIT) as client:
            for number in range(3000):
                body = str(number).encode()
                part = body * 20_000 if number % 100 == 0 else b"x"
                reply = client.request(body, ool=part)
                assert (reply.body, bytes(reply.ool[0])) == (body, part)
    finally:
        stop.set()
        thread.join()
        signal.signal(signal.SIGUSR1, old)


def test_stopped_and_continued(spawn, name):
    """SIGSTOP and SIGCONT interrupt system calls with EINTR on their own."""

    def service(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                request.reply(request.body)

    peer = spawn(service, name)
    peer.hear()
    with machool.Client(name, timeout=LIMIT) as client:
        for number in range(20):
            body = str(number).encode()
            assert client.request(body).body == body
            peer.stop()
            peer.resume()
