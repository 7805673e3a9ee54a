"""recv_into and Message.copy_into: received data in memory that the caller has."""

import array
import pickle
import threading

import pytest

import machool
from peer import LIMIT, tell

pytestmark = pytest.mark.usefixtures("leak_guard")

SIZES = [0, 1, 100, 4096, 5000, 65_536, 65_537, 300_000, 3 << 20]
sizes = pytest.mark.parametrize("size", SIZES)


def contents(size, seed=1):
    row = bytes((at * 7 + seed) % 251 for at in range(251))
    return (row * (size // 251 + 1))[:size]


def gatherer(name):
    """Receives everything into one buffer that it keeps; answers with size and bytes."""
    buffer = bytearray(4 << 20)
    with machool.Server(name) as server:
        tell("ready")
        while True:
            count, request = server.recv_into(buffer)
            assert all(len(part) == 0 for part in request.ool[:1])
            request.reply(b"%d" % count, ool=[bytes(buffer[:count]), *request.ool])


def small_buffer(name):
    """Has too little room at first; answers with what it got in the end."""
    with machool.Server(name) as server:
        tell("ready")
        while True:
            try:
                _, request = server.recv_into(bytearray(10))
            except machool.BufferTooSmall as error:
                request = error.message
                buffer = bytearray(error.needed)
                request.copy_into(buffer)
                request.reply(b"late", ool=buffer)
            else:
                request.reply(b"at once")


def answerer(name):
    """Answers with as many bytes as it is asked for, out of line and in line."""
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            size = int(request.body)
            request.reply(contents(size)[:100], ool=[contents(size), contents(size, 2)])


@pytest.fixture
def client(spawn, name, request):
    peer = spawn(request.param, name, uses=[contents])
    peer.hear()
    with machool.Client(name, timeout=LIMIT) as client:
        yield client


def served_by(function):
    return pytest.mark.parametrize("client", [function], indirect=True)


# --- between two processes ------------------------------------------------------------------------


@served_by(gatherer)
def test_server_receives_parts_of_all_sizes(client):
    for size in SIZES:
        reply = client.request(ool=[contents(size), b"second"])
        assert reply.body == b"%d" % size
        assert [bytes(part) for part in reply.ool] == [contents(size), b"", b"second"]


@served_by(gatherer)
def test_server_receives_bodies(client):
    for size in (0, 1, 3, 4, 100, 50_000):
        reply = client.request(contents(size))
        assert reply.body == b"%d" % size
        assert bytes(reply.ool[0]) == contents(size)


@served_by(gatherer)
def test_the_same_region_again_with_a_few_pages_changed(client):
    region = machool.Region(2 << 20)
    with memoryview(region) as view:
        for seed in range(4):
            view[seed * 300_000] = seed + 1
            reply = client.request(ool=region)
            assert reply.ool[0] == view


@served_by(small_buffer)
def test_what_does_not_fit_is_not_lost(client):
    for size in (11, 5000, 300_000):
        reply = client.request(ool=contents(size))
        assert reply.body == b"late"
        assert reply.ool[0] == contents(size)
    assert client.request(ool=contents(10)).body == b"at once"
    reply = client.request(b"eleven bytes")
    assert bytes(reply.ool[0]) == b"eleven bytes"


@served_by(answerer)
def test_client_receives_answers(client):
    buffer = bytearray(4 << 20)
    for size in SIZES:
        client.send(b"%d" % size, reply=True)
        count, reply = client.recv_into(buffer, LIMIT)
        assert (count, bytes(buffer[:count])) == (size, contents(size))
        assert reply.ool[1] == contents(size, 2)
        assert reply.body == contents(size)[:100]
    with pytest.raises(machool.TimedOut):
        client.recv_into(buffer, timeout=0)


@served_by(answerer)
def test_copies_of_an_answer(client):
    for size in SIZES:
        reply = client.request(b"%d" % size)
        into = bytearray(size + 5)
        for index, seed in ((0, 1), (1, 2)):
            assert reply.copy_into(into, index) == size
            assert into[:size] == contents(size, seed)
            assert into[size:] == bytes(5) or index
        assert reply.ool[0] == contents(size)


# --- within one -----------------------------------------------------------------------------------


@pytest.fixture
def port():
    with machool.Port() as port:
        yield port


@sizes
def test_buffers_of_many_kinds(port, size):
    for buffer in (
        bytearray(size),
        machool.Region(size),
        array.array("d", bytes(size // 8 * 8 + 8)),
        memoryview(bytearray(size + 3))[3:],
    ):
        port.send(ool=contents(size))
        count, message = port.recv_into(buffer, 0)
        assert count == size
        assert bytes(memoryview(buffer).cast("B")[:size]) == contents(size)
        assert [len(part) for part in message.ool] == [0]


def test_arrays_of_numpy(port):
    numpy = pytest.importorskip("numpy")
    sent = numpy.arange(50_000, dtype=numpy.int64)
    got = numpy.zeros_like(sent)
    port.send(ool=sent)
    assert port.recv_into(got, 0)[0] == sent.nbytes
    assert (got == sent).all()
    with pytest.raises(BufferError, match="contiguous"):
        port.recv_into(got[::2], 0)
    got.flags.writeable = False
    with pytest.raises((BufferError, ValueError)):  # numpy's own choice
        port.recv_into(got, 0)


def test_description_says_what_came(port):
    port.send(ool=[bytes(5000), b"x"])
    _, message = port.recv_into(bytearray(5000), 0)
    first, second = message.descriptors
    assert (first.address, first.size, first.copy) == (0, 5000, machool.VIRTUAL_COPY)
    assert second.address != 0


def test_memory_of_the_part_is_given_back(port):
    port.send(ool=machool.OOL(machool.Region(3 << 20), deallocate=True))
    before = machool.stats()["regions"]
    _, message = port.recv_into(bytearray(3 << 20), 0)
    assert machool.stats()["regions"] == before
    assert message.ool[0].nbytes == 0


def test_bad_buffers_receive_nothing(port):
    port.send(b"still here")
    for buffer in (b"bytes", memoryview(bytes(10)), memoryview(bytearray(20))[::2]):
        with pytest.raises(BufferError):
            port.recv_into(buffer, 0)
    for arguments in ((), (3,), (None,), (bytearray(3), "soon"), (bytearray(3), 0, 0)):
        with pytest.raises(TypeError):
            port.recv_into(*arguments)
    with pytest.raises(ValueError, match="timeout"):
        port.recv_into(bytearray(3), -1)
    assert port.receive(0).body == b"still here"


def test_copy_into_checks(port):
    port.send(b"body", ool=[b"0", b"11"])
    message = port.receive(0)
    buffer = bytearray(4)
    for index in (2, -1, 1 << 40, 1 << 70):
        with pytest.raises(IndexError):
            message.copy_into(buffer, index)
    for arguments in ((), (3,), (buffer, "1"), (buffer, 0, 0)):
        with pytest.raises(TypeError):
            message.copy_into(*arguments)
    with pytest.raises(BufferError):
        message.copy_into(b"1234")
    with pytest.raises(machool.BufferTooSmall) as caught:
        message.copy_into(bytearray(1), index=1)
    assert caught.value.message is message
    assert caught.value.needed == 2
    assert str(caught.value) == "2 bytes do not fit in a buffer of 1"
    assert buffer == bytes(4)
    port.send(b"body")
    message = port.receive(0)
    assert message.copy_into(buffer) == 4
    assert buffer == b"body"
    with pytest.raises(IndexError):
        message.copy_into(buffer, 1)


def test_copy_into_a_view_of_itself(port):
    port.send(ool=contents(1000))
    message = port.receive(0)
    assert message.copy_into(message.ool[0]) == 1000
    assert message.ool[0] == contents(1000)
    with pytest.raises(machool.BufferTooSmall):
        message.copy_into(message.ool[0][1:])
    message.ool[0].release()
    with pytest.raises(ValueError, match="released"):
        message.copy_into(bytearray(1000))


def test_too_small_keeps_everything(port):
    with machool.Port() as right, machool.Port() as inbox:
        port.send(b"body", ool=[contents(100_000), b"2"], ports=right, id=7, reply=inbox)
        with pytest.raises(machool.BufferTooSmall) as caught:
            port.recv_into(bytearray(99_999), 0)
        message = caught.value.message
        assert (message.id, message.body, len(message.ports)) == (7, b"body", 1)
        assert [bytes(part) for part in message.ool] == [contents(100_000), b"2"]
        assert message.descriptors[0].address != 0
        message.reply(b"answered")
        assert inbox.receive(0).body == b"answered"


def test_too_small_goes_to_another_process_as_text(port):
    port.send(b"12345")
    with pytest.raises(machool.BufferTooSmall) as caught:
        port.recv_into(bytearray(4), 0)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is BufferError
    assert str(copy) == str(caught.value)


def test_buffer_is_free_again(port):
    buffer = bytearray(10)
    for size in (10, 11):
        port.send(ool=contents(size))
        try:
            port.recv_into(buffer, 0)
        except machool.BufferTooSmall:
            assert size == 11
        buffer.append(0)  # no export is left
        del buffer[10:]
    with pytest.raises(machool.TimedOut):
        port.recv_into(buffer, 0)
    buffer.append(0)


def test_port_sets_and_servers(name):
    buffer = bytearray(10)
    with (
        machool.Server(name) as server,
        machool.Port() as port,
        machool.PortSet([server, port]) as members,
        machool.Client(name) as client,
    ):
        client.send(ool=b"one")
        count, message = members.recv_into(buffer, LIMIT)
        assert (count, buffer[:3], message.port) == (3, b"one", server)
        port.send(b"three")
        count, message = members.recv_into(buffer, LIMIT)
        assert (count, buffer[:5], message.port) == (5, b"three", port)
        server.shutdown()
        with pytest.raises(EOFError):
            server.recv_into(buffer)
    with pytest.raises(ValueError, match="closed"):
        members.recv_into(buffer)


def test_notifications_too(port):
    with machool.Port() as other, other.make_send() as send:
        send.request_notification(machool.NotificationKind.DEAD_NAME, port)
        other.close()
        count, message = port.recv_into(bytearray(100), LIMIT)
        assert isinstance(message, machool.Notification)
        assert count == len(message.body)


def test_receive_of_a_subclass_is_asked(name):
    class Counting(machool.Server):
        count = 0

        def receive(self, *args, **kwargs):
            self.count += 1
            return super().receive(*args, **kwargs)

    class Wrong(machool.Server):
        def receive(self, *args, **kwargs):
            return None

    with Counting(name) as server, machool.Client(name) as client:
        client.send(ool=b"abc")
        assert server.recv_into(bytearray(3), timeout=LIMIT)[0] == 3
        assert server.count == 1
    with Wrong(name) as server, pytest.raises(TypeError):
        server.recv_into(bytearray(3))


def test_many_threads_with_a_buffer_each(name):
    rounds, threads = 50, 4
    got, lock = [], threading.Lock()

    def work(server):
        buffer = bytearray(200_000)
        for _ in range(rounds):
            count, request = server.recv_into(buffer, LIMIT)
            with lock:
                got.append((request.id, bytes(buffer[:count])))

    with machool.Server(name, queue_limit=1000) as server, machool.Client(name) as client:
        workers = [threading.Thread(target=work, args=(server,)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for number in range(rounds * threads):
            client.send(ool=contents(100_000 + number, number), id=number)
        for worker in workers:
            worker.join(LIMIT)
    assert sorted(number for number, _ in got) == list(range(rounds * threads))
    assert all(data == contents(100_000 + number, number) for number, data in got)
