"""OOL(region, deallocate=True): the memory goes, and nothing here can be hurt by that."""

import gc
import weakref

import numpy as np
import pytest

import machool
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("each_transport", "leak_guard")

sizes = pytest.mark.parametrize("size", [1, 5000, 300_000, 8 << 20, (8 << 20) + 1])


def receiver(name):
    """Answers with the contents in short."""
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            answer = repr([(len(view), sorted(set(view))) for view in request.ool]).encode()
            request.reply(answer)


@pytest.fixture
def client(spawn, name):
    spawn(receiver, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        client.request()
        yield client


def filled(size, byte=7):
    region = machool.Region(size)
    with memoryview(region) as view:
        view[:] = bytes([byte]) * size
    return region


def moved(region, **kwargs):
    return machool.OOL(region, deallocate=True, **kwargs)


@sizes
def test_moved_region(client, size):
    region = filled(size)
    assert client.request(ool=moved(region)).body == repr([(size, [7])]).encode()
    assert region.moved
    assert not region.closed
    assert region.size == len(region) == size
    assert "moved" in repr(region)


@pytest.mark.parametrize("size", [1, 5000, 300_000, 6 << 20])
def test_moved_by_a_physical_copy(client, size):
    region = filled(size)
    part = moved(region, copy=machool.PHYSICAL_COPY)
    assert client.request(ool=part).body == repr([(size, [7])]).encode()
    assert region.moved


@sizes
def test_every_use_of_a_moved_region_says_so(client, size):
    region = filled(size)
    client.request(ool=moved(region))
    for use in (memoryview, bytes, lambda r: client.send(ool=r), lambda r: client.send(r)):
        with pytest.raises(ValueError, match="moved"):
            use(region)
    with pytest.raises(ValueError, match="moved"):
        client.send(ool=moved(region))
    region.close()
    region.close()
    assert region.moved


@pytest.mark.parametrize("exporter", [memoryview, np.frombuffer, lambda r: memoryview(r)[3:4]])
def test_no_move_under_a_view(client, exporter):
    region = filled(300_000)
    view = exporter(region)
    before = machool.stats()["messages_sent"]
    with pytest.raises(BufferError):
        client.request(ool=moved(region))
    assert machool.stats()["messages_sent"] == before
    assert not region.moved
    del view
    assert client.request(ool=moved(region)).body == b"[(300000, [7])]"


@sizes
def test_stale_array_over_a_moved_region(client, size):
    """np.ndarray(buffer=…) holds no export: it must find memory, and no longer the data."""
    region = filled(size)
    stale = np.ndarray(shape=(size,), dtype=np.uint8, buffer=region)
    assert stale.sum() == 7 * size
    client.request(ool=moved(region))
    assert stale.sum() == 0
    stale[:] = 9  # writes go nowhere
    del region
    gc.collect()
    assert stale[0] == 9


def test_writes_through_a_stale_array_reach_nobody(spawn, name):
    def late(name):
        with machool.Server(name) as server:
            tell("ready")
            kept = server.receive()
            tell("have it")
            for request in server:
                request.reply(repr(sorted(set(kept.ool[0]))).encode())

    region = filled(8 << 20)
    stale = np.ndarray(shape=(8 << 20,), dtype=np.uint8, buffer=region)
    peer = spawn(late, name)
    assert peer.hear() == "ready"
    peer.stop()
    with machool.Client(name, timeout=LIMIT) as client:
        client.send(ool=moved(region))
        stale[:] = 99
        peer.resume()
        assert peer.hear() == "have it"
        stale[:] = 98
        assert client.request().body == b"[7]"


@sizes
def test_stale_array_over_a_closed_region(size):
    region = filled(size)
    stale = np.ndarray(shape=(size,), dtype=np.uint8, buffer=region)
    region.close()
    assert stale.sum() in (0, 7 * size)
    stale[:] = 1


def test_failed_send_leaves_the_region(spawn, name):
    """Refused, timed out or undeliverable: the region is still here, whole."""

    def deaf(name):
        with machool.Server(name):
            tell("ready")
            hear()

    peer = spawn(deaf, name)
    peer.hear()
    region = filled(1 << 20)
    with machool.Client(name) as client:
        for _ in range(machool.mach.MACH_PORT_QLIMIT_DEFAULT):
            client.send(timeout=0)
        with pytest.raises(machool.TimedOut):
            client.send(ool=moved(region), timeout=0.05)
        assert not region.moved
        memoryview(region).release()
        peer.kill()
        with pytest.raises(machool.PeerDied):
            client.request(timeout=LIMIT)  # by now its death is known here
        with pytest.raises(machool.PeerDied):
            client.send(ool=moved(region))
    assert not region.moved
    with memoryview(region) as view:
        assert set(view) == {7}


def test_moved_twice_in_one_message(client):
    region = filled(5000)
    with pytest.raises(BufferError):
        client.request(ool=[moved(region), moved(region)])
    with pytest.raises(BufferError):
        client.request(ool=[region, moved(region)])
    assert not region.moved
    assert client.request(ool=region).body == b"[(5000, [7])]"


def test_moves_of_several_regions(client):
    regions = [filled(size, size % 251) for size in (1, 5000, 300_000, 2 << 20)]
    reply = client.request(ool=[moved(region) for region in regions])
    assert reply.body == repr([(r.size, [r.size % 251]) for r in regions]).encode()
    assert all(region.moved for region in regions)


@sizes
def test_memory_is_given_back_by_the_move(client, size):
    def mapped():
        return machool.stats()["region_bytes"]

    before = mapped()
    region = filled(size)
    client.request(ool=moved(region))
    alive = weakref.ref(region)
    del region
    gc.collect()
    assert alive() is None
    assert mapped() == before


@sizes
def test_what_was_received_can_move_on(spawn, names, size):
    """A received part is a Region too: it moves on once its views are gone."""

    def between(name, onward):
        with machool.Server(name) as server, machool.Client(onward, timeout=30) as client:
            tell("ready")
            request = server.receive()
            got = request.ool[0].obj
            assert type(got) is machool.Region
            try:
                client.request(ool=machool.OOL(got, deallocate=True))
            except BufferError:
                tell("held by a view")
            reply_to, request = request, None
            reply_to.ool[0].release()
            tell(client.request(ool=machool.OOL(got, deallocate=True)).body)
            tell(got.moved)
            reply_to.reply(b"done")

    first, last = names(), names()
    spawn(receiver, last).hear()
    middle = spawn(between, first, last)
    assert middle.hear() == "ready"
    with machool.Client(first, timeout=LIMIT) as client:
        assert client.request(ool=filled(size)).body == b"done"
    assert middle.hear() == "held by a view"
    assert middle.hear() == repr([(size, [7])]).encode()
    assert middle.hear() is True


def test_only_regions_move():
    for buffer in (b"x", bytearray(5), memoryview(b"x"), np.zeros(3)):
        with pytest.raises(ValueError, match="Region"):
            machool.OOL(buffer, deallocate=True)
