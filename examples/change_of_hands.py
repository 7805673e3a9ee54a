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


def answer(desk: Port, notes: Port, who: str) -> bool:
    """Answers one question at the desk. False once nobody can ask any more."""
    with PortSet([desk, notes]) as both:
        message = both.receive(timeout=WAIT)
        if isinstance(message, machool.Notification):
            return message.kind is not NotificationKind.NO_SENDERS
        message.reply(who.encode())
        return True


def successor(parent: str) -> None:
    with machool.Client(parent, timeout=WAIT) as client, Port() as notes:
        (desk,) = client.request(b"I am here").ports
        desk.request_notification(NotificationKind.NO_SENDERS, notes, sync=1)
        while answer(desk, notes, "the successor"):
            pass


def customer(parent: str) -> None:
    with machool.Client(parent, timeout=WAIT) as client, Port() as inbox:
        (desk,) = client.request(b"I want to ask").ports
        for _ in range(QUESTIONS):
            desk.send(b"a question", reply=inbox, timeout=WAIT)
            print("customer: answered by", inbox.receive(timeout=WAIT).body.decode(), flush=True)


def main(name: str) -> None:
    roles = ["customer", "successor"]
    with machool.Server(name) as server, Port() as notes:
        desk = Port()
        processes = [
            subprocess.Popen([sys.executable, __file__, role, name], text=True) for role in roles
        ]
        callers = {}
        while len(callers) < len(roles):
            message = server.receive(timeout=WAIT)
            callers[message.body] = message
        callers.pop(b"I want to ask").reply(ports=desk)  # a right to send to it
        for _ in range(QUESTIONS // 2):
            answer(desk, notes, "the first one")
        callers.pop(b"I am here").reply(ports=Move(desk))  # the right to receive from it
        assert [process.wait(WAIT) for process in processes] == [0, 0]
    print("proved: the desk changed hands, and ended with its last customer")


if __name__ == "__main__":
    if sys.argv[1:]:
        {"customer": customer, "successor": successor}[sys.argv[1]](sys.argv[2])
    else:
        main(f"com.example.change-of-hands.{os.getpid()}")
