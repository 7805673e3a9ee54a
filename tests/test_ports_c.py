"""Rights between Python and a C program that knows nothing of Python: `c/python/rights.c`."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import machool
from cbuild import WARNINGS, config
from machool import Move, Port
from peer import LIMIT

TESTS = Path(__file__).resolve().parent

pytestmark = pytest.mark.usefixtures("leak_guard")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("c") / "rights"
    source = TESTS / "c/python/rights.c"
    includes = ["-I", str(TESTS.parent / "examples/mach")]
    flags = [*WARNINGS, "-Werror", *includes, *config("--cflags"), *config("--libs")]
    command = ["cc", str(source), *flags, "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
    return str(path)


class Program:
    """The program as it runs, and a client of it."""

    def __init__(self, program, name):
        self.process = subprocess.Popen([program, name], stdout=subprocess.PIPE, text=True)
        assert self.says() == "'ready'"
        self.client = machool.Client(name, timeout=LIMIT)

    def says(self):
        return self.process.stdout.readline().rstrip()

    def done(self):
        self.client.send(id=0)
        assert self.process.wait(LIMIT) == 0


@pytest.fixture
def c(program, name):
    running = Program(program, name)
    yield running
    running.client.close()
    running.process.kill()
    running.process.wait(LIMIT)
    running.process.stdout.close()


def test_receive_right_there_and_back(c):
    port = Port(queue_limit=10)
    with port.make_send() as send:
        for number in (1, 2, 3, 9, 4):
            send.send(id=number)
        reply = c.client.request(id=1, ports=Move(port))
        assert int.from_bytes(reply.body, sys.byteorder) == 4
        (back,) = reply.ports
        assert back.right == "receive"
        assert back.queue_limit == 10
        send.send(id=5)
        assert [back.receive(timeout=LIMIT).id for _ in range(2)] == [4, 5]
        back.close()
        assert send.dead
    c.done()


@pytest.mark.parametrize("count", [128, 700])
def test_array_of_rights_there_and_back(c, count):
    ports = [Port() for _ in range(count)]
    sends = [port.make_send() for port in ports]
    reply = c.client.request(id=2, ports=[Move(send) for send in sends])
    assert [port.receive(timeout=LIMIT).id for port in ports] == list(range(count))
    assert [port.name for port in reply.ports] == [port.name for port in ports]
    assert {port.right for port in reply.ports} == {"send"}
    c.done()
    for port in (*ports, *reply.ports):
        port.close()


def test_c_is_told_of_a_death(c):
    with Port() as port:
        c.client.request(id=3, ports=port)
    assert c.says() == "'dead'"
    c.done()


def test_c_is_told_that_nobody_is_left(c):
    reply = c.client.request(id=4)
    (send,) = reply.ports
    send.close()
    assert c.says() == "'no senders of 1'"
    c.done()


def test_python_is_told_of_the_death_of_a_c_program(c):
    (send,) = c.client.request(id=4).ports
    with Port() as inbox:
        send.request_notification(machool.NotificationKind.DEAD_NAME, inbox)
        c.process.kill()
        message = inbox.receive(timeout=LIMIT)
        assert message.kind is machool.NotificationKind.DEAD_NAME
        assert message.name == send.name
    send.close()
