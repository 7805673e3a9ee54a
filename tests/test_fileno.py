"""fileno(): select, poll, epoll, selectors and asyncio wait for messages, and never miss one."""

import asyncio
import os
import select
import selectors
import threading

import pytest

import machool
from peer import LIMIT, hear, tell

pytestmark = pytest.mark.usefixtures("leak_guard")


def readable(what, seconds):
    return bool(select.select([what], [], [], seconds)[0])


def receive_one(what, seconds=LIMIT):
    """The next message, by select: readable without cause is allowed, a miss is not."""
    while True:
        assert readable(what, seconds)
        try:
            return what.receive(0)
        except machool.TimedOut:
            continue


def quiet(what):
    """Nothing is waiting, and after a look it does not poll readable any more."""
    for _ in range(10):
        if not readable(what, 0):
            return True
        try:
            what.receive(0)
        except machool.TimedOut:
            continue
        return False
    return False


def echo(name):
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            if request.has_reply_port:
                request.reply(request.body, ool=request.ool)


def sender(name, part):
    """Sends so many messages each time it hears a number."""
    with machool.Client(name) as client:
        count = 0
        while True:
            for _ in range(hear()):
                client.send(str(count).encode(), ool=bytes(part))
                count += 1
            tell("sent")


@pytest.mark.parametrize("part", [0, 300_000])
def test_server_one_at_a_time(spawn, name, part):
    with machool.Server(name) as server:
        peer = spawn(sender, name, part)
        server.fileno()
        for number in range(200):
            peer.tell(1)
            assert receive_one(server).body == str(number).encode()
            assert peer.hear() == "sent"
        assert quiet(server)


@pytest.mark.parametrize("part", [0, 300_000])
def test_server_in_bursts(spawn, name, part):
    """Also beyond the queue limit: room that is made lets the sender go on, and that is heard."""
    with machool.Server(name) as server:
        peer = spawn(sender, name, part)
        expected = 0
        for burst in (1, 5, 6, 20, 3, 50):
            peer.tell(burst)
            for _ in range(burst):
                assert receive_one(server).body == str(expected).encode()
                expected += 1
            assert peer.hear() == "sent"
        assert quiet(server)


def test_messages_that_were_there_before(spawn, name):
    with machool.Server(name) as server:
        peer = spawn(sender, name, 0)
        assert peer.ask(3) == "sent"
        assert [receive_one(server).body for _ in range(3)] == [b"0", b"1", b"2"]
        assert quiet(server)


def test_message_left_in_the_queue_stays_readable(spawn, name):
    with machool.Server(name) as server:
        peer = spawn(sender, name, 0)
        assert peer.ask(4) == "sent"
        for number in range(4):
            assert readable(server, LIMIT)
            assert readable(server, 0)
            assert server.receive(0).body == str(number).encode()
        assert quiet(server)


def test_client(spawn, name):
    spawn(echo, name).hear()
    with machool.Client(name) as client:
        assert quiet(client)
        for number in range(100):
            client.send(str(number).encode(), reply=True)
            assert receive_one(client).body == str(number).encode()
        assert quiet(client)


def test_client_hears_of_the_server_s_death(spawn, name):
    def keeper(name):
        kept = []
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                kept.append(request)
                tell(len(kept))

    peer = spawn(keeper, name)
    peer.hear()
    with machool.Client(name) as client:
        fileno = client.fileno()
        client.send(reply=True)
        client.send(reply=True)
        assert [peer.hear(), peer.hear()] == [1, 2]
        assert fileno == client.fileno()
        peer.kill()
        for _ in range(2):
            with pytest.raises(machool.PeerDied):
                receive_one(client)


def test_requests_do_not_disturb_the_descriptor(spawn, name):
    """request() has a port of its own for its answer."""
    spawn(echo, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        client.send(b"async", reply=True)
        for _ in range(20):
            assert client.request(b"sync").body == b"sync"
        assert receive_one(client).body == b"async"


def test_port(name):
    with machool.Port() as port, machool.Port() as other:
        assert quiet(port)
        port.send(b"1")
        other.send(b"2")
        assert receive_one(port).body == b"1"
        assert quiet(port)
        assert receive_one(other).body == b"2"


def test_other_thread_s_waiting_takes_nothing_away(spawn, names):
    """While another thread leads the waiting, the descriptor still tells of this port."""
    first, second = names(), names()
    with machool.Server(first) as server, machool.Server(second) as other:
        ended = []

        def wait():
            try:
                other.receive()
            except EOFError:
                ended.append(1)

        thread = threading.Thread(target=wait)
        thread.start()
        peer = spawn(sender, first, 0)
        for number in range(50):
            peer.tell(1)
            assert receive_one(server).body == str(number).encode()
            peer.hear()
        other.shutdown()
        thread.join()
        assert ended == [1]


def test_poll_epoll_and_selectors(spawn, name):
    with machool.Server(name) as server:
        peer = spawn(sender, name, 0)
        poll, epoll = select.poll(), select.epoll()
        poll.register(server, select.POLLIN)
        epoll.register(server, select.EPOLLIN)
        with selectors.DefaultSelector() as selector:
            selector.register(server, selectors.EVENT_READ)
            waits = [
                lambda: poll.poll(LIMIT * 1000),
                lambda: epoll.poll(LIMIT),
                lambda: selector.select(LIMIT),
            ]
            for number in range(30):
                peer.tell(1)
                message = None
                while message is None:
                    assert waits[number % 3]()
                    try:
                        message = server.receive(0)
                    except machool.TimedOut:
                        continue
                assert message.body == str(number).encode()
                peer.hear()
        epoll.close()


def test_closed_objects_have_none(name):
    server, port = machool.Server(name), machool.Port()
    for thing in (machool.Client(name), machool.Client(name), server, port):
        if thing is not server:
            thing.fileno()
        thing.close()
        for call in (thing.fileno, thing.receive):
            with pytest.raises(ValueError, match="closed"):
                call()


def test_descriptor_is_closed_with_its_object(name):
    server = machool.Server(name)
    server.fileno()
    before = len(os.listdir("/proc/self/fd"))
    server.close()
    assert len(os.listdir("/proc/self/fd")) < before


def test_many_servers_in_one_select(spawn, names):
    servers = [machool.Server(names()) for _ in range(20)]
    peers = [spawn(sender, servers[number].name, 0) for number in (0, 7, 19)]
    got = []
    for peer in peers:
        peer.tell(5)
    while len(got) < 15:
        ready = select.select(servers, [], [], LIMIT)[0]
        assert ready
        for server in ready:
            try:
                while True:
                    server.receive(0)
                    got.append(servers.index(server))
            except machool.TimedOut:
                continue
    assert sorted(got) == [0] * 5 + [7] * 5 + [19] * 5
    for server in servers:
        server.close()


# --- asyncio --------------------------------------------------------------------------------------


def drain(what, on_message):
    """The reader callback of the documentation: receive until nothing is there."""
    while True:
        try:
            message = what.receive(0)
        except machool.TimedOut:
            return
        on_message(message)


def clients_of(name, count):
    """Asks in so many threads, and checks each answer."""
    failures = []

    def ask(number):
        try:
            for i in range(count):
                body = f"{number}-{i}".encode()
                assert client.request(body, timeout=30).body == body
        except BaseException as error:
            failures.append(repr(error))

    with machool.Client(name) as client:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    tell(failures)


def test_asyncio_server(spawn, name):
    async def main():
        loop = asyncio.get_running_loop()
        with machool.Server(name) as server:
            done = asyncio.Event()
            count = 0

            def answer(message):
                nonlocal count
                message.reply(message.body)
                count += 1
                if count == 2 * 4 * 100:
                    done.set()

            loop.add_reader(server, drain, server, answer)
            peers = [spawn(clients_of, name, 100) for _ in range(2)]
            await asyncio.wait_for(done.wait(), LIMIT)
            loop.remove_reader(server)
        return [peer.hear() for peer in peers]

    assert asyncio.run(main()) == [[], []]


def test_asyncio_client(spawn, name):
    spawn(echo, name).hear()

    async def main():
        loop = asyncio.get_running_loop()
        with machool.Client(name) as client:
            answers = asyncio.Queue()
            loop.add_reader(client.fileno(), drain, client, answers.put_nowait)
            bodies = []
            for number in range(100):
                client.send(str(number).encode(), ool=bytes(5000), reply=True)
                ticking = asyncio.create_task(asyncio.sleep(0))
                answer = await asyncio.wait_for(answers.get(), LIMIT)
                await ticking
                bodies.append(int(answer.body))
            loop.remove_reader(client.fileno())
        return bodies

    assert asyncio.run(main()) == list(range(100))


def test_asyncio_both_sides_of_one_process(name):
    async def main():
        loop = asyncio.get_running_loop()
        with machool.Server(name) as server, machool.Client(name) as client:
            answers = asyncio.Queue()
            loop.add_reader(server, drain, server, lambda request: request.reply(request.body))
            loop.add_reader(client, drain, client, answers.put_nowait)
            for number in range(50):
                client.send(str(number).encode(), reply=True)
                answer = await asyncio.wait_for(answers.get(), LIMIT)
                assert answer.body == str(number).encode()
            loop.remove_reader(server)
            loop.remove_reader(client)

    asyncio.run(main())
