"""What the tests share: names, peers, users, and a guard against leaks."""

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import machool
import peer as peers
from peer import tell

_numbers = itertools.count()

NOBODY = 65534

_failed = pytest.StashKey[bool]()


@pytest.fixture
def name() -> str:
    """A service name that nobody else uses."""
    return f"com.example.test.{os.getpid()}.{next(_numbers)}"


@pytest.fixture
def names() -> Callable[[], str]:
    """Further service names that nobody else uses."""
    return lambda: f"com.example.test.{os.getpid()}.{next(_numbers)}"


@pytest.fixture
def spawn() -> Iterator[Callable[..., peers.Peer]]:
    """Starts processes: spawn(function, *args, uses=(), python=…, env=…). All end with the test."""
    started: list[peers.Peer] = []

    def start(*args: object, **kwargs: object) -> peers.Peer:
        started.append(peers.Peer(*args, **kwargs))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for process in started:
        process.close()


def _answer(name):
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            request.reply(request.body)


def _by_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    stats = machool.stats()
    if request.param == "objects":
        monkeypatch.setenv("MACHOOL_LOANS", "0")  # for peers
        machool.set_limits(idle_bytes=0, lent_bytes=0)
    yield request.param
    machool.set_limits(idle_bytes=stats["idle_limit"], lent_bytes=stats["lent_limit"])


_BOTH = ["loans", "objects"]
_BOTH_LONG = ["loans", pytest.param("objects", marks=pytest.mark.long)]

each_transport = pytest.fixture(params=_BOTH, name="each_transport")(_by_transport)
"""Once as always, and once with loans turned off here and in peers: memory travels in sealed
objects then. In pytest.mark.usefixtures before leak_guard."""
each_transport_long = pytest.fixture(params=_BOTH_LONG, name="each_transport_long")(_by_transport)
"""The same, the second time in the long tier."""


@pytest.fixture(scope="session")
def met_another_task() -> None:
    """What a task keeps for good from its first right that goes abroad, it has afterwards."""
    name = f"com.example.test.{os.getpid()}.first"
    first = peers.Peer(_answer, name)
    try:
        first.hear()
        with machool.Client(name) as client:
            client.request(timeout=peers.LIMIT)
    finally:
        first.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Tell fixtures whether the test failed: its traceback then keeps objects alive."""
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture
def leak_guard(request: pytest.FixtureRequest, met_another_task: None) -> Iterator[None]:
    """Fails the test if this process holds more afterwards: descriptors, objects mapped, regions,
    names. Use it by pytest.mark.usefixtures, so that it looks when peers are gone."""
    gc.collect()
    settled = peers.settle({})
    before = {key: settled[key] for key in ("descriptors", "mappings", "regions", "ports")}
    yield
    if request.node.stash.get(_failed, False):
        return
    gc.collect()
    after = peers.settle(before, seconds=5.0)
    grown = {key: (before[key], after[key]) for key in before if after[key] > before[key]}
    assert not grown, f"left behind (before, after): {grown}"


@pytest.fixture(scope="session")
def root() -> None:
    """Skips unless the tests may change users."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become other users")


@pytest.fixture
def unprivileged() -> int:
    """A uid without privileges for peers to become()."""
    return NOBODY if os.geteuid() == 0 else os.geteuid()


@pytest.fixture(scope="session")
def available_memory() -> int:
    """Bytes that can be used without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
