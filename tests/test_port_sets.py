"""Port sets (S139): several receive rights, one wait."""

import asyncio
import select
import threading

import pytest

import machool
from machool import Port, PortSet
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")


def test_members_take_turns():
    with Port() as one, Port() as two, PortSet([one, two]) as ports:
        assert ports.members == (one, two)
        for number in range(3):
            one.send(b"one %d" % number)
            two.send(b"two %d" % number)
        got = [ports.receive(timeout=LIMIT) for _ in range(6)]
        assert [message.body for message in got if message.port is one] == [
            b"one 0",
            b"one 1",
            b"one 2",
        ]
        assert [message.body for message in got if message.port is two] == [
            b"two 0",
            b"two 1",
            b"two 2",
        ]
        with pytest.raises(machool.TimedOut):
            ports.receive(timeout=0)


def test_add_and_remove():
    with Port() as port, PortSet() as ports:
        assert ports.members == ()
        port.send(b"before")
        ports.add(port)
        ports.add(port)  # as with a set
        assert ports.members == (port,)
        assert ports.receive(timeout=0).body == b"before"
        ports.remove(port)
        assert ports.members == ()
        port.send(b"after")
        with pytest.raises(machool.TimedOut):
            ports.receive(timeout=0)
        assert port.receive(timeout=0).body == b"after"
        with pytest.raises(ValueError, match="not in the set"):
            ports.remove(port)


def test_port_in_several_sets():
    with Port() as port, PortSet([port]) as one, PortSet([port]) as two:
        port.send(b"x")
        assert one.receive(timeout=0).port is port
        port.send(b"y")
        assert two.receive(timeout=0).body == b"y"
        port.send(b"z")
        assert port.receive(timeout=0).body == b"z"


def test_what_leaves_by_itself():
    with Port() as way, PortSet() as ports:
        closed, moved = Port(), Port()
        ports.add(closed)
        ports.add(moved)
        closed.close()
        way.send(ports=machool.Move(moved))
        assert ports.members == ()
        (arrived,) = way.receive(timeout=LIMIT).ports
        arrived.send(b"x")
        with pytest.raises(machool.TimedOut):
            ports.receive(timeout=0)
        arrived.close()


def test_what_cannot_be_a_member():
    with Port() as port, port.make_send() as send, PortSet() as ports:
        for wrong in (send, 3, None):
            with pytest.raises(TypeError):
                ports.add(wrong)
        with pytest.raises(TypeError):
            PortSet([port, 3])
        with pytest.raises(TypeError):
            PortSet(3)
        closed = Port()
        closed.close()
        with pytest.raises(ValueError, match="closed"):
            ports.add(closed)


def test_closed_set():
    with Port() as port:
        ports = PortSet([port])
        ports.close()
        ports.close()
        assert ports.name == 0
        assert list(ports) == []
        for use in (ports.receive, ports.fileno, lambda: ports.add(port)):
            with pytest.raises(ValueError, match="closed"):
                use()
        port.send(b"lives on")
        assert port.receive(timeout=0).body == b"lives on"


def test_close_ends_iteration_in_another_thread():
    with Port() as port:
        ports, heard = PortSet([port]), threading.Event()
        bodies = []

        def run():
            for message in ports:
                bodies.append(message.body)
                heard.set()

        thread = threading.Thread(target=run)
        thread.start()
        port.send(b"x")
        assert heard.wait(LIMIT)
        ports.close()
        thread.join(LIMIT)
        assert not thread.is_alive()
        assert bodies == [b"x"]


def test_fileno_polls():
    with Port() as one, Port() as two, PortSet([one, two]) as ports:
        poll = select.poll()
        poll.register(ports.fileno(), select.POLLIN)
        two.send(b"x")
        assert poll.poll(LIMIT * 1000)
        assert ports.receive(timeout=0).port is two


def test_fileno_in_asyncio():
    async def run(ports, two):
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(ports.fileno(), came.set)
        two.send(b"x")
        await asyncio.wait_for(came.wait(), LIMIT)
        loop.remove_reader(ports.fileno())
        return ports.receive(timeout=0).body

    with Port() as one, Port() as two, PortSet([one, two]) as ports:
        assert asyncio.run(run(ports, two)) == b"x"


def two_services(first, second):
    with (
        machool.Server(first) as one,
        machool.Server(second) as two,
        machool.PortSet([one, two]) as ports,
    ):
        tell("ready")
        for request in ports:
            request.reply(b"first" if request.port is one else b"second")
            if request.id == 99:
                break
    hear()


def test_one_thread_serves_two_services(spawn, names):
    first, second = names(), names()
    peer = spawn(two_services, first, second)
    peer.hear()
    with machool.Client(first, timeout=LIMIT) as one, machool.Client(second, timeout=LIMIT) as two:
        for _ in range(20):
            assert one.request(b"?").body == b"first"
            assert two.request(b"?").body == b"second"
        one.request(id=99)
    peer.done()


def test_shutdown_of_a_member_is_for_its_own_threads(name):
    with machool.Server(name) as server, PortSet([server]) as ports:
        ended = threading.Event()

        def wait():
            with pytest.raises(EOFError):
                server.receive()
            ended.set()

        thread = threading.Thread(target=wait)
        thread.start()
        server.shutdown()
        assert ended.wait(LIMIT)
        thread.join()
        with server.port as send:
            send.send(b"x")
        assert ports.receive(timeout=LIMIT).body == b"x"
