"""A service changes hands while its client goes on asking, and the client notices nothing.

The receive right itself travels in a message, with all that waits in its queue. When the last
client has let go of its right, the system tells the service, which ends.
"""

import os
import subprocess
import sys

import machool
from machool import Move, NotificationKind, Port, PortSet

QUESTIONS = 6
WAIT = 30.0


def successor(name: str) -> None:
    with machool.Client(name, timeout=WAIT) as client, Port() as notes:
        (desk,) = client.request(b"I am here").ports
        desk.request_notification(NotificationKind.NO_SENDERS, notes, sync=1)
        for message in PortSet([desk, notes]):
            if isinstance(message, machool.Notification):  # nobody can ask any more
                break
            message.reply(b"the successor")


def customer(name: str) -> None:
    with machool.Client(name, timeout=WAIT) as client, Port() as inbox:
        (desk,) = client.request(b"I want to ask").ports
        for _ in range(QUESTIONS):
            desk.send(b"a question", reply=inbox, timeout=WAIT)
            print("customer: answered by", inbox.receive(timeout=WAIT).body.decode(), flush=True)


def main(name: str) -> None:
    with machool.Server(name) as server:
        roles = ["customer", "successor"]
        processes = [subprocess.Popen([sys.executable, __file__, role, name]) for role in roles]
        callers = {caller.body: caller for caller in (server.receive(WAIT), server.receive(WAIT))}
        desk = Port()
        callers.pop(b"I want to ask").reply(ports=desk)  # a right to send to it
        for _ in range(QUESTIONS // 2):
            desk.receive(timeout=WAIT).reply(b"the first one")
        callers.pop(b"I am here").reply(ports=Move(desk))  # the right to receive from it
        assert [process.wait(WAIT) for process in processes] == [0, 0]
    print("proved: the desk changed hands, and ended with its last customer")


if __name__ == "__main__":
    if sys.argv[1:]:
        {"customer": customer, "successor": successor}[sys.argv[1]](sys.argv[2])
    else:
        main(f"com.example.change-of-hands.{os.getpid()}")
