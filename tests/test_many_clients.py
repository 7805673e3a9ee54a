"""Crowds: many client processes, many threads on either side, both sides in one process."""

import contextlib
import os
import threading
import time

import pytest

import machool
from peer import LIMIT, hear, holdings, settle, tell

pytestmark = [pytest.mark.usefixtures("leak_guard"), pytest.mark.timeout(120)]


class Threads:
    """Runs functions in threads; an exception of one is raised by join()."""

    def __init__(self):
        self.threads = []
        self.failures = []

    def start(self, function, *args, **kwargs):
        def run():
            try:
                function(*args, **kwargs)
            except BaseException as error:
                self.failures.append(error)

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def join(self):
        for thread in self.threads:
            thread.join(LIMIT)
            assert not thread.is_alive()
        if self.failures:
            raise self.failures[0]


@pytest.fixture
def threads():
    threads = Threads()
    yield threads
    threads.join()


def asker(name, rounds):
    """Asks with parts of many sizes, and checks that each answer is its own."""
    with machool.Client(name, timeout=60) as client:
        tell("ready")
        hear()
        for number in range(rounds):
            size = (1, 3000, 70_000, 300_000)[number % 4]
            mine = f"{os.getpid()}-{number}".encode()
            part = mine * (size // len(mine) + 1)
            reply = client.request(mine, ool=part)
            assert reply.body == mine
            assert reply.ool[0] == part
        tell(rounds)
        hear()


def reflect(message):
    message.reply(message.body, ool=message.ool)


@pytest.mark.parametrize("workers", [1, 4])
def test_many_client_processes(spawn, name, threads, workers):
    with machool.Server(name) as server:
        threads.start(server.serve, reflect, threads=workers)
        clients = [spawn(asker, name, 60) for _ in range(8)]
        for client in clients:
            assert client.hear() == "ready"
        for client in clients:
            client.tell("go")
        assert [client.hear() for client in clients] == [60] * 8
        assert machool.stats()["channels"] >= 8
        for client in clients:
            client.done()
        server.shutdown()
        threads.join()


def test_clients_that_come_and_go(spawn, name, threads):
    def visitor(name, count):
        for number in range(count):
            with machool.Client(name, timeout=60) as client:
                body = str(number).encode()
                assert client.request(body).body == body
        tell("done")

    with machool.Server(name) as server:
        threads.start(server.serve, reflect, threads=2)
        visitors = [spawn(visitor, name, 100) for _ in range(4)]
        assert [visitor_.hear() for visitor_ in visitors] == ["done"] * 4
        server.shutdown()
        threads.join()


def test_a_hundred_clients_at_once(spawn, name):
    """A hundred processes, forked by one, each with a request in the queue before any is read."""

    def crowd(name):
        pids = []
        ready, go = os.pipe(), os.pipe()
        for number in range(100):
            pid = os.fork()
            if pid == 0:
                try:
                    client = machool.Client(name, timeout=60)
                    client.send(str(number).encode(), ool=str(number).encode() * 30, reply=True)
                    os.write(ready[1], b"x")
                    reply = client.receive()
                    os._exit(reply.body != str(number).encode())
                except BaseException as error:
                    os.write(2, repr(error).encode())
                    os._exit(2)
            pids.append(pid)
        count = 0
        while count < 100:
            count += len(os.read(ready[0], 100))
        tell("sent")
        tell([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
        del go

    with machool.Server(name) as server:
        peer = spawn(crowd, name)
        seen = set()
        while len(seen) < 100:
            message = server.receive(LIMIT)
            assert bytes(message.ool[0]) == message.body * 30
            assert message.sender.pid not in seen
            seen.add(message.sender.pid)
            message.reply(message.body)
        assert peer.hear() == "sent"
        assert peer.hear() == [0] * 100


def test_S156_order_for_each_client(spawn, name):
    """From each sender in order, also through a crowd and with parts of all sizes."""

    def talker(name, letter):
        with machool.Client(name) as client:
            for number in range(200):
                size = (0, 100, 100_000)[number % 3]
                client.send(f"{letter}{number}".encode(), ool=bytes(size))
            hear()

    with machool.Server(name) as server:
        for letter in "abcd":
            spawn(talker, name, letter)
        seen = {letter: [] for letter in "abcd"}
        for _ in range(800):
            body = server.receive(LIMIT).body.decode()
            seen[body[0]].append(int(body[1:]))
    assert all(numbers == list(range(200)) for numbers in seen.values())


def test_slow_client_holds_up_nobody(spawn, name, threads):
    """One that is stopped with answers under way, and one that never takes its answers."""

    def greedy(name):
        with machool.Client(name) as client:
            for _ in range(500):
                client.send(b"x" * 100, ool=bytes(5000), reply=True)
            tell("asked")
            hear()
            for _ in range(500):
                client.receive(30)
            tell("got all")
            hear()

    with machool.Server(name) as server:
        threads.start(server.serve, reflect, threads=2)
        slow = spawn(greedy, name)
        assert slow.hear() == "asked"
        slow.stop()
        good = spawn(asker, name, 40)
        good.hear()
        assert good.ask("go") == 40
        slow.resume()
        assert slow.ask("take them") == "got all"
        server.shutdown()
        threads.join()


def test_answers_that_fill_the_socket(each_transport, spawn, name, threads):
    """Each answer brings a descriptor, and a socket holds some 270: the server waits until a
    client that was stopped takes them, and is woken when it does."""

    def client(name):
        with machool.Client(name, timeout=30) as client:
            for _ in range(600):
                client.send(reply=True)
            tell("asked")
            hear()
            tell([len(client.receive().ool[0]) for _ in range(600)])
            hear()

    with machool.Server(name) as server:
        peer = spawn(client, name)
        requests = [server.receive(LIMIT) for _ in range(600)]
        assert peer.hear() == "asked"
        peer.stop()
        sent = 0
        with contextlib.suppress(machool.TimedOut):
            for request in requests:
                request.reply(ool=bytes(70_000), timeout=0)
                sent += 1
        assert 0 < sent < 600

        def answer_the_others():
            for request in requests[sent:]:
                request.reply(ool=bytes(70_000))

        threads.start(answer_the_others)
        peer.tell("receive")
        peer.resume()
        assert peer.hear() == [70_000] * 600
        threads.join()


# --- threads --------------------------------------------------------------------------------------


def test_handlers_run_at_the_same_time(spawn, name, threads):
    """serve(threads=4) has four requests in hand at once: each waits for the others."""

    def client(name):
        def ask(number):
            with machool.Client(name, timeout=30) as own:
                answers.append(own.request().body)

        answers = []
        workers = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        tell(answers)

    meet = threading.Barrier(4, timeout=LIMIT)

    def handler(message):
        meet.wait()
        message.reply(b"met")

    with machool.Server(name) as server:
        threads.start(server.serve, handler, threads=4)
        assert spawn(client, name).hear() == [b"met"] * 4
        server.shutdown()
        threads.join()


def test_requests_of_many_threads_do_not_mix(spawn, name, threads):
    def service(name):
        with machool.Server(name) as server:
            tell("ready")
            server.serve(lambda message: message.reply(message.body, ool=message.ool), threads=3)

    spawn(service, name).hear()

    def ask(number):
        for i in range(150):
            body = f"{number}-{i}".encode()
            reply = client.request(body, ool=body * 1000, timeout=LIMIT)
            assert (reply.body, bytes(reply.ool[0])) == (body, body * 1000)

    with machool.Client(name) as client:
        for number in range(8):
            threads.start(ask, number)
        threads.join()


def test_every_message_is_received_once(spawn, name):
    """By some one of the threads that wait."""

    def talker(name, start):
        with machool.Client(name) as client:
            for number in range(start, start + 300):
                client.send(str(number).encode())
            hear()

    got, lock = [], threading.Lock()
    with machool.Server(name) as server:

        def take():
            for message in server:
                with lock:
                    got.append(int(message.body))
                    if len(got) == 900:
                        server.shutdown()

        takers = Threads()
        for _ in range(5):
            takers.start(take)
        for number in range(3):
            spawn(talker, name, number * 300)
        takers.join()
    assert sorted(got) == list(range(900))


def test_senders_and_receivers_in_all_threads_of_two_processes(spawn, names, threads):
    """Each side is a server with threads and a client with threads, at the same time."""

    def both(mine, other, count):
        def ask(number):
            for i in range(count):
                body = f"{number}-{i}".encode()
                if client.request(body, timeout=60).body != body:
                    failures.append(body)

        failures = []
        with machool.Server(mine) as server:
            serving = threading.Thread(
                target=server.serve,
                args=(lambda message: message.reply(message.body),),
                kwargs={"threads": 3},
            )
            serving.start()
            tell("ready")
            hear()
            with machool.Client(other) as client:
                workers = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
            tell(failures)
            hear()
            server.shutdown()
            serving.join()

    one, two = names(), names()
    peers = [spawn(both, one, two, 200), spawn(both, two, one, 200)]
    for peer in peers:
        assert peer.hear() == "ready"
    for peer in peers:
        peer.tell("go")
    assert [peer.hear(60) for peer in peers] == [[], []]
    for peer in peers:
        peer.tell("end")
        peer.done()


# --- one process ----------------------------------------------------------------------------------


def test_server_and_client_of_one_process(name, threads):
    with machool.Server(name) as server, machool.Client(name, timeout=LIMIT) as client:
        threads.start(server.serve, reflect)
        for number in range(300):
            body = str(number).encode()
            reply = client.request(body, ool=body * 500)
            assert (reply.body, bytes(reply.ool[0])) == (body, body * 500)
        server.shutdown()
        threads.join()


def test_server_that_is_a_client_of_others(spawn, names, threads):
    """A chain of three: each handler asks the next."""

    def link(name, onward):
        with machool.Server(name) as server, machool.Client(onward, timeout=30) as client:
            tell("ready")
            for request in server:
                reply = client.request(request.body + b".", ool=request.ool)
                request.reply(reply.body, ool=reply.ool)

    first, second, last = names(), names(), names()
    with machool.Server(last) as server:
        threads.start(server.serve, reflect)
        spawn(link, second, last).hear()
        spawn(link, first, second).hear()
        with machool.Client(first, timeout=LIMIT) as client:
            for number in range(50):
                part = bytes([number]) * 100_000
                reply = client.request(b"x", ool=part)
                assert (reply.body, bytes(reply.ool[0])) == (b"x..", part)
        server.shutdown()
        threads.join()


def test_client_among_waiters_of_its_own_process(spawn, names, threads):
    """Threads that wait on other ports neither starve this one nor take its messages."""
    mine, other = names(), names()

    def service(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                request.reply(request.body)

    spawn(service, other).hear()
    servers = [machool.Server(f"{mine}.{number}") for number in range(4)]
    for server in servers:
        threads.start(server.serve, reflect)
    with machool.Client(other) as client:
        for number in range(500):
            body = str(number).encode()
            assert client.request(body, timeout=LIMIT).body == body
    for server in servers:
        server.shutdown()
    threads.join()
    for server in servers:
        server.close()


# --- house-keeping --------------------------------------------------------------------------------


def test_channels_go_with_the_clients(spawn, name):
    """When a client process is done, what the server's task kept for it is given back."""

    def visitor(name):
        with machool.Client(name, timeout=30) as client:
            client.request(ool=bytes(300_000))
        tell("done")
        hear()

    with machool.Server(name) as server:
        before = settle({"channels": 0})
        for _ in range(3):
            visitors = [spawn(visitor, name) for _ in range(4)]
            for _ in visitors:
                server.receive(LIMIT).reply()
            for visitor_ in visitors:
                assert visitor_.hear() == "done"
                visitor_.done()
                visitor_.close()
        after = settle(before)
        assert {key: after[key] for key in before if after[key] > before[key]} == {}


def test_ten_thousand_messages_leave_nothing(spawn, name):
    def service(name):
        with machool.Server(name) as server:
            tell("ready")
            for request in server:
                if request.body == b"holdings":
                    request.reply(repr(holdings()).encode())
                else:
                    request.reply(ool=request.ool)

    def sizes():
        return (holdings_of(client), settle({}))

    def holdings_of(client):
        import ast

        return ast.literal_eval(client.request(b"holdings").body.decode())

    spawn(service, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        part = b"x" * 100_000
        for _ in range(100):
            client.request(ool=part)
        before = sizes()
        start = time.monotonic()
        for number in range(10_000):
            client.request(ool=part if number % 50 == 0 else b"small")
            if time.monotonic() - start > 60:
                pytest.fail(f"only {number} messages in a minute")
        after = sizes()
    for key in before[0]:
        assert after[0][key] <= before[0][key], key
        assert after[1][key] <= before[1][key], key
