"""Python programs whose parent is their bootstrap: a C program serves its child's look-ups."""

import subprocess
import sys

import pytest

import cbuild
import machool
from peer import LIMIT, tell

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="launchd's requests are private")

PARENT = r"""
#include <mach/mach.h>
#include <servers/bootstrap_requests.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char real[BOOTSTRAP_MAX_NAME_LEN];

/* "wanted" is another service's name here, "hidden" is not to be had, all else goes through. */
static boolean_t filter(mach_msg_header_t *message, mach_msg_header_t *reply)
{
    struct machool_bootstrap_request *request = machool_bootstrap_request(message);
    if (request && !strcmp(request->name, "hidden"))
        return machool_bootstrap_answer(request, reply, BOOTSTRAP_NOT_PRIVILEGED, MACH_PORT_NULL,
                                        MACH_MSG_TYPE_COPY_SEND);
    if (!strcmp(real, "silent"))
        return FALSE;
    if (request && !strcmp(request->name, "wanted"))
        strcpy(request->name, real);
    return machool_bootstrap_pass_on(message, reply);
}

int main(int argc, char **argv)
{
    mach_port_t port;
    int status = 1;
    if (argc < 3)
        return 2;
    snprintf(real, sizeof real, "%s", argv[1]);
    mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
    task_set_bootstrap_port(mach_task_self(), port);
    pid_t pid = fork();
    if (pid == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    task_set_bootstrap_port(mach_task_self(), bootstrap_port);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct {
            struct machool_bootstrap_request request;
            mach_msg_max_trailer_t trailer;
        } in;
        struct machool_bootstrap_reply out = {.header.msgh_size = 0};
        if (mach_msg(&in.request.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof in, port, 20,
                     MACH_PORT_NULL) == MACH_MSG_SUCCESS &&
            !filter(&in.request.header, &out.header))
            mach_msg_destroy(&in.request.header);
        else if (out.header.msgh_size)
            mach_msg(&out.header, MACH_SEND_MSG, sizeof out, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
"""

CHILD = """
import sys
import machool

with machool.Client("wanted") as client:
    print(client.request(b"hello", timeout=10).body.decode(), flush=True)
for name, error in [("hidden", machool.NotPermitted), ("nobody", machool.ServiceNotFound)]:
    try:
        machool.Client(name)
    except error:
        print(name, error.__name__, flush=True)
with machool.Server(sys.argv[1]) as server:
    try:
        machool.Server(sys.argv[1])
    except machool.ServiceExists:
        print("once", flush=True)
    message = server.receive(timeout=10)
    message.reply(message.body + b" child")
"""


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parent")
    source = folder / "parent.c"
    source.write_text(PARENT)
    target = folder / "parent"
    flags = [*cbuild.config("--cflags"), *cbuild.sanitizers()]
    command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *flags, str(source)]
    subprocess.run([*command, *cbuild.config("--libs"), "-o", str(target)], check=True)
    return target


def echo(name):
    with machool.Server(name) as server:
        tell("ready")
        for request in server:
            request.reply(request.body + b" there")


def test_python_behind_a_filter(parent, spawn, names):
    service, own = names(), names()
    spawn(echo, service).hear()
    command = [str(parent), service, sys.executable, "-c", CHILD, own]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
        assert lines == ["hello there", "hidden NotPermitted", "nobody ServiceNotFound", "once"]
        with machool.Client(own) as client:  # the filter let its child have the name
            assert client.request(b"good day", timeout=LIMIT).body == b"good day child"
    assert process.returncode == 0


SILENT = """
import machool

try:
    machool.Client("anything")
except machool.PeerDied as error:
    print(error.name)
"""


def test_bootstrap_that_drops_requests(parent):
    """What the parent destroys unanswered, its child hears of at once."""
    command = [str(parent), "silent", sys.executable, "-c", SILENT]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=True)
    assert done.stdout == "MIG_SERVER_DIED\n"
