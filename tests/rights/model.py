"""The model: ports, rights and messages, as small as the statements S104 to S142 are.

Every object has an id that does not depend on what happened before it was made, so that a program
can lose steps and the rest still means the same. A name in a space is known by the id of what it
denotes: a port (also when it has died), a send-once right, a dead name made by itself, a set.
"""

from dataclasses import dataclass, field

DEAD = 0xFFFFFFFF  # MACH_PORT_DEAD
PORT_RECEIVE, PORT_SEND, PORT_SEND_ONCE = 16, 17, 18  # as rights arrive
MOVE_RECEIVE, MOVE_SEND, MOVE_SEND_ONCE, COPY_SEND, MAKE_SEND, MAKE_SEND_ONCE = range(16, 22)
DELETED, POSSIBLE, DESTROYED, NO_SENDERS, SEND_ONCE, DEAD_NAME = 65, 66, 69, 70, 71, 72


@dataclass(eq=False)
class Port:
    id: str
    home: int | None  # whose receive right it is; None: in a message
    alive: bool = True
    mscount: int = 0
    queue: list["Message"] = field(default_factory=list)
    no_senders: "Once | None" = None  # what is asked for
    destroyed: "Once | None" = None
    had_senders: bool = False
    sets: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Once:
    """A send-once right."""

    id: str
    port: Port


@dataclass(eq=False)
class Right:
    """A right in a message: `how` as it will arrive."""

    how: int
    of: Port | Once | None  # None: a dead name was sent


@dataclass(eq=False)
class Message:
    id: int
    sender: object  # messages of one sender keep their order
    how: int  # the right that it was sent by
    reply: Right | None = None
    rights: list[Right] = field(default_factory=list)
    kernel: bool = False
    word: int = 0


@dataclass(eq=False)
class Entry:
    """What a name denotes."""

    name: int
    kind: str  # "port", "once", "dead", "set"
    of: Port | Once | None = None
    receive: bool = False
    refs: int = 0  # send rights, or of a dead name
    death: Once | None = None  # a dead-name request

    def type(self) -> int:
        bits = {"port": 0, "once": 0x40000, "dead": 0x100000, "set": 0x80000}[self.kind]
        if self.kind == "port":
            bits |= 0x10000 * (self.refs > 0) | 0x20000 * self.receive
        return bits | 0x80000000 * (self.death is not None)


class Model:
    def __init__(self, tasks: int) -> None:
        self.spaces: list[dict[str, Entry]] = [{} for _ in range(tasks)]
        self.ports: dict[str, Port] = {}

    # --- counting ---------------------------------------------------------------------------------

    def messages(self) -> list[Message]:
        return [message for port in self.ports.values() for message in port.queue]

    def once_rights(self, port: Port) -> int:
        """Send-once rights to a port, wherever they are; those that messages were sent by, too."""
        sent = sum(message.how == PORT_SEND_ONCE for message in port.queue)
        found = [e.of for space in self.spaces for e in space.values() if e.kind == "once"]
        found += [e.death for space in self.spaces for e in space.values()]
        found += [p.no_senders for p in self.ports.values()]
        found += [p.destroyed for p in self.ports.values()]
        found += [r.of for m in self.messages() for r in (*m.rights, m.reply) if r]
        return sent + sum(isinstance(once, Once) and once.port is port for once in found)

    def has_senders(self, port: Port) -> bool:
        """Send rights in spaces and in messages, those that messages were sent by included."""
        if any(message.how == PORT_SEND for message in port.queue):
            return True
        for space in self.spaces:
            entry = space.get(port.id)
            if entry and entry.kind == "port" and entry.refs:
                return True
        return any(
            right and right.of is port and right.how == PORT_SEND
            for message in self.messages()
            for right in (*message.rights, message.reply)
        )

    def judge(self) -> None:
        """No-senders notifications that are due (S134)."""
        for port in list(self.ports.values()):
            now = port.alive and self.has_senders(port)
            if port.alive and port.no_senders and port.had_senders and not now:
                once, port.no_senders = port.no_senders, None
                self.notify(once, NO_SENDERS, port.mscount)
            port.had_senders = now

    # --- ends -------------------------------------------------------------------------------------

    def notify(
        self, once: Once, kind: int, word: int = 0, rights: list[Right] | None = None
    ) -> None:
        if once.port.alive:
            once.port.queue.append(
                Message(kind, object(), PORT_SEND_ONCE, None, rights or [], True, word)
            )
        else:
            for right in rights or []:
                self.release(right)

    def release(self, right: Right | None) -> None:
        """A right in a message, or a request's, is destroyed."""
        if right is None or right.of is None:
            return
        if isinstance(right.of, Once):
            self.notify(right.of, SEND_ONCE)
        elif right.how == PORT_RECEIVE:
            self.die(right.of)

    def die(self, port: Port) -> None:
        """The receive right is destroyed (S125, S136-S138)."""
        if port.destroyed and port.destroyed.port.alive and port.destroyed.port is not port:
            once, port.destroyed = port.destroyed, None
            self.leave(port)
            self.notify(once, DESTROYED, 0, [Right(PORT_RECEIVE, port)])
            return
        port.alive, port.home, port.destroyed = False, None, None
        port.sets.clear()
        queue, port.queue = port.queue, []
        if port.no_senders:
            once, port.no_senders = port.no_senders, None
            self.notify(once, SEND_ONCE)
        for message in queue:
            for right in (message.reply, *message.rights):
                self.release(right)
        for space in self.spaces:
            for entry in list(space.values()):
                if entry.of is port and entry.refs:
                    self.become_dead(entry)
                elif isinstance(entry.of, Once) and entry.of.port is port:
                    entry.refs = 1
                    self.become_dead(entry)

    def become_dead(self, entry: Entry) -> None:
        entry.kind, entry.receive, entry.of = "dead", False, None
        if entry.death:
            once, entry.death = entry.death, None
            entry.refs += 1  # S132
            self.notify(once, DEAD_NAME, entry.name)

    def forget(self, task: int, key: str) -> None:
        """A name goes from a space."""
        entry = self.spaces[task].pop(key)
        if entry.death:
            self.notify(entry.death, DELETED, entry.name)

    def leave(self, port: Port) -> None:
        """The receive right begins to travel (S121)."""
        port.home, port.mscount = None, 0
        port.sets.clear()

    # --- rights into a message, and out of it -----------------------------------------------------

    def can(self, task: int, key: str, how: int) -> bool:
        """Whether a right of that disposition can be taken of the name."""
        entry = self.spaces[task].get(key)
        if entry is None:
            return False
        if how in (MAKE_SEND, MAKE_SEND_ONCE, MOVE_RECEIVE):
            return entry.kind == "port" and entry.receive
        if how == MOVE_SEND_ONCE:
            return entry.kind in ("once", "dead")
        return (entry.kind == "port" and entry.refs > 0) or entry.kind == "dead"

    def take(self, task: int, key: str, how: int, once_id: str) -> Right:
        """Copies a right in (S115, S116)."""
        space = self.spaces[task]
        entry = space[key]
        if entry.kind == "dead":
            if how != COPY_SEND:
                entry.refs -= 1
                if not entry.refs:
                    self.forget(task, key)
            return Right(
                {COPY_SEND: PORT_SEND, MOVE_SEND: PORT_SEND}.get(how, PORT_SEND_ONCE), None
            )
        if how == MOVE_SEND_ONCE:
            self.forget(task, key)
            return Right(PORT_SEND_ONCE, entry.of)
        port = entry.of
        if how == MAKE_SEND_ONCE:
            return Right(PORT_SEND_ONCE, Once(once_id, port))
        if how == MAKE_SEND:
            port.mscount += 1
        if how == MOVE_SEND:
            entry.refs -= 1
        if how == MOVE_RECEIVE:
            entry.receive = False
            self.leave(port)
        if not entry.refs and not entry.receive:
            self.forget(task, key)
        return Right(PORT_RECEIVE if how == MOVE_RECEIVE else PORT_SEND, port)

    def put(self, task: int, right: Right, name: int) -> None:
        """Copies a right out: `name` is what it got."""
        port = right.of.port if isinstance(right.of, Once) else right.of
        if port is None or not port.alive:
            assert name == DEAD, f"a dead right arrived as {name:#x}"
            return
        space = self.spaces[task]
        key = right.of.id
        if key not in space:
            taken = [entry.name for entry in space.values()]
            assert name not in (0, DEAD, *taken), f"{key} arrived as {name:#x}"
            kind = "once" if isinstance(right.of, Once) else "port"
            space[key] = Entry(name, kind, right.of)
        entry = space[key]
        assert entry.name == name, f"{key} is {entry.name:#x}, and arrived as {name:#x}"
        if right.how == PORT_RECEIVE:
            entry.receive, port.home = True, task
        elif right.how == PORT_SEND:
            entry.refs += 1
