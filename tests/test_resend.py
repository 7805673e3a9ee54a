"""A region that is sent again: what was written to travels alone, to who has had the rest."""

import hashlib
import os
import sys

import pytest

import machool
from peer import LIMIT, tell

pytestmark = [
    pytest.mark.usefixtures("leak_guard"),
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own copy-on-write"),
]

PAGE = machool.page_size
SIZE = 4 << 20


def hasher(name):
    """Answers with a hash of what it gets."""
    import hashlib

    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            if request.has_reply_port:
                request.reply(hashlib.sha256(request.ool[0]).digest())


def echo(name):
    """Sends back what it gets, with a byte of its own in the second page."""
    with machool.Server(name, queue_limit=10) as server:
        tell("ready")
        for request in server:
            request.ool[0][machool.page_size] ^= 1
            request.reply(b"%d" % machool.stats()["bytes_copied"], ool=request.ool[0])


def asker(name):
    """Asks twice, and tells what it got."""
    import hashlib

    for _ in range(2):
        with machool.Client(name, timeout=20) as client:
            tell(hashlib.sha256(client.request().ool[0]).hexdigest())


def digest(region):
    return hashlib.sha256(region).digest()


class Moved:
    """What this process has copied and shared in the block."""

    def __enter__(self):
        self.before = machool.stats()
        return self

    def __exit__(self, *exc):
        after = machool.stats()
        self.copied = after["bytes_copied"] - self.before["bytes_copied"]
        self.shared = after["bytes_shared"] - self.before["bytes_shared"]


@pytest.fixture
def region():
    with machool.Region(SIZE) as region:
        with memoryview(region) as view:
            view[:] = os.urandom(PAGE) * (SIZE // PAGE)
        yield region


def write(region, *pages):
    with memoryview(region) as view:
        for page in pages:
            view[page * PAGE + 1] ^= 0x55


def send(client, region):
    with Moved() as moved:
        assert client.request(ool=region).body == digest(region)
    return moved.copied, moved.shared


def test_pages_written_to_travel_alone(spawn, name, region):
    spawn(hasher, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        assert send(client, region) == (0, SIZE)
        assert send(client, region) == (0, SIZE)
        for pages in ([0], [0, 1, 2], [3, 500, 1023]):
            write(region, *pages)
            copied, shared = send(client, region)
            assert 0 < copied <= 7 * PAGE
            assert copied + shared == SIZE
        write(region, *range(512))
        assert send(client, region) == (SIZE, 0)


def test_a_client_that_comes_again_is_known(spawn, name, region):
    spawn(hasher, name).hear()
    for pages in range(3):
        with machool.Client(name, timeout=LIMIT) as client:
            write(region, pages)  # the first before it is sent at all
            assert send(client, region) == (pages * PAGE, SIZE - pages * PAGE)


@pytest.fixture
def two_clients(spawn, names):
    """Each of a hasher of its own."""
    peers = names(), names()
    for name in peers:
        spawn(hasher, name).hear()
    with (
        machool.Client(peers[0], timeout=LIMIT) as first,
        machool.Client(peers[1], timeout=LIMIT) as second,
    ):
        yield first, second


def test_who_has_not_had_it_gets_all(region, two_clients):
    first, second = two_clients
    send(first, region)
    write(region, 1)
    assert send(second, region) == (SIZE, 0)
    assert send(first, region) == (PAGE, SIZE - PAGE)
    assert send(second, region) == (SIZE, 0)


def test_who_had_it_clean_is_known(region, two_clients):
    first, second = two_clients
    assert send(first, region) == send(second, region) == (0, SIZE)
    write(region, 1)
    assert send(first, region) == send(second, region) == (PAGE, SIZE - PAGE)


def test_replies_of_a_server(spawn, name, region):
    with machool.Server(name) as server:
        clients = [spawn(asker, name) for _ in range(2)]
        copied = []
        for page in range(4):
            request = server.receive(LIMIT)
            with Moved() as moved:
                request.reply(ool=region)
            sender = request.sender.pid
            (client,) = [client for client in clients if client.pid == sender]
            assert client.hear() == digest(region).hex()
            copied.append(moved.copied)
            write(region, page)
        assert copied[0] == 0
        assert sorted(copied[1:])[-1] == SIZE  # the other one's first
        assert sorted(copied[1:])[0] <= 3 * PAGE


def test_what_comes_back_is_mostly_there(spawn, name, region):
    spawn(echo, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        back = client.request(ool=region)
        assert int(back.body) == 0  # before it sent its first
        for _ in range(3):
            with memoryview(region) as view:
                assert back.ool[0][: PAGE - 1] == view[: PAGE - 1]
            view = back.ool[0]
            view[5 * PAGE] ^= 1
            with Moved() as moved:
                back = client.request(ool=view)
            assert moved.copied <= 2 * PAGE
            assert view[PAGE] != back.ool[0][PAGE]
            assert view[2 * PAGE :] == back.ool[0][2 * PAGE :]
        assert int(back.body) <= 3 * 2 * PAGE


def test_a_service_that_was_busy_when_it_was_found(spawn, name, region):
    peer = spawn(hasher, name)
    peer.hear()
    peer.stop()
    with machool.Client(name, timeout=LIMIT) as client:
        client.send(ool=region)  # to a task that has not said who it is
        peer.resume()
        assert send(client, region) == (0, SIZE)
        write(region, 7)
        assert send(client, region) == (PAGE, SIZE - PAGE)


def count(name):
    """Answers with how many parts were equal to the first."""
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            first = request.ool[0]
            request.reply(b"%d" % sum(part == first for part in request.ool))


def test_more_descriptors_than_a_datagram_takes(spawn, name):
    spawn(count, name).hear()
    parts = 150  # two descriptors each, 253 a datagram
    with machool.Client(name, timeout=LIMIT) as client, machool.Region(128 << 10) as small:
        assert client.request(ool=[small] * parts).body == b"%d" % parts
        write(small, 3)
        with Moved() as moved:
            assert client.request(ool=[small] * parts).body == b"%d" % parts
        assert moved.copied == parts * PAGE


def test_moved_away_after_a_few_pages(spawn, name, region):
    spawn(hasher, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        send(client, region)
        write(region, 3, 4)
        expected = digest(region)
        with Moved() as moved:
            reply = client.request(ool=machool.OOL(region, deallocate=True))
        assert reply.body == expected
        assert (moved.copied, moved.shared) == (2 * PAGE, SIZE - 2 * PAGE)
        assert region.moved


def test_physical_copies_are_copies(spawn, name, region):
    spawn(hasher, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        send(client, region)
        write(region, 3)
        with Moved() as moved:
            client.request(ool=machool.OOL(region, copy=machool.PHYSICAL_COPY))
        assert (moved.copied, moved.shared) == (SIZE, 0)
