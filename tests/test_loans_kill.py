"""SIGKILL of who lends memory, or has borrowed it: held views stay valid, and nothing is left."""

import contextlib
import os
import random
import time

import pytest

import machool
from peer import LIMIT, hear, settle, tell

MIB = 1 << 20

pytestmark = [pytest.mark.usefixtures("leak_guard"), pytest.mark.timeout(120)]


def filled(size, byte):
    region = machool.Region(size)
    with memoryview(region) as view:
        view[:] = bytes([byte]) * size
    return region


def moved(region):
    return machool.OOL(region, deallocate=True)


def nursery(name):
    """Forks victims that send, or keep, until they are killed."""

    def lend(seed):
        chance = __import__("random").Random(seed)
        with machool.Client(name) as client:
            while True:
                size = chance.choice([3000, 70_000, 300_000, 1 << 20])
                byte = chance.randrange(1, 256)
                region = machool.Region(size, zeroed=False)
                with memoryview(region) as view:
                    view[:] = bytes([byte]) * size
                move = chance.randrange(2)
                client.request(bytes([byte]), ool=machool.OOL(region, deallocate=bool(move)))

    def borrow(seed):
        chance = __import__("random").Random(seed)
        kept = []
        with machool.Server(f"{name}.{seed}", queue_limit=10) as server:
            for request in server:
                kept.extend(request.ool)
                while len(kept) > 4:
                    kept.pop(chance.randrange(len(kept)))
                request.reply(ool=kept[0] if chance.randrange(2) else None)

    while True:
        role, seed = hear()
        pid = os.fork()
        if pid == 0:
            {"lend": lend, "borrow": borrow}[role](seed)
            os._exit(0)
        tell(pid)
        hear()
        os.waitpid(pid, 0)
        tell("reaped")


def kill_after(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
    os.kill(pid, 9)


def serve_the_dying(server, pid, chance):
    """Keeps some of what comes until the sender is killed; returns that."""
    kept, got = [], 0
    for _ in kill_after(pid, 0.02 + chance.random() * 0.03):
        try:
            message = server.receive(0.001)
        except machool.TimedOut:
            continue
        got += 1
        kept.append((message.body[0], message.ool[0]))
        if chance.randrange(2):
            kept.pop(chance.randrange(len(kept)))
        with contextlib.suppress(machool.PeerDied):
            message.reply()
    return kept, got


def check_kept(kept):
    for byte, view in kept:
        assert bytes(view).count(byte) == len(view)
        view[:] = b"\xff" * len(view)


def drain(server):
    with contextlib.suppress(machool.TimedOut):
        while True:
            server.receive(0)


def test_lender_killed(spawn, name):
    """What was received stays as it was, and goes when it is dropped."""
    chance = random.Random(31)
    nest = spawn(nursery, name)
    baseline, total = None, 0
    with machool.Server(name, queue_limit=20) as server:
        for number in range(20):
            pid = nest.ask(("lend", number))
            kept, got = serve_the_dying(server, pid, chance)
            total += got
            assert nest.ask("reap") == "reaped"
            settle({"channels": 1})
            assert machool.stats()["borrowed_bytes"] == 0
            check_kept(kept)
            del kept
            drain(server)
            if number == 5:
                baseline = settle({"channels": 1})
        now = settle(baseline)
    assert total > 20
    assert {key: now[key] for key in baseline if now[key] > baseline[key]} == {}


def connect(name):
    end = time.monotonic() + LIMIT
    while True:
        try:
            return machool.Client(name, timeout=LIMIT)
        except machool.ServiceNotFound:
            assert time.monotonic() < end


def ask_for_ever(client, kept):
    while True:
        kept.extend(client.request(ool=moved(filled(MIB, MIB % 251))).ool)


def ask_the_dying(client, pid, chance, mine):
    """Moves regions, and keeps what comes back. Returns how many requests were answered."""
    kept, answered = [], 0
    sizes = [3000, 70_000, 300_000, MIB]
    with client:
        for _ in kill_after(pid, chance.random() * 0.04):
            size = chance.choice(sizes)
            kept.extend(client.request(ool=[moved(filled(size, size % 251)), mine]).ool)
            answered += 1
        with pytest.raises(machool.PeerDied):
            ask_for_ever(client, kept)
    for view in kept:
        assert view[0] in (200, len(view) % 251)
        assert bytes(view).count(view[0]) == len(view)
    return answered


def test_borrower_killed(spawn, name):
    """What was lent is given up, what was sent can be sent again, and nothing is left."""
    chance = random.Random(32)
    nest = spawn(nursery, name)
    baseline, total = None, 0
    mine = filled(MIB, 200)
    for number in range(20):
        pid = nest.ask(("borrow", number))
        total += ask_the_dying(connect(f"{name}.{number}"), pid, chance, mine)
        assert nest.ask("reap") == "reaped"
        settle({"channels": 1})
        assert machool.stats()["lent_bytes"] == 0
        if number == 5:
            baseline = settle({"channels": 1})
    assert total > 20
    assert set(bytes(mine)) == {200}
    now = settle(baseline)
    assert {key: now[key] for key in baseline if now[key] > baseline[key]} == {}
