"""SIGKILL of either side at random instants: the survivor is told, and nothing is left behind.

Victims are forked by a process that has not used machool yet, so that a round takes milliseconds.
"""

import os
import random
import threading
import time

import pytest

import machool
from peer import LIMIT, hear, settle, tell

pytestmark = [
    pytest.mark.usefixtures("each_transport_long", "leak_guard"),
    pytest.mark.timeout(120),
]

ROUNDS = 300
SECOND = 1.0


def nursery():
    """Forks victims on demand: hears (role, name, seed), tells the victim's pid once it is up."""
    while True:
        role, name, seed = hear()
        pid = os.fork()
        if pid == 0:
            globals()[role](name, seed)
            os._exit(0)
        tell(pid)
        if hear() == "reap":
            os.waitpid(pid, 0)
            tell("reaped")


def answering(name, seed):
    """A server that answers with what it got, changed, and with its own region."""
    region = machool.Region(1 << 20)
    with machool.Server(name) as server:
        for request in server:
            request.reply(request.body, ool=[*request.ool, region])


def forgetful(name, seed):
    """A server that takes requests and keeps them unanswered."""
    kept = []
    with machool.Server(name) as server:
        for request in server:
            kept.append(request)


def asking(name, seed):
    """A client that sends, asks and moves in turn."""
    import random

    chance = random.Random(seed)
    with machool.Client(name) as client:
        while True:
            size = chance.choice([0, 100, 5000, 100_000, 1 << 20])
            region = machool.Region(size)
            way = chance.randrange(3)
            if way == 0:
                client.send(b"s", ool=region)
            elif way == 1:
                client.request(b"r", ool=[bytes(100), region])
            else:
                client.request(b"m", ool=machool.OOL(region, deallocate=True))


class Nursery:
    def __init__(self, peer):
        self.peer = peer

    def bear(self, role, name, seed=0):
        return self.peer.ask((role, name, seed))

    def bury(self, pid, *, kill=True):
        if kill:
            os.kill(pid, 9)
        assert self.peer.ask("reap") == "reaped"


@pytest.fixture
def nest(spawn):
    return Nursery(spawn(nursery, uses=[answering, forgetful, asking]))


def connect(name):
    """A client, as soon as the name is there."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            return machool.Client(name)
        except machool.ServiceNotFound:
            assert time.monotonic() < end


class Killer(threading.Thread):
    """Kills a process after a while, and knows when it did."""

    def __init__(self, pid, seconds):
        super().__init__()
        self.pid = pid
        self.seconds = seconds

    def run(self):
        time.sleep(self.seconds)  # the instant is what is being varied
        os.kill(self.pid, 9)
        self.when = time.monotonic()


def test_server_killed(nest, names):
    """Whatever it was at, the asker gets PeerDied within a second, and every answer was whole."""
    chance = random.Random(20)
    part = bytes(range(256)) * 400
    delays = []
    baseline = None
    for number in range(ROUNDS):
        name = names()
        pid = nest.bear("answering", name)
        with connect(name) as client:
            killer = Killer(pid, chance.random() ** 2 * 0.02)
            killer.start()
            with pytest.raises(machool.PeerDied):
                ask_for_ever(client, part)
            delays.append(time.monotonic())
            killer.join()
            delays[-1] -= killer.when
            with pytest.raises(machool.PeerDied):
                client.send(b"anybody there?")
        nest.bury(pid, kill=False)
        if number == 10:
            baseline = settle({"channels": 0})
    assert max(delays) < SECOND
    now = settle(baseline)
    assert {key: now[key] for key in baseline if now[key] > baseline[key]} == {}


def ask_for_ever(client, part):
    number = 0
    while True:
        number += 1
        body = str(number).encode()
        reply = client.request(body, ool=part, timeout=LIMIT)
        assert reply.body == body
        assert bytes(reply.ool[0]) == part
        assert len(reply.ool[1]) == 1 << 20


def test_server_killed_with_the_request_in_its_hands(nest, names):
    chance = random.Random(21)
    for _ in range(30):
        name = names()
        pid = nest.bear("forgetful", name)
        with connect(name) as client:
            killer = Killer(pid, chance.random() * 0.01)
            killer.start()
            with pytest.raises(machool.PeerDied):
                client.request(ool=bytes(100_000), timeout=LIMIT)
            ended = time.monotonic()
            killer.join()
            assert ended - killer.when < SECOND
        nest.bury(pid, kill=False)


def test_client_killed(nest, name):
    """The server lives on; every message that arrives is whole; answers to the dead are refused."""
    chance = random.Random(22)
    baseline = None
    with machool.Server(name) as server:
        for number in range(ROUNDS):
            pid = nest.bear("asking", name, number)
            killer = Killer(pid, chance.random() ** 2 * 0.03)
            killer.start()
            while killer.is_alive():
                serve_one(server, 0.002)
            killer.join()
            nest.bury(pid, kill=False)
            drain(server)
            if number == 10:
                baseline = settle({"channels": 0})
        now = settle(baseline)
        assert {key: now[key] for key in baseline if now[key] > baseline[key]} == {}


def serve_one(server, timeout):
    """Receives and answers; False when nothing came."""
    try:
        message = server.receive(timeout)
    except machool.TimedOut:
        return False
    assert message.body in (b"s", b"r", b"m")
    assert not any(map(any, (bytes(view[:5000]) for view in message.ool)))
    if message.has_reply_port:
        try:
            message.reply(b"", ool=bytes(70_000))
        except machool.PeerDied:
            pass
    return True


def drain(server):
    while serve_one(server, 0):
        pass


def test_other_clients_go_on(nest, name, spawn):
    """A client that dies disturbs no other."""

    def steady(name):
        with machool.Client(name, timeout=30) as client:
            count = 0
            while hear() == "on":
                for _ in range(20):
                    body = str(count).encode()
                    assert client.request(body, ool=body * 1000).body == body
                    count += 1
                tell(count)

    def service(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                try:
                    if request.has_reply_port:
                        request.reply(request.body)
                except machool.PeerDied:
                    pass

    spawn(service, name).hear()
    friend = spawn(steady, name)
    chance = random.Random(23)
    for number in range(30):
        pid = nest.bear("asking", name, number)
        friend.tell("on")
        killer = Killer(pid, chance.random() * 0.005)
        killer.start()
        assert friend.hear() == (number + 1) * 20
        killer.join()
        nest.bury(pid, kill=False)


def test_messages_outlive_their_sender(spawn, name):
    """S69: what was sent is the receiver's, though its sender was killed at once."""

    def producer(name):
        region = machool.Region(3_000_000)
        memoryview(region)[:] = b"z" * 3_000_000
        with machool.Client(name) as client, machool.Port() as port:
            for number in range(4):
                client.send(str(number).encode(), ool=[region, b"q" * 10], ports=port)
            client.send(b"4", ool=machool.OOL(region, deallocate=True))
            tell("sent")
            hear()

    with machool.Server(name) as server:
        peer = spawn(producer, name)
        assert peer.hear() == "sent"
        peer.kill()
        messages = [server.receive(0) for _ in range(5)]
        assert [message.body for message in messages] == [b"0", b"1", b"2", b"3", b"4"]
        assert all(bytes(message.ool[0]) == b"z" * 3_000_000 for message in messages)
        assert {message.sender.pid for message in messages} == {peer.pid}
        assert all(message.ports[0].dead for message in messages[:4])


def test_port_of_a_dead_process(spawn, name):
    """A send right that arrived turns dead with its owner; sends and requests say so."""

    def owner(name):
        with machool.Client(name) as client, machool.Port() as port:
            client.send(ports=port)
            tell("sent")
            hear()

    with machool.Server(name) as server:
        peer = spawn(owner, name)
        (port,) = server.receive(LIMIT).ports
        assert peer.hear() == "sent"
        port.send(b"alive", timeout=LIMIT)
        assert not port.dead
        peer.kill()
        assert port.dead
        with pytest.raises(machool.PeerDied):
            port.send(b"dead")
        port.close()


def test_passed_on_reply_right_dies_with_its_holder(spawn, names):
    """S131: a request passed to a third process, whose death ends the asker's wait."""

    def front(name, worker):
        with machool.Server(name) as server, machool.Client(worker) as client:
            tell("ready")
            for request in server:
                client.send(request.body, ports=[], ool=request.ool)
                kept = request  # noqa: F841
                tell("passed on")

    def worker(name):
        with machool.Server(name) as server:
            tell("ready")
            message = server.receive()
            tell(message.body)
            hear()

    first, second = names(), names()
    back = spawn(worker, second)
    back.hear()
    middle = spawn(front, first, second)
    middle.hear()
    with machool.Client(first) as client:
        client.send(b"job", reply=True)
        assert back.hear() == b"job"
        assert middle.hear() == "passed on"
        middle.kill()
        start = time.monotonic()
        with pytest.raises(machool.PeerDied):
            client.receive(LIMIT)
        assert time.monotonic() - start < SECOND


def test_sender_blocked_on_a_full_queue(spawn, name):
    """S148: it wakes when the receiver dies."""

    def deaf(name):
        with machool.Server(name):
            tell("ready")
            hear()

    peer = spawn(deaf, name)
    peer.hear()
    ended = []
    with machool.Client(name) as client:
        for _ in range(5):
            client.send(timeout=LIMIT)
        with pytest.raises(machool.TimedOut):
            client.send(timeout=0)

        def block():
            try:
                client.send(timeout=None)
            except machool.PeerDied:
                pass  # it came after the death; those that waited then have sent in vain
            ended.append(time.monotonic())

        threads = [threading.Thread(target=block) for _ in range(3)]
        for thread in threads:
            thread.start()
        start = time.monotonic()
        peer.kill()
        for thread in threads:
            thread.join(LIMIT)
        assert len(ended) == 3
        assert max(ended) - start < SECOND
        with pytest.raises(machool.PeerDied):
            client.send()


def test_closed_server_answers_what_it_has_not_read(spawn, name):
    """Requests that are in the ring when the server closes end, though it never calls again."""

    def quitter(name):
        with machool.Server(name):
            tell("ready")
            hear()
        tell("closed")
        hear()

    peer = spawn(quitter, name)
    peer.hear()
    with machool.Client(name) as client:
        for _ in range(3):
            client.send(b"no answer", timeout=LIMIT)
        client.send(b"first", reply=True, timeout=LIMIT)
        client.send(b"second", reply=True, timeout=LIMIT)
        with pytest.raises(machool.TimedOut):
            client.send(b"one too many", timeout=0.05)
        assert peer.ask("close") == "closed"
        start = time.monotonic()
        for _ in range(2):
            with pytest.raises(machool.PeerDied):
                client.receive(LIMIT)
        with pytest.raises(machool.PeerDied):
            client.request(timeout=LIMIT)
        assert time.monotonic() - start < SECOND
    peer.done()


def test_request_after_the_server_closed(spawn, names):
    """The client looks before it sends: a closed server's process may never call again."""

    def quitter(name):
        for number in range(15):
            with machool.Server(name + str(number)):
                tell("ready")
                hear()
            tell("closed")

    name = names()
    peer = spawn(quitter, name)
    for number in range(15):
        assert peer.hear() == "ready"
        with machool.Client(name + str(number)) as client:
            assert peer.ask("close") == "closed"
            for call in (client.request, client.send):
                with pytest.raises(machool.PeerDied):
                    call(timeout=LIMIT)
