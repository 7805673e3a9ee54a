"""The exchange of the article "XNU IPC - Introduction to OOL data" (S1-S14), between processes."""

import struct

import pytest

import machool

SERVER = """
    page = machool.Region(machool.page_size)
    memoryview(page)[:17] = b"Hello, OOL data!\\0"
    with machool.Server(name) as server:
        ready()
        for request in server:
            if request.id == 10:
                request.reply(ool=page)
            elif request.id == 99:
                break
            else:
                request.reply(b"Response - Hello Mach!".ljust(32, b"\\0") + bytes([254, 1, 0, 0]))
"""


@pytest.fixture
def client(service, spawn):
    peer = spawn(SERVER, service)
    peer.line()
    with machool.Client(service, timeout=10) as client:
        yield client


def test_inline_reply(client):
    reply = client.request(struct.pack("32si", b"Request", 1), id=8)
    text, number = struct.unpack("32si", reply.body)
    assert (reply.id, text.rstrip(b"\0"), number) == (8, b"Response - Hello Mach!", 510)
    assert reply.ool == ()


def test_page_of_memory(client):
    reply = client.request(b"Request OOL", id=10)
    view, descriptor = reply.ool[0], reply.descriptors[0]
    assert bytes(view[:17]) == b"Hello, OOL data!\0"  # S7
    assert not any(view[17:])
    assert descriptor.size == len(view) == machool.page_size  # S5
    assert descriptor.copy == machool.VIRTUAL_COPY  # S6
    assert descriptor.deallocate is True
    assert descriptor.address % machool.page_size == 0
    assert not view.readonly


def test_many_requests_share_one_page(client):
    replies = [client.request(id=10) for _ in range(20)]
    for number, reply in enumerate(replies):
        reply.ool[0][0] = number
    assert [reply.ool[0][0] for reply in replies] == list(range(20))
    assert client.request(id=10).ool[0][0] == ord("H")  # no client's write is seen (S7)
    assert len({reply.descriptors[0].address for reply in replies}) == 20  # S41


def test_nobody_answers_in_time(service):
    with machool.Server(service), machool.Client(service) as client:
        with pytest.raises(machool.TimedOut) as caught:
            client.request(id=10, timeout=0.05)
        assert caught.value.code == machool.mach.MACH_RCV_TIMED_OUT == 0x10004003  # S13
        assert isinstance(caught.value, TimeoutError)


def test_message_without_reply_port(service):
    with machool.Server(service) as server, machool.Client(service) as client:
        client.send(b"no answer wanted", id=3)
        message = server.receive(timeout=5)
        assert not message.has_reply_port  # S14
        with pytest.raises(ValueError, match="no reply"):
            message.reply()
