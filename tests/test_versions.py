"""Processes of different Pythons with each other: every version found here, both ways round."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import machool
from peer import LIMIT, hear, tell
from test_interpreters import found

pytestmark = pytest.mark.usefixtures("leak_guard")

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(machool.__file__).resolve().parent
ABI3 = "_machool.abi3.so"


@pytest.fixture(scope="module", params=["3.12", "3.13", "3.14", "3.13t"])
def python(request):
    """An interpreter of that version that can import machool as it is built here."""
    free_threaded = request.param.endswith("t")
    path = free_threaded_python() if free_threaded else found(request.param)
    if path is None:
        pytest.skip(f"no Python {request.param} on this machine")
    if not fresh(
        f"_machool.cpython-{request.param.replace('.', '')}-*.so" if free_threaded else ABI3
    ):
        pytest.skip(f"no extension of these sources for Python {request.param}")
    check = "import machool; print(machool.page_size)"
    subprocess.run([path, "-c", check], env=environment(), check=True)
    return path


def fresh(pattern):
    """Whether there is such an extension, no older than its sources."""
    newest = max(path.stat().st_mtime for path in (ROOT / "csrc/_machool").iterdir())
    return any(path.stat().st_mtime >= newest for path in PACKAGE.glob(pattern))


def free_threaded_python():
    """What scripts/build-pythons has made."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "machool-pythons"
    cache = Path(os.environ.get("MACHOOL_PYTHONS", cache))
    return next((str(path) for path in sorted(cache.glob("free-threaded*/bin/python3.13t"))), None)


def environment():
    return {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}


def server(name):
    tell((sys.version_info[:2], machool.__version__))
    region = machool.Region(machool.page_size)
    memoryview(region)[:5] = b"Hello"
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            if request.id == 10:
                request.reply(ool=region)
            else:
                parts = [bytes(view) for view in request.ool]
                moved = machool.Region(300_000)
                memoryview(moved)[:3] = b"end"
                request.reply(request.body, ool=[*parts, machool.OOL(moved, deallocate=True)])


def client(name):
    """The same questions that the test asks; tells what it got."""
    with machool.Client(name, timeout=30) as client:
        page = client.request(id=10).ool[0]
        page[0:1] = b"J"
        again = client.request(id=10).ool[0]
        parts = [bytes(size) for size in (0, 1, 5000, 300_000, 1 << 20)]
        with machool.Port() as port:
            port.send(b"own", ool=parts)
            assert list(map(len, port.receive(5).ool)) == list(map(len, parts))
        reply = client.request(b"odd size", ool=parts)
        tell((bytes(page[:5]), bytes(again[:5]), reply.body, [len(view) for view in reply.ool]))
        hear()


EXPECTED = (b"Jello", b"Hello", b"odd size", [0, 1, 5000, 300_000, 1 << 20, 300_000])


def test_server_there_client_here(spawn, name, python):
    peer = spawn(server, name, python=python, env=environment())
    version, machool_version = peer.hear()
    assert version != sys.version_info[:2] or python != sys.executable
    assert machool_version == machool.__version__
    assert peer.hear() == "ready"
    other = spawn(client, name)
    assert other.hear() == EXPECTED
    with machool.Client(name) as own:
        peer.kill()
        with pytest.raises(machool.PeerDied):
            own.request(timeout=LIMIT)


def test_client_there_server_here(spawn, name, python):
    peer = spawn(server, name)
    peer.hear(), peer.hear()
    assert spawn(client, name, python=python, env=environment()).hear() == EXPECTED


def test_both_sides_there(spawn, name, python):
    peer = spawn(server, name, python=python, env=environment())
    peer.hear(), peer.hear()
    assert spawn(client, name, python=python, env=environment()).hear() == EXPECTED


def test_ctrl_c_there(spawn, name, python):
    def waiter(name):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with machool.Server(name) as server:
                tell("waiting")
                server.receive()
        except KeyboardInterrupt:
            tell("interrupted")
        hear()

    peer = spawn(waiter, name, python=python, env=environment())
    assert peer.hear() == "waiting"
    peer.signal(signal.SIGINT)
    assert peer.hear() == "interrupted"
    peer.done()


def test_buffer_class_there(spawn, name, python):
    """Classes with __buffer__, which came with Python 3.12."""

    def exporter(name):
        log = []

        class Exporter:
            def __buffer__(self, flags):
                log.append("get")
                return memoryview(b"x" * 300_000)

            def __release_buffer__(self, view):
                log.append("release")

        with machool.Client(name, timeout=30) as client:
            reply = client.request(ool=Exporter())
            tell((log, bytes(reply.ool[0]) == b"x" * 300_000))
        hear()

    spawn(server, name).hear()
    peer = spawn(exporter, name, python=python, env=environment())
    assert peer.hear() == (["get", "release"], True)


def test_threads_there(spawn, name, python):
    """Many threads at once; without a GIL they really are."""

    def crowd(name):
        failures = []

        def ask(number):
            try:
                for i in range(100):
                    body = f"{number}-{i}".encode()
                    reply = client.request(body, ool=body * 100)
                    assert (reply.body, bytes(reply.ool[0])) == (body, body * 100)
            except BaseException as error:
                failures.append(repr(error))

        with machool.Server(name) as server, machool.Client(name, timeout=30) as client:
            serving = threading.Thread(
                target=server.serve,
                args=(lambda message: message.reply(message.body, ool=message.ool),),
                kwargs={"threads": 4},
            )
            serving.start()
            threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            server.shutdown()
            serving.join()
        tell(failures)
        hear()

    peer = spawn(crowd, name, python=python, env=environment())
    assert peer.hear() == []
    peer.done()


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_build_with_that_python(tmp_path, version):
    """The sources compile with its headers, too, and the result is the same kind of module."""
    path = found(version)
    if path is None:
        pytest.skip(f"no Python {version} on this machine")
    tools = Path(pytest.importorskip("setuptools").__file__).parents[1]
    command = [path, "setup.py", "-q", "build", "--build-base", tmp_path, "--build-lib"]
    command = [*map(str, command), str(tmp_path / "lib")]
    env = {**os.environ, "PYTHONPATH": str(tools)}
    subprocess.run(command, check=True, cwd=ROOT, env=env)
    (built,) = (tmp_path / "lib/machool").glob("_machool*.so")
    assert built.name == "_machool.abi3.so"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "lib")}
    check = "import machool; p = machool.Port(); p.send(b'x'); assert p.receive(1).body == b'x'"
    subprocess.run([path, "-c", check], check=True, cwd=tmp_path, env=env)
