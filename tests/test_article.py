"""The article's exchange, S1 to S14, between two Python processes."""

import os
import struct
from pathlib import Path

import pytest

import machool
from peer import hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")

GREETING = b"Hello, OOL data!\0"
BODY = struct.Struct("32si")


def server(name):
    import struct

    page = machool.Region(machool.page_size)
    memoryview(page)[:17] = b"Hello, OOL data!\0"
    with machool.Server(name) as server:
        tell(page.address)
        for request in server:
            if request.id == 10:
                request.reply(ool=page)
            elif request.id == 8:
                assert len(request.body) == 36
                request.reply(struct.pack("32si", b"Response - Hello Mach!", 510))
            elif request.id == 0:
                break
            else:  # what the server sees of it
                answer = (request.has_reply_port, tuple(request.sender), request.body)
                if request.has_reply_port:
                    request.reply(repr(answer).encode())
                else:
                    tell(answer)
    tell(bytes(page) == b"Hello, OOL data!\0" + bytes(machool.page_size - 17))
    hear()


@pytest.fixture
def peer(spawn, name):
    peer = spawn(server, name)
    peer.address = peer.hear()
    return peer


@pytest.fixture
def client(peer, name):
    with machool.Client(name, timeout=10.0) as client:
        yield client


def protection_of(address):
    """Permissions of the mapping that holds an address."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(part, 16) for part in line.split(maxsplit=1)[0].split("-"))
        if first <= address < last:
            return line.split()[1]
    return None


def test_S1_plain_request_and_reply(client):
    reply = client.request(BODY.pack(b"Request - Hello Mach!", 255), id=8)
    text, number = BODY.unpack(reply.body)
    assert (reply.id, text.rstrip(b"\0"), number) == (8, b"Response - Hello Mach!", 510)
    assert reply.ool == ()
    assert reply.descriptors == ()
    assert reply.ports == ()


def test_S4_S6_page_in_the_reply(client, peer):
    reply = client.request(BODY.pack(b"Request OOL", 1), id=10)
    (descriptor,) = reply.descriptors
    assert reply.id == 10
    assert descriptor.copy == machool.VIRTUAL_COPY == 1
    assert descriptor.deallocate is True
    assert descriptor.size == machool.page_size
    assert descriptor.address % machool.page_size == 0
    assert descriptor.address != 0


def test_S7_contents_and_protection(client):
    reply = client.request(id=10)
    (view,) = reply.ool
    assert bytes(view) == GREETING + bytes(machool.page_size - len(GREETING))
    assert (view.readonly, view.format, view.ndim, view.contiguous) == (False, "B", 1, True)
    assert protection_of(reply.descriptors[0].address) == "rw-p"


def test_S7_no_write_is_seen_by_anybody(client, peer):
    views = [client.request(id=10).ool[0] for _ in range(4)]
    for number, view in enumerate(views):
        view[:] = bytes([number]) * len(view)
    assert [set(view) for view in views] == [{0}, {1}, {2}, {3}]
    assert bytes(client.request(id=10).ool[0][:17]) == GREETING
    client.send(id=0)
    assert peer.hear() is True


def test_S7_any_number_of_clients(client, spawn, name):
    def visitor(name):
        with machool.Client(name, timeout=10.0) as client:
            view = client.request(id=10).ool[0]
            tell(bytes(view[:17]))
            view[:17] = b"x" * 17
            hear()

    visitors = [spawn(visitor, name) for _ in range(3)]
    assert [visitor.hear() for visitor in visitors] == [GREETING] * 3
    assert bytes(client.request(id=10).ool[0][:17]) == GREETING


def test_S3_names_do_not_pile_up(client):
    client.request(id=10)
    before = machool.stats()["ports"]
    for _ in range(200):
        client.request(id=10)
    assert machool.stats()["ports"] == before


def test_S13_timed_out_receive(client):
    with pytest.raises(machool.TimedOut) as caught:
        client.receive(timeout=0.05)
    assert caught.value.code == machool.mach.MACH_RCV_TIMED_OUT == 0x10004003
    assert caught.value.name == "MACH_RCV_TIMED_OUT"
    assert client.request(bytes(36), id=8).id == 8


def test_S14_reply_port_or_none(client, peer):
    me = (os.getpid(), os.geteuid(), os.getegid())
    client.send(b"no answer, please", id=77)
    assert peer.hear() == (False, me, b"no answer, please")
    reply = client.request(b"an answer", id=77)
    assert bytes(reply.body) == repr((True, me, b"an answer")).encode()


def test_reply_comes_from_the_server(client, peer):
    reply = client.request(id=10)
    assert reply.sender.pid == peer.pid
    assert not reply.has_reply_port
