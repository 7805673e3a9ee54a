"""S65 to S74: what arrived is the receiver's, what was sent stays the sender's."""

import ast
import mmap
import threading

import pytest

import machool
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("each_transport", "leak_guard")

SIZES = [100, 5000, 300_000, 3 << 20]
COPIES = [machool.VIRTUAL_COPY, machool.PHYSICAL_COPY]
ways = pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.name)
sizes = pytest.mark.parametrize("size", SIZES)


def keeper(name):
    """Keeps each part it gets. Asked to, it tells what its parts hold, or writes to them."""
    kept = []
    with machool.Server(name, queue_limit=100) as server:
        tell("ready")
        for request in server:
            if request.body == b"look":
                request.reply(repr([sorted(set(view)) for view in kept]).encode())
            elif request.body == b"write":
                for view in kept:
                    view[:] = b"\xee" * len(view)
                request.reply(b"")
            elif request.body == b"give":
                request.reply(ool=kept)
            else:
                kept.extend(request.ool)
                if request.has_reply_port:
                    request.reply(b"")


def look(client):
    return client.request(b"look").body


def fill(region, byte):
    with memoryview(region) as view:
        view[:] = bytes([byte]) * len(view)


def holds(buffer):
    with memoryview(buffer) as view:
        return sorted(set(view))


@pytest.fixture
def peer(spawn, name):
    peer = spawn(keeper, name)
    peer.hear()
    return peer


@pytest.fixture
def client(peer, name):
    with machool.Client(name, timeout=LIMIT) as client:
        yield client


def source_of(kind, size):
    return {"region": machool.Region, "bytearray": bytearray, "mmap": lambda n: mmap.mmap(-1, n)}[
        kind
    ](size)


@sizes
@ways
@pytest.mark.parametrize("kind", ["region", "bytearray", "mmap"])
def test_S65_contents_are_fixed_by_the_send(client, kind, size, copy):
    source = source_of(kind, size)
    fill(source, 1)
    client.send(ool=machool.OOL(source, copy=copy))
    fill(source, 2)
    assert look(client) == b"[[1]]"
    assert holds(source) == [2]


@sizes
@ways
def test_S65_also_while_the_message_is_queued(peer, client, size, copy):
    """The receiver stands still while sender and message part."""
    region = machool.Region(size)
    fill(region, 1)
    peer.stop()
    client.send(ool=machool.OOL(region, copy=copy))
    fill(region, 2)
    client.send(ool=machool.OOL(region, copy=copy))
    fill(region, 3)
    peer.resume()
    assert look(client) == b"[[1], [2]]"


@sizes
@ways
@pytest.mark.parametrize("kind", ["region", "bytearray", "mmap"])
def test_S66_the_receiver_writes_for_itself(client, kind, size, copy):
    source = source_of(kind, size)
    fill(source, 1)
    client.send(ool=machool.OOL(source, copy=copy))
    client.request(b"write")
    assert look(client) == b"[[238]]"
    assert holds(source) == [1]
    client.send(ool=machool.OOL(source, copy=copy))
    assert look(client) == b"[[238], [1]]"


@sizes
def test_S67_the_same_region_again_and_again(client, size):
    region = machool.Region(size)
    for number in range(5):
        fill(region, number)
        client.send(ool=region)
        client.send(ool=region)
    assert look(client) == repr([[number // 2] for number in range(10)]).encode()


@sizes
@ways
def test_S68_twice_in_one_message(client, size, copy):
    region = machool.Region(size)
    fill(region, 7)
    part = machool.OOL(region, copy=copy)
    client.send(ool=[part, part])
    given = client.request(b"give")
    first, second = given.ool
    assert given.descriptors[0].address != given.descriptors[1].address
    first[:] = b"a" * size
    assert (holds(first), holds(second), holds(region)) == ([97], [7], [7])


@sizes
def test_S69_the_sender_is_gone_before_the_receiver_looks(spawn, name, names, size):
    def producer(name, size):
        region = machool.Region(size)
        with memoryview(region) as view:
            view[:] = b"x" * size
        with machool.Client(name) as client:
            client.send(ool=region)
        region.close()

    with machool.Server(name) as server:
        spawn(producer, name, size).done()
        (view,) = server.receive(LIMIT).ool
        assert holds(view) == [120]
        view[:] = b"y" * size
        assert holds(view) == [121]


@sizes
def test_S70_forwarding_gives_the_present_contents(spawn, names, size):
    """What C gets is B's at the time B sends it; A and B keep what they have."""

    def between(name, onward):
        with machool.Server(name) as server, machool.Client(onward) as client:
            tell("ready")
            request = server.receive()
            (view,) = request.ool
            first = client.request(ool=view).body  # as it came
            view[0] = 2
            second = client.request(ool=view).body  # written to
            view[0] = 3
            request.reply(repr((first, second, view[0], view[1])).encode(), ool=view)
            hear()

    def last(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                (view,) = request.ool
                seen = bytes(view[:2])
                view[:] = b"\xff" * len(view)
                request.reply(seen)

    middle, end = names(), names()
    spawn(last, end).hear()
    spawn(between, middle, end).hear()
    region = machool.Region(size)
    fill(region, 1)
    with machool.Client(middle, timeout=LIMIT) as client:
        reply = client.request(ool=region)
    assert bytes(reply.body) == repr((b"\x01\x01", b"\x02\x01", 3, 1)).encode()
    assert bytes(reply.ool[0]) == b"\x03" + b"\x01" * (size - 1)
    assert holds(region) == [1]


@sizes
def test_S72_sending_to_oneself(name, size):
    region = machool.Region(size)
    fill(region, 1)
    with machool.Server(name) as server, machool.Client(name) as client:
        client.send(ool=region)
        fill(region, 2)
        (view,) = server.receive(0).ool
    assert (holds(view), holds(region)) == ([1], [2])
    view[:] = b"\x05" * size
    assert (holds(view), holds(region)) == ([5], [2])


def test_S73_memory_shared_with_another_process(spawn, client, tmp_path):
    """A snapshot of it: what the other writes later is not seen."""

    def writer(path):
        import mmap

        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
            tell("mapped")
            hear()
            shared[:] = b"2" * len(shared)
            tell("written")
            hear()

    path = tmp_path / "shared"
    path.write_bytes(b"1" * 300_000)
    other = spawn(writer, str(path))
    other.hear()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        client.send(ool=shared)
        other.ask("write")
        assert set(shared[:]) == {ord("2")}
        assert look(client) == b"[[49]]"


def test_S74_read_only_memory(client):
    client.send(ool=memoryview(b"r" * 300_000))
    client.request(b"write")
    assert look(client) == b"[[238]]"


@pytest.mark.parametrize("size", [5000, 8 << 20])
def test_many_receivers_of_one_region(spawn, names, size):
    """Each has its own, whatever the others do to theirs."""

    def receiver(name, number):
        with machool.Server(name) as server:
            tell("ready")
            (view,) = server.receive().ool
            tell((view[0], view[-1]))
            view[:] = bytes([number]) * len(view)
            tell("written")
            hear()
            tell(sorted(set(view)))

    region = machool.Region(size)
    fill(region, 200)
    services = [names() for _ in range(5)]
    receivers = [spawn(receiver, service, i) for i, service in enumerate(services)]
    assert {receiver.hear() for receiver in receivers} == {"ready"}
    for service in services:
        with machool.Client(service) as client:
            client.send(ool=region)
    fill(region, 201)
    assert [receiver.hear() for receiver in receivers] == [(200, 200)] * 5
    assert {receiver.hear() for receiver in receivers} == {"written"}
    assert [receiver.ask("look") for receiver in receivers] == [[i] for i in range(5)]
    assert holds(region) == [201]


@pytest.mark.parametrize("size", [5000, 300_000, 3 << 20])
def test_a_writer_beside_the_send(client, size):
    """Every byte that arrives is one that was there, and none changes later."""
    region = machool.Region(size)
    stop = threading.Event()

    def write():
        view = memoryview(region)
        byte = 0
        while not stop.is_set():
            byte = byte % 3 + 1
            view[:] = bytes([byte]) * size

    writer = threading.Thread(target=write)
    fill(region, 1)
    writer.start()
    try:
        for _ in range(10):
            client.send(ool=region)
        first, second = look(client), look(client)
    finally:
        stop.set()
        writer.join()
    assert first == second

    assert all(set(seen) <= {1, 2, 3} for seen in ast.literal_eval(first.decode()))
