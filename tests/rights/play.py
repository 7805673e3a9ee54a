"""Takes steps in the model and in real tasks, and compares what came of them."""

import os
from collections.abc import Iterator

from rights import model as m
from rights.model import Entry, Message, Model, Once, Port, Right
from rights.task import Task

TASKS = 3
PATIENCE = 10_000  # ms
QUEUE = 4  # messages by send rights at one port, at most: one sender's limit is 5
NAMES = 14  # in one space, about
INVALID_RIGHT, INVALID_VALUE, INVALID_ARGUMENT, FAILURE = 17, 18, 4, 5
INVALID_DEST, TIMED_OUT = 0x10000003, 0x10004003

LOCAL = ("allocate", "insert", "extract", "member", "leave_set")  # others notice nothing

Step = tuple  # ("name of a method of Play", arguments...)


def same(what: str, real: object, wanted: object) -> None:
    """Real and model agree."""
    assert real == wanted, f"{what}: {real!r}, not {wanted!r}"


class Skip(Exception):
    """The step makes no sense in this state: only a shortened program has such."""


class Play:
    """A model and its real tasks. Each has a home port that the others can send to from the start;
    those stay as they are."""

    def __init__(self) -> None:
        self.model = Model(TASKS)
        self.tasks = [Task() for _ in range(TASKS)]
        self.idle = [task("allocate", 1)[1] for task in self.tasks]
        self.baseline = [set(task("space")) for task in self.tasks]
        for i, task in enumerate(self.tasks):
            _, name = task("allocate", 1)
            assert task("insert", name, m.MAKE_SEND) == 0
            service = f"com.example.rights.{os.getpid()}.{id(self):x}.{i}"
            assert task("register", service, name) == 0
            port = self.model.ports[f"home{i}"] = Port(f"home{i}", i, mscount=1)
            self.model.spaces[i][port.id] = Entry(name, "port", port, True, 1)
            for k, other in enumerate(self.tasks):
                if k != i:
                    code, there = self.answered(other, task, self.idle[i], ("look_up", service))
                    assert code == 0
                    self.model.spaces[k][port.id] = Entry(there, "port", port, False, 1)
        self.model.judge()

    @staticmethod
    def answered(task: Task, other: Task, idle: int, order: tuple):
        """What an order comes to that takes an answer of another task."""
        task.tell(*order)
        while not task.has_said():
            other("receive", idle, 1)
        return task.hear()

    def end(self) -> None:
        for task in self.tasks:
            task.end()

    def entry(self, task: int, key: str) -> Entry:
        if key not in self.model.spaces[task]:
            raise Skip
        return self.model.spaces[task][key]

    def settle(self) -> None:
        """Every task hears what the others said, and what follows from that."""
        for _ in range(2):
            for task, idle in zip(self.tasks, self.idle, strict=True):
                task.tell("catch_up", idle)
            for task in self.tasks:
                assert task.hear() & 0xFFFFFFFF == TIMED_OUT

    def take(self, step: Step) -> None:
        getattr(self, step[0])(*step[1:])
        self.model.judge()
        if step[0] not in LOCAL:
            self.settle()

    # --- the steps: what the model expects, and what came -----------------------------------------

    def allocate(self, task: int, key: str, right: int) -> None:
        code, name = self.tasks[task]("allocate", right)
        assert code == 0
        kind = {1: "port", 3: "set", 4: "dead"}[right]
        entry = Entry(name, kind, receive=right == 1, refs=right == 4)
        if right == 1:
            entry.of = self.model.ports[key] = Port(key, task)
        self.model.spaces[task][key] = entry

    def insert(self, task: int, key: str, how: int) -> None:
        entry = self.entry(task, key)
        if entry.kind != "port":
            raise Skip
        can = self.model.can(task, key, how)
        code = self.tasks[task]("insert", entry.name, how)
        same("insert", code, 0 if can else INVALID_RIGHT)
        if can:
            entry.refs += 1
            entry.of.mscount += how == m.MAKE_SEND

    def mod_refs(self, task: int, key: str, right: int, delta: int) -> None:
        entry = self.entry(task, key)
        held = {
            0: entry.refs if entry.kind == "port" else 0,
            1: entry.receive,
            2: entry.kind == "once",
            3: entry.kind == "set",
            4: entry.refs if entry.kind == "dead" else 0,
        }[right]
        expected = 0
        if not held:
            expected = INVALID_RIGHT
        elif held + delta < 0 or (right in (1, 2, 3) and delta > 0):
            expected = INVALID_VALUE
        code = self.tasks[task]("mod_refs", entry.name, right, delta)
        same("mod_refs", code, expected)
        if code == 0 and delta:
            self.drop(task, key, right, delta)

    def drop(self, task: int, key: str, right: int, delta: int) -> None:
        entry = self.model.spaces[task][key]
        if right == 1:
            self.end_receive(task, key)
        elif right == 3:
            self.end_set(task, key)
        elif right == 2:
            once = entry.of
            self.model.forget(task, key)
            self.model.release(Right(m.PORT_SEND_ONCE, once))
        else:
            entry.refs += delta
            if not entry.refs and not entry.receive:
                self.model.forget(task, key)

    def end_receive(self, task: int, key: str) -> None:
        entry = self.model.spaces[task][key]
        entry.receive = False
        if not entry.refs:
            self.model.forget(task, key)
        self.model.die(entry.of)

    def end_set(self, task: int, key: str) -> None:
        self.model.forget(task, key)
        for port in self.model.ports.values():
            port.sets.discard(key)

    def deallocate(self, task: int, key: str) -> None:
        entry = self.entry(task, key)
        right = {"port": 0, "once": 2, "dead": 4, "set": 3}[entry.kind]
        can = entry.kind in ("once", "dead") or (entry.kind == "port" and entry.refs)
        code = self.tasks[task]("deallocate", entry.name)
        same("deallocate", code, 0 if can else INVALID_RIGHT)
        if can:
            self.drop(task, key, right, -1)

    def destroy(self, task: int, key: str) -> None:
        entry = self.entry(task, key)
        same("destroy", self.tasks[task]("destroy", entry.name), 0)
        if entry.kind == "set":
            self.end_set(task, key)
            return
        entry.refs = 0
        self.model.forget(task, key)
        if entry.kind == "once":
            self.model.release(Right(m.PORT_SEND_ONCE, entry.of))
        elif entry.receive:
            self.model.die(entry.of)

    def extract(self, task: int, key: str, once_id: str) -> None:
        entry = self.entry(task, key)
        if not self.model.can(task, key, m.MAKE_SEND_ONCE):
            raise Skip
        code, name, kind = self.tasks[task]("extract", entry.name, m.MAKE_SEND_ONCE)
        same("extract", (code, kind), (0, m.PORT_SEND_ONCE))
        self.model.put(task, Right(m.PORT_SEND_ONCE, Once(once_id, entry.of)), name)

    def member(self, task: int, key: str, set_key: str, *, joins: bool = True) -> None:
        entry, port_set = self.entry(task, key), self.entry(task, set_key)
        if entry.kind != "port" or not entry.receive or port_set.kind != "set":
            raise Skip
        inside = set_key in entry.of.sets
        call = "insert_member" if joins else "extract_member"
        code = self.tasks[task](call, entry.name, port_set.name)
        same(call, code, (11 if inside else 0) if joins else (0 if inside else 12))
        (entry.of.sets.add if joins else entry.of.sets.discard)(set_key)

    def leave_set(self, task: int, key: str, set_key: str) -> None:
        self.member(task, key, set_key, joins=False)

    def request(
        self, task: int, key: str, kind: int, sync: int, notify: str | None, once_id: str
    ) -> None:
        entry = self.entry(task, key)
        target = self.entry(task, notify) if notify else None
        if target and not self.model.can(task, notify, m.MAKE_SEND_ONCE):
            raise Skip
        if kind == m.DEAD_NAME and (entry.receive or entry.kind in ("set", "dead")):
            raise Skip
        if kind != m.DEAD_NAME and not entry.receive:
            raise Skip
        code, previous = self.tasks[task](
            "request", entry.name, kind, sync, target.name if target else 0, m.MAKE_SEND_ONCE
        )
        once = Once(once_id, target.of) if target else None
        holder, where = (
            (entry, "death")
            if kind == m.DEAD_NAME
            else (
                entry.of,
                "no_senders" if kind == m.NO_SENDERS else "destroyed",
            )
        )
        old = getattr(holder, where)
        forgotten = old and not old.port.alive and code == 0  # on a move: nobody would be told
        if kind == m.DESTROYED and old and once and not forgotten:
            same("request", code, FAILURE)
            self.model.release(Right(m.PORT_SEND_ONCE, once))
            return
        same("request", code, 0)
        setattr(holder, where, once)
        if old and not old.port.alive:
            assert previous in (0, m.DEAD)
        else:
            same("an earlier request", previous != 0, old is not None)
        if old and old.port.alive:
            self.model.put(task, Right(m.PORT_SEND_ONCE, old), previous)
        due = kind == m.NO_SENDERS and once and sync <= entry.of.mscount
        if due and not self.model.has_senders(entry.of):  # S135
            entry.of.no_senders = None
            self.model.notify(once, m.NO_SENDERS, entry.of.mscount)

    def send(
        self,
        task: int,
        key: str,
        how: int,
        reply: str | None,
        reply_how: int,
        rights: tuple,
        number: int,
    ) -> None:
        destination = self.entry(task, key)
        wanted = [(key, how), *([(reply, reply_how)] if reply else []), *rights]
        self.check_send(task, wanted)
        answer = self.entry(task, reply).name if reply else 0
        arguments = (
            destination.name,
            how,
            answer,
            reply_how if reply else 0,
            tuple((self.entry(task, k).name, h) for k, h in rights),
            number,
        )
        code = self.tasks[task]("send", *arguments) & 0xFFFFFFFF
        if destination.kind == "dead":
            if how == m.MOVE_SEND_ONCE and code == 0:  # its death was not noticed (S117)
                self.send_into_nothing(task, key, reply, reply_how, rights, number)
            else:
                same("send", code, INVALID_DEST)  # and nothing is consumed (S116)
            return
        same("send", code, 0)
        first = self.model.take(task, key, how, f"{number}.d")
        port = first.of.port if isinstance(first.of, Once) else first.of
        message = Message(number, task, first.how)
        if reply:
            message.reply = self.model.take(task, reply, reply_how, f"{number}.r")
        message.rights = [
            self.model.take(task, k, h, f"{number}.{i}") for i, (k, h) in enumerate(rights)
        ]
        port.queue.append(message)

    def send_into_nothing(self, task, key, reply, reply_how, rights, number) -> None:
        wanted = [(key, m.MOVE_SEND_ONCE), *([(reply, reply_how)] if reply else []), *rights]
        taken = [self.model.take(task, k, h, f"{number}.{i}") for i, (k, h) in enumerate(wanted)]
        for right in taken:
            self.model.release(right)

    def check_send(self, task: int, wanted: list) -> None:
        """Raises Skip unless every right can be taken, one after another, and there is room."""
        left = {k: e.refs for k, e in self.model.spaces[task].items()}
        gone = set()
        for k, h in wanted:
            if k in gone or not self.model.can(task, k, h):
                raise Skip
            entry = self.entry(task, k)
            counted = h in (m.MOVE_SEND, m.COPY_SEND) or entry.kind == "dead"
            if counted and left[k] < 1:
                raise Skip
            if h == m.MOVE_SEND or (h == m.MOVE_SEND_ONCE and entry.kind == "dead"):
                left[k] -= 1
            if h in (m.MOVE_RECEIVE, m.MOVE_SEND_ONCE):
                gone.add(k)
        if len({k for k, _ in wanted[:2]}) < len(wanted[:2]):
            raise Skip  # one name twice in a header has rules of its own (S120)
        key, how = wanted[0]
        entry = self.entry(task, key)
        port = entry.of.port if entry.kind == "once" else entry.of
        if any(self.entry(task, k).kind == "dead" for k, _ in wanted[1:2]):
            raise Skip  # a reply that is a dead name: systems differ (S119)
        if entry.kind == "dead":
            if how not in (m.COPY_SEND, m.MOVE_SEND, m.MOVE_SEND_ONCE):
                raise Skip
            return
        if port.home is None or any(h == m.MOVE_RECEIVE and k == port.id for k, h in wanted):
            raise Skip
        if how not in (m.MOVE_SEND_ONCE, m.MAKE_SEND_ONCE) and len(port.queue) >= QUEUE:
            raise Skip
        for k, h in wanted:  # what travels must not be able to close a circle (S124)
            if (
                h == m.MOVE_RECEIVE
                and self.entry(task, k).of.queue
                and any(
                    r.how == m.PORT_RECEIVE for q in self.entry(task, k).of.queue for r in q.rights
                )
            ):
                raise Skip

    def receive(self, task: int, key: str) -> None:
        entry = self.entry(task, key)
        if entry.kind == "set":
            ports = [port for port in self.model.ports.values() if key in port.sets]
        elif entry.receive:
            ports = [entry.of]
        else:
            raise Skip
        firsts = [pair for port in ports for pair in self.firsts(port)]
        got = self.tasks[task]("receive", entry.name, PATIENCE if firsts else 0)
        if not firsts:
            same("receive", got, (TIMED_OUT,))
            return
        same("receive", got[0], 0)
        _, number, (local, how), (remote, remote_how), rights, kernel, word = got
        matching = [
            (port, message)
            for port, message in firsts
            if (message.id, message.kernel, message.word) == (number, kernel, word * message.kernel)
            and self.model.spaces[task][port.id].name == local
            and len(message.rights) == len(rights)
        ]
        assert matching, f"not expected: {got}"
        port, message = matching[0]
        port.queue.remove(message)
        same("the right sent by", how, message.how)
        self.take_out(task, message, remote, remote_how, rights)

    @staticmethod
    def firsts(port: Port) -> Iterator[tuple[Port, Message]]:
        """The oldest message of each sender: between senders there is no order (S156)."""
        seen = set()
        for message in port.queue:
            if message.sender not in seen:
                seen.add(message.sender)
                yield port, message

    def take_out(self, task: int, message: Message, remote, remote_how, rights) -> None:
        if message.reply is None:
            same("reply", (remote, remote_how), (0, 0))
        else:
            same("reply", remote_how, message.reply.how)
            self.model.put(task, message.reply, remote)
        for right, (name, how) in zip(message.rights, rights, strict=True):
            same("right", how, right.how)
            self.model.put(task, right, name)

    def check(self) -> None:
        """Everything that a task can ask is as the model has it."""
        for i, (task, space) in enumerate(zip(self.tasks, self.model.spaces, strict=True)):
            real = {n: v for n, v in task("space").items() if n not in self.baseline[i]}
            wanted = {
                e.name: (e.type(), 1 if e.kind == "once" else 0 if e.kind == "set" else e.refs)
                for e in space.values()
            }
            assert real == wanted, f"task {i}: {self.difference(space, real, wanted)}"
            for entry in space.values():
                if entry.receive:
                    self.check_port(task, entry)

    def check_port(self, task: Task, entry: Entry) -> None:
        port = entry.of
        code, mscount, _, msgcount, once, senders, destroyed, no_senders = task(
            "status", entry.name
        )
        same("status", code, 0)
        requests = []
        for asked, right in ((destroyed, port.destroyed), (no_senders, port.no_senders)):
            forgotten = right and not right.port.alive  # on a move, perhaps
            requests.append((bool(asked), bool(asked) if forgotten else right is not None))
        real = mscount, msgcount, once, requests[0][0], requests[1][0]
        wanted = (
            port.mscount,
            len(port.queue),
            self.model.once_rights(port),
            requests[0][1],
            requests[1][1],
        )
        same(f"{port.id}: mscount, msgcount, sorights, pdrequest, nsrequest", real, wanted)
        if not port.id.startswith("home"):  # its name in the bootstrap counts as a sender
            same(f"{port.id}: srights", bool(senders), self.model.has_senders(port))

    @staticmethod
    def difference(space, real, wanted) -> str:
        keys = {entry.name: key for key, entry in space.items()}
        return ", ".join(
            f"{keys.get(name)} ({name:#x}): {real.get(name)}, not {wanted.get(name)}"
            for name in real.keys() | wanted.keys()
            if real.get(name) != wanted.get(name)
        )
