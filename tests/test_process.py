"""Processes and threads: forks, crowds, other users, tight limits, names, readiness, lifetimes."""

import asyncio
import gc
import os
import select
import threading
import time
import weakref

import numpy as np
import pytest

import machool
from peer import LIMIT, become, limit, tell

NOBODY = 65534


def echo(name):
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            if request.has_reply_port:
                request.reply(request.body, ool=list(request.ool))


# --- fork -----------------------------------------------------------------------------------------


def test_fork_starts_afresh(name):
    with machool.Server(name) as server, machool.Client(name, timeout=LIMIT) as client:
        region = machool.Region(300_000)
        memoryview(region)[0] = 1
        child = os.fork()
        if child == 0:
            try:
                memoryview(region)[0] = 2
                assert machool.stats()["ports"] == 3  # task, host, bootstrap (S142)
                with machool.Client(name, timeout=LIMIT) as own:
                    own.send(b"from the child", ool=region)
                os._exit(0)
            except BaseException as error:
                os.write(2, repr(error).encode())
                os._exit(1)
        message = server.receive(timeout=LIMIT)
        assert (message.body, message.ool[0][0]) == (b"from the child", 2)
        assert message.sender.pid == child
        assert os.waitpid(child, 0)[1] == 0
        assert memoryview(region)[0] == 1  # S182
        client.send(b"parent")
        assert server.receive(timeout=LIMIT).body == b"parent"


def leave_a_child(name):
    server = machool.Server(name)
    ends = os.pipe()
    if os.fork() == 0:
        os.close(ends[1])
        tell("child")
        os.read(ends[0], 1)
        os._exit(0)
    server.receive()


def test_death_of_a_parent_with_a_living_child(name, spawn):
    parent = spawn(leave_a_child, name)
    assert parent.hear() == "child"
    with machool.Client(name, timeout=LIMIT) as client:
        killer = threading.Timer(0.05, parent.process.kill)
        killer.start()
        with pytest.raises(machool.PeerDied):
            client.request(b"never answered")
        killer.join()


# --- crowds ---------------------------------------------------------------------------------------


def ask_often(name, letter):
    client = machool.Client(name, timeout=LIMIT)
    mine = letter.encode() * 50_000
    for _ in range(50):
        assert bytes(client.request(ool=mine).ool[0]) == mine
    tell("done")


def test_many_client_processes(name, spawn):
    with machool.Server(name) as server:
        clients = [spawn(ask_often, name, letter) for letter in "abcdef"]
        serving = threading.Thread(
            target=server.serve,
            args=(lambda message: message.reply(ool=message.ool[0]),),
            kwargs={"threads": 3},
        )
        serving.start()
        assert [client.hear() for client in clients] == ["done"] * 6
        server.shutdown()
        serving.join()


def test_many_threads_of_one_client(name, spawn):
    spawn(echo, name).hear()
    failures = []

    def ask(number):
        try:
            for i in range(100):
                body = b"%d-%d" % (number, i)
                assert client.request(body).body == body
        except BaseException as error:
            failures.append(error)

    with machool.Client(name, timeout=LIMIT) as client:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_shutdown_wakes_every_thread(name):
    with machool.Server(name) as server:
        ended = []

        def run():
            for _ in server:
                pass
            ended.append(1)

        threads = [threading.Thread(target=run) for _ in range(5)]
        for thread in threads:
            thread.start()
        server.shutdown()
        for thread in threads:
            thread.join(LIMIT)
        assert len(ended) == 5
        with pytest.raises(EOFError):
            server.receive(timeout=1)


def test_failing_handler_ends_the_service(name):
    def fail(message):
        raise RuntimeError(message.body)

    with machool.Server(name) as server, machool.Client(name, timeout=LIMIT) as client:
        client.send(b"trouble")
        with pytest.raises(RuntimeError, match="trouble"):
            server.serve(fail, threads=2)


def test_dropped_and_queued_requests_are_told(name):
    server = machool.Server(name)
    with machool.Client(name, timeout=LIMIT) as client:
        dropping = threading.Thread(target=lambda: server.receive(timeout=LIMIT))
        dropping.start()
        with pytest.raises(machool.PeerDied):
            client.request(b"dropped")
        dropping.join()
        closing = threading.Timer(0.05, server.close)
        closing.start()
        with pytest.raises(machool.PeerDied):
            client.request(b"queued for ever")
        closing.join()


# --- names, users, limits -------------------------------------------------------------------------


def test_names(name, spawn):
    with pytest.raises(machool.ServiceNotFound) as caught:
        machool.Client(name)
    assert isinstance(caught.value, LookupError)
    other = spawn(echo, name)
    other.hear()
    with pytest.raises(machool.ServiceExists):
        machool.Server(name)
    with machool.Server(name + ".own"), pytest.raises(machool.ServiceExists):
        machool.Server(name + ".own")
    other.kill()
    machool.Server(name).close()  # a dead owner's name is free at once
    with pytest.raises(ValueError, match="name"):
        machool.Server("x" * 128)


def test_stopped_owner_hangs_nobody(name, spawn):
    owner = spawn(echo, name)
    owner.hear()
    owner.stop()
    try:
        start = time.monotonic()
        client = machool.Client(name)
        client.send(b"queued")
        assert time.monotonic() - start < 2
    finally:
        owner.resume()
    assert client.request(b"x", timeout=LIMIT).body == b"x"


def look_up_as(name, uid):
    become(uid)
    try:
        machool.Client(name)
    except PermissionError:  # a PermissionError
        tell("refused")
    else:
        tell("let in")


@pytest.mark.parametrize(("uids", "answer"), [((), "refused"), ((NOBODY,), "let in")])
def test_other_users(root, name, spawn, uids, answer):
    with machool.Server(name, allow_uids=uids) as server:
        serving = threading.Thread(target=server.serve, args=(lambda message: None,))
        serving.start()
        assert spawn(look_up_as, name, NOBODY, uses=(become,)).hear() == answer
        server.shutdown()
        serving.join()


def exchange_with_itself(name):
    for _ in range(2):
        with machool.Server(name) as server, machool.Client(name, timeout=LIMIT) as client:
            threading.Thread(target=lambda: server.receive().reply(b"yes")).start()
            assert client.request().body == b"yes"
    tell("done")


def test_bootstrap_directory(name, spawn, tmp_path):
    folder = str(tmp_path / "names")
    assert spawn(exchange_with_itself, name, env={"MACHOOL_BOOTSTRAP_DIR": folder}).hear() == "done"
    inside = spawn(echo, name, env={"MACHOOL_BOOTSTRAP_DIR": folder})
    inside.hear()
    with pytest.raises(machool.ServiceNotFound):
        machool.Client(name)
    inside.kill()  # its socket stays behind, and is no hindrance
    again = spawn(echo, name, env={"MACHOOL_BOOTSTRAP_DIR": folder})
    assert again.hear() == "ready"


def run_short(name, uid, which, room):
    import resource

    become(uid)
    server, client = machool.Server(name), machool.Client(name)
    data = b"x" * 300_000
    client.send(b"warm", ool=data)
    server.receive()
    ballast = bytearray(16 << 20)  # room for Python itself, once the limit has been met
    before = resource.getrlimit(getattr(resource, "RLIMIT_" + which))[0]
    limit(which, room)
    kept, failed = [], 0
    while failed < 5 and len(kept) < 3000:
        try:
            client.send(ool=data, timeout=0)
            kept.append(server.receive(timeout=0))
        except (machool.MachError, MemoryError):
            failed += 1
    del ballast
    limit(which, before)
    assert all(bytes(message.ool[0]) == data for message in kept if len(message.ool[0]))
    kept.clear()
    try:
        while True:
            server.receive(timeout=0)
    except machool.TimedOut:
        pass
    client.send(b"after", ool=data)
    assert server.receive(timeout=LIMIT).body == b"after"
    tell(failed)


@pytest.mark.parametrize(("which", "room"), [("NOFILE", 40), ("AS", 500 << 20)])
def test_limits_become_errors(name, spawn, unprivileged, which, room):
    failed = spawn(run_short, name, unprivileged, which, room, uses=(become, limit)).hear()
    assert failed in (0, 5)


# --- readiness ------------------------------------------------------------------------------------


def test_select(name, spawn):
    with machool.Server(name + ".own") as server, machool.Client(name + ".own") as client:
        while select.select([server], [], [], 0)[
            0
        ]:  # other tasks' ends, say: look, and it is quiet
            with pytest.raises(machool.TimedOut):
                server.receive(timeout=0)
        client.send(b"x")
        assert select.select([server], [], [], LIMIT)[0] == [server]
        server.receive(timeout=0)
    spawn(echo, name).hear()
    with machool.Client(name) as client:
        for number in range(50):
            client.send(b"%d" % number, reply=True)
            answer = None
            while answer is None:
                assert select.select([client], [], [], LIMIT)[0]
                try:
                    answer = client.receive(timeout=0)
                except machool.TimedOut:
                    continue  # readable without cause
            assert answer.body == b"%d" % number


def ask_in_order(name):
    client = machool.Client(name, timeout=LIMIT)
    for number in range(200):
        assert client.request(b"%d" % number).body == b"%d" % number
    tell("done")


def test_asyncio(name, spawn):
    async def serve(server):
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        count = 0

        def readable():
            nonlocal count
            while True:
                try:
                    message = server.receive(timeout=0)
                except machool.TimedOut:
                    return
                message.reply(message.body)
                count += 1
                if count == 200:
                    done.set_result(None)

        loop.add_reader(server.fileno(), readable)
        client = spawn(ask_in_order, name)
        await asyncio.wait_for(done, LIMIT)
        loop.remove_reader(server.fileno())
        assert client.hear() == "done"

    with machool.Server(name) as server:
        asyncio.run(serve(server))


# --- lifetimes ------------------------------------------------------------------------------------


def test_view_outlives_everything(name):
    server, client = machool.Server(name), machool.Client(name)
    client.send(ool=bytes(range(256)) * 1000)
    message = server.receive(timeout=LIMIT)
    view, gone = message.ool[0], weakref.ref(message)
    client.close()
    server.close()
    del message, client, server
    gc.collect()
    assert gone() is None
    assert bytes(view[:256]) == bytes(range(256))
    view[:] = bytes(len(view))


@pytest.mark.parametrize("view_first", [False, True])
def test_close_is_quiet(view_first):
    region = machool.Region(200_000)
    view = memoryview(region)
    stale = np.ndarray(10, np.uint8, buffer=region)  # holds a reference, but no export
    view[0] = 3
    if view_first:
        view.release()
    region.close()
    region.close()
    if not view_first:
        assert view[0] == 3
        view.release()
    assert not stale.any()  # zero pages, not a hole
    with pytest.raises(ValueError, match="closed"):
        memoryview(region)


def hold_views_at_exit():
    port = machool.Port()
    port.send(ool=[machool.Region(300_000), b"x" * 10])
    message = port.receive(timeout=LIMIT)
    machool.kept = [message, message.ool, np_view(message.ool[0]), port]
    tell("ending")


def np_view(part):
    import numpy

    return numpy.frombuffer(part, numpy.uint8)


def test_interpreter_exit_with_live_views(spawn):
    process = spawn(hold_views_at_exit, uses=(np_view,))
    assert process.hear() == "ending"
    process.done()


@pytest.mark.usefixtures("leak_guard")
def test_nothing_grows(name, spawn):
    spawn(echo, name).hear()
    with machool.Client(name, timeout=LIMIT) as client:
        for _ in range(2000):
            client.request(b"x", ool=machool.Region(200_000))
