"""Time-outs: seconds, counted over a whole call, never early and not much late."""

import math
import threading
import time

import pytest

import machool
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")

LATE = 2.0
"""Seconds a call may be late on a machine that is busy with other things."""


class Clock:
    """Asserts how long a block takes."""

    def __init__(self, at_least, at_most=None):
        self.at_least = at_least
        self.at_most = at_least + LATE if at_most is None else at_most

    def __enter__(self):
        self.start = time.monotonic()

    def __exit__(self, *exception):
        if exception[0] is None:
            took = time.monotonic() - self.start
            assert self.at_least <= took < self.at_most


def silent(name):
    """Receives nothing, until told to take one message and drop it, or to answer all."""
    with machool.Server(name) as server:
        tell("ready")
        while True:
            what = hear()
            if what == "take":
                kept = server.receive()
                tell(kept.body)
            elif what == "answer":
                kept.reply(b"late")
                tell("answered")


@pytest.fixture
def peer(spawn, name):
    peer = spawn(silent, name)
    peer.hear()
    return peer


@pytest.fixture
def client(peer, name):
    with machool.Client(name) as client:
        yield client


def fill(client):
    """Fills the server's queue; how many messages that took."""
    count = 0
    while True:
        try:
            client.send(str(count).encode(), timeout=0)
        except machool.TimedOut:
            return count
        count += 1


@pytest.mark.parametrize("seconds", [0, 0.01, 0.2])
def test_receive(name, seconds):
    with machool.Server(name) as server, machool.Port() as port:
        for receive in (server.receive, port.receive):
            with Clock(seconds), pytest.raises(machool.TimedOut) as caught:
                receive(timeout=seconds)
            assert caught.value.code == machool.mach.MACH_RCV_TIMED_OUT
            assert caught.value.call == "mach_msg"


def test_positional_and_integer_time_outs(name):
    with machool.Server(name) as server:
        for timeout in (0, 0.0, -0.0, False):
            with pytest.raises(machool.TimedOut):
                server.receive(timeout)


def test_timed_out_is_python_s_own_time_out(name):
    with machool.Server(name) as server:
        with pytest.raises(TimeoutError, match="MACH_RCV_TIMED_OUT"):
            server.receive(0)
        with pytest.raises(OSError):
            server.receive(0)


def test_S147_zero_takes_what_is_there(spawn, name):
    def sender(name):
        with machool.Client(name) as client:
            client.send(b"one")
            client.send(b"two", ool=bytes(1 << 20))
            tell("sent")
            hear()

    with machool.Server(name) as server:
        assert spawn(sender, name).hear() == "sent"
        assert server.receive(0).body == b"one"
        assert len(server.receive(0).ool[0]) == 1 << 20
        with pytest.raises(machool.TimedOut):
            server.receive(0)


def test_S144_S146_full_queue(peer, client):
    assert fill(client) == machool.mach.MACH_PORT_QLIMIT_DEFAULT == 5
    with Clock(0.1), pytest.raises(machool.TimedOut) as caught:
        client.send(timeout=0.1)
    assert caught.value.code == machool.mach.MACH_SEND_TIMED_OUT
    assert peer.ask("take") == b"0"
    client.send(b"5", timeout=LIMIT)
    with pytest.raises(machool.TimedOut):
        client.send(timeout=0)
    assert [peer.ask("take") for _ in range(5)] == [b"1", b"2", b"3", b"4", b"5"]


def test_S144_sixth_send_waits_for_room(peer, client):
    fill(client)
    sent = threading.Event()

    def send():
        client.send(b"sixth")
        sent.set()

    thread = threading.Thread(target=send)
    thread.start()
    assert not sent.wait(0.1)
    peer.ask("take")
    assert sent.wait(LIMIT)
    thread.join()


def test_message_not_sent_in_time_is_not_sent(peer, client):
    """What it was to bring is still the sender's, and can be sent again."""
    fill(client)
    region, port = machool.Region(1 << 20), machool.Port()
    names = machool.stats()["ports"]
    for _ in range(20):
        with pytest.raises(machool.TimedOut):
            client.send(ool=[region, machool.OOL(b"x" * 300_000)], ports=port, timeout=0)
        with pytest.raises(machool.TimedOut):
            client.request(ool=machool.OOL(region, deallocate=True), timeout=0)
    assert not region.moved
    assert machool.stats()["ports"] == names
    peer.ask("take")
    client.send(b"now", ool=region, ports=port, timeout=LIMIT)
    port.close()


def test_request_counts_sending_and_waiting_together(peer, client):
    with Clock(0.2), pytest.raises(machool.TimedOut):
        client.request(timeout=0.2)
    peer.ask("take")
    fill(client)
    with Clock(0.2), pytest.raises(machool.TimedOut):
        client.request(timeout=0.2)


def test_late_answer_is_not_the_next_one(peer, client):
    with pytest.raises(machool.TimedOut):
        client.request(b"first", timeout=0.05)
    assert peer.ask("take") == b"first"
    with pytest.raises(machool.TimedOut):
        client.request(b"second", timeout=0.05)
    peer.tell("answer")  # the first asker is gone: the peer sees PeerDied and ends
    with pytest.raises(machool.PeerDied):
        client.request(b"third", timeout=LIMIT)


def test_default_of_the_client(peer, name):
    with machool.Client(name, timeout=0.1) as client:
        with Clock(0.1), pytest.raises(machool.TimedOut):
            client.request()
        with Clock(0.1), pytest.raises(machool.TimedOut):
            client.receive()
        with Clock(0, 0.1 + LATE), pytest.raises(machool.TimedOut):
            client.request(timeout=0)
        fill(client)
        with Clock(0.1), pytest.raises(machool.TimedOut):
            client.send()


def test_None_overrides_the_default(spawn, name):
    def slow(name):
        with machool.Server(name) as server:
            tell("ready")
            request = server.receive()
            tell("got it")
            hear()
            request.reply(b"at last")
            hear()

    peer = spawn(slow, name)
    peer.hear()
    with machool.Client(name, timeout=0.05) as client:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.request(timeout=None).body))
        thread.start()
        peer.hear()
        with pytest.raises(machool.TimedOut):
            client.receive()  # 0.05 s, and more, pass
        peer.tell("go on")
        thread.join(LIMIT)
    assert answers == [b"at last"]


def test_reply_in_time_or_again(spawn, name):
    """A reply goes by a send-once right: no queue limit can hold it up (S145)."""

    def asker(name):
        with machool.Client(name) as client:
            for number in range(20):
                client.send(str(number).encode(), reply=True)
            tell("asked")
            hear()
            tell([client.receive(10).body for _ in range(20)])
            hear()

    with machool.Server(name, queue_limit=20) as server:
        peer = spawn(asker, name)
        requests = [server.receive(LIMIT) for _ in range(20)]
        assert peer.hear() == "asked"
        for request in requests:
            request.reply(request.body, timeout=0)
        assert peer.ask("collect") == [str(number).encode() for number in range(20)]


@pytest.mark.parametrize("bad", ["1", b"", [], 1j, object()])
def test_what_is_no_number(name, bad):
    with machool.Server(name) as server:
        with pytest.raises(TypeError):
            server.receive(bad)


@pytest.mark.parametrize("bad", [-1, -0.001, math.nan, -math.inf])
def test_what_is_no_time(name, bad):
    with machool.Server(name) as server, machool.Client(name) as client:
        for call in (
            lambda: server.receive(bad),
            lambda: client.send(timeout=bad),
            lambda: client.request(timeout=bad),
            lambda: client.receive(bad),
            lambda: machool.Client(name, timeout=bad),
        ):
            with pytest.raises(ValueError):
                call()
        with pytest.raises(machool.TimedOut):
            server.receive(0)  # nothing was sent


@pytest.mark.parametrize("endless", [math.inf, 1e300, 1e9, 2**80])
def test_very_long_times(spawn, name, endless):
    """Longer than Mach's milliseconds can count, yet no overflow and no error."""

    def sender(name):
        hear()
        with machool.Client(name) as client:
            client.send(b"there")
            hear()

    with machool.Server(name) as server:
        peer = spawn(sender, name)
        peer.tell("go")
        assert server.receive(endless).body == b"there"


def test_many_short_waits(name):
    """Two hundred waits of a millisecond: none returns early."""
    with machool.Server(name) as server:
        start = time.monotonic()
        for _ in range(200):
            with pytest.raises(machool.TimedOut):
                server.receive(0.001)
        assert time.monotonic() - start >= 0.2


def test_waits_of_many_threads_end_each_at_its_time(name):
    with machool.Server(name) as server:
        took = {}

        def wait(seconds):
            start = time.monotonic()
            with pytest.raises(machool.TimedOut):
                server.receive(seconds)
            took[seconds] = time.monotonic() - start

        threads = [threading.Thread(target=wait, args=(n / 20,)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(seconds <= time_taken < seconds + LATE for seconds, time_taken in took.items())
    assert len(took) == 8
