"""fork: a child with an empty space of its own (S142), memory that is copy-on-write (S182)."""

import os
import signal
import threading
import time
import traceback

import pytest

import machool
from peer import LIMIT, hear, tell

pytestmark = [
    pytest.mark.usefixtures("leak_guard"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

SPECIAL_NAMES = 3  # task, host, bootstrap


class Child:
    """Runs a function in a forked child, which tells through a pipe how it went."""

    def __init__(self, body):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reader)
            text = b""
            try:
                body()
            except BaseException:
                text = traceback.format_exc().encode()
            os.write(writer, text or b"ok")
            os._exit(bool(text))
        os.close(writer)

    def join(self):
        with open(self.reader, "rb") as file:
            text = file.read()
        os.waitpid(self.pid, 0)
        assert text == b"ok", text.decode()


def test_S142_child_starts_with_nothing(name):
    with machool.Server(name) as server, machool.Client(name) as client, machool.Port() as port:
        client.send(b"for the parent", ports=port)

        def child():
            stats = machool.stats()
            assert stats["ports"] == SPECIAL_NAMES
            assert stats["channels"] == stats["messages_sent"] == 0
            for use in (
                lambda: server.receive(0),
                lambda: client.send(),
                lambda: client.request(timeout=1),
                lambda: port.receive(0),
                lambda: machool.Port().send(ports=port),
            ):
                try:
                    use()
                except (machool.MachError, ValueError):
                    continue
                raise AssertionError("a name of the parent's is valid in the child")

        Child(child).join()
        message = server.receive(LIMIT)
        assert message.body == b"for the parent"
        message.ports[0].send(b"lives")
        assert port.receive(LIMIT).body == b"lives"


def test_S142_child_can_do_everything_anew(name, names):
    own = names()
    with machool.Server(name) as server:

        def child():
            with machool.Server(own) as mine, machool.Client(own) as client:
                client.send(b"to myself", ool=b"x" * 300_000)
                assert bytes(mine.receive(LIMIT).ool[0]) == b"x" * 300_000
            with machool.Client(name) as client:
                assert client.request(b"to the parent", timeout=LIMIT).body == b"yes"

        forked = Child(child)
        request = server.receive(LIMIT)
        assert request.sender.pid == forked.pid
        request.reply(b"yes")
        forked.join()


def test_S182_regions_are_copy_on_write_both_ways(name):
    sizes = (100, 5000, 300_000, 4 << 20)
    regions = [machool.Region(size) for size in sizes]
    views = [memoryview(region) for region in regions]
    with machool.Server(name) as server, machool.Client(name) as client:
        for view in views:
            view[:] = b"P" * len(view)
        client.send(ool=regions)
        views += server.receive(LIMIT).ool
        written, go = os.pipe(), os.pipe()

        def child():
            for view in views:
                assert bytes(view) == b"P" * len(view)
                view[:] = b"C" * len(view)
            os.write(written[1], b"x")
            os.read(go[0], 1)
            assert all(bytes(view) == b"C" * len(view) for view in views)

        forked = Child(child)
        os.read(written[0], 1)
        assert all(bytes(view) == b"P" * len(view) for view in views)
        for view in views:
            view[:] = b"Q" * len(view)
        os.write(go[1], b"x")
        forked.join()
        assert all(bytes(view) == b"Q" * len(view) for view in views)
        for end in (*written, *go):
            os.close(end)


def test_child_sends_the_regions_it_inherited(name):
    regions = [machool.Region(size) for size in (100, 5000, 300_000, 4 << 20)]
    sent = machool.Region(1 << 20)
    for region in (*regions, sent):
        memoryview(region)[:1] = b"P"
    with machool.Server(name) as server, machool.Client(name) as client:
        client.send(ool=sent)  # frozen for being sent
        kept = server.receive(LIMIT).ool[0]

        def child():
            with machool.Client(name) as client:
                for region in (*regions, sent):
                    memoryview(region)[:1] = b"C"
                client.send(b"kept", ool=[*regions, sent, kept])
                parts = [machool.OOL(region, deallocate=True) for region in (*regions, sent)]
                client.send(b"moved", ool=parts)
                assert all(region.moved for region in regions)

        Child(child).join()
        for word in (b"kept", b"moved"):
            message = server.receive(LIMIT)
            assert message.body == word
            assert [view[0] for view in message.ool[:5]] == [ord("C")] * 5
        client.send(ool=[*regions, sent])
        assert [view[0] for view in server.receive(LIMIT).ool] == [ord("P")] * 5
        assert not any(region.moved for region in regions)


def test_child_that_ends_takes_nothing_along(name):
    """Garbage collection and exit in the child touch nothing of the parent's."""
    region = machool.Region(300_000)
    memoryview(region)[:1] = b"P"
    with machool.Server(name) as server, machool.Client(name) as client:
        client.send(b"queued", ool=region)
        client.send(b"asked", reply=True)

        def child():
            region.close()
            client.close()
            server.close()

        Child(child).join()
        messages = [server.receive(LIMIT) for _ in range(2)]
        assert bytes(messages[0].ool[0][:1]) == b"P"
        messages[1].reply(b"answered")
        assert client.receive(LIMIT).body == b"answered"
        assert memoryview(region)[0] == ord("P")


def parent_with_child(name):
    """Serves, and has a child that only waits."""
    server = machool.Server(name)
    reader, writer = os.pipe()
    born, birth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.write(birth, b"!")  # fork() has returned: until then it still is its parent's twin
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    os.read(born, 1)
    tell(child)
    for request in server:
        if request.has_reply_port:
            request.reply(request.body)
        else:
            kept = request  # noqa: F841


def test_S142_peers_see_the_death_of_the_parent_while_its_child_lives(spawn, name):
    peer = spawn(parent_with_child, name)
    child = peer.hear()
    with machool.Client(name) as client:
        assert client.request(b"x", timeout=LIMIT).body == b"x"
        os.kill(child, signal.SIGSTOP)  # it will not even notice
        try:
            client.send(b"kept", reply=False, timeout=LIMIT)
            start = time.monotonic()
            peer.kill()
            with pytest.raises(machool.PeerDied):
                client.request(timeout=LIMIT)
            assert time.monotonic() - start < 1.0
            with machool.Server(name):  # and the name is free
                pass
        finally:
            os.kill(child, signal.SIGKILL)


def test_fork_with_a_request_under_way(spawn, name):
    """The answer goes to the parent; the child has no part in it."""

    def slow(name):
        with machool.Server(name) as server:
            tell("ready")
            request = server.receive()
            tell("have it")
            hear()
            request.reply(b"answer", ool=bytes(300_000))
            hear()

    peer = spawn(slow, name)
    peer.hear()
    with machool.Client(name) as client:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.request(timeout=LIMIT).body))
        thread.start()
        assert peer.hear() == "have it"
        forked = Child(lambda: None)
        forked.join()
        peer.tell("answer")
        thread.join(LIMIT)
        assert answers == [b"answer"]


def test_fork_while_threads_are_at_it(spawn, name):
    """Forked at any instant of the exchange, the child starts clean, and no lock is held in it."""

    def echo(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                request.reply(request.body, ool=request.ool)

    spawn(echo, name).hear()
    stop = threading.Event()
    failures = []

    def traffic(client):
        part = bytes(100_000)
        try:
            while not stop.is_set():
                assert len(client.request(ool=part, timeout=LIMIT).ool[0]) == len(part)
        except BaseException as error:
            failures.append(error)

    def child():
        assert machool.stats()["ports"] == SPECIAL_NAMES
        with machool.Client(name) as client:
            assert client.request(b"child", timeout=LIMIT).body == b"child"

    with machool.Client(name) as client:
        threads = [threading.Thread(target=traffic, args=(client,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(25):
                Child(child).join()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failures == []


def test_grandchildren(name):
    with machool.Server(name, queue_limit=100) as server:

        def generation(depth):
            with machool.Client(name) as client:
                client.send(str(depth).encode())
                if depth:
                    Child(lambda: generation(depth - 1)).join()
                client.send(b"back")

        forked = Child(lambda: generation(4))
        bodies = [server.receive(LIMIT).body for _ in range(10)]
        forked.join()
        assert sorted(bodies) == sorted([b"0", b"1", b"2", b"3", b"4", *[b"back"] * 5])


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method, name):
    """Its three ways of starting a process, with one end here and the other there."""
    import multiprocessing

    context = multiprocessing.get_context(method)
    with machool.Server(name) as server:
        process = context.Process(target=_work, args=(name,))
        process.start()
        request = server.receive(LIMIT)
        assert request.sender.pid == process.pid
        request.reply(ool=bytes(1 << 20))
        assert server.receive(LIMIT).body == b"1048576"
        process.join(LIMIT)
        assert process.exitcode == 0
        process.close()
    if method == "forkserver":
        multiprocessing.forkserver._forkserver._stop()
    if method in ("forkserver", "spawn"):
        multiprocessing.resource_tracker._resource_tracker._stop()


def _work(name):
    with machool.Client(name, timeout=LIMIT) as client:
        size = len(client.request().ool[0])
        client.send(str(size).encode())
