"""Messages between tasks: into entries and back; counts and news about ports."""

from __future__ import annotations

from .engine import AGAIN, Engine, Steps
from .kernel import End, Ring
from .peer import Channel, Peer
from .port import DEAD, ONCE, OWN, PORT, RECEIVE, REMOTE, SEND, SEND_ONCE, Message, Port, Right
from .way import Way


class Letter:
    """A message in a ring. Rights are (how, type, id, owner)."""

    __slots__ = ("credit", "destination", "label", "news", "rights", "token")

    def __init__(self, message: Message, destination: int, rights: list[tuple]) -> None:
        self.label = message.label
        self.news = message.news
        self.destination = destination
        self.rights = rights
        self.credit: int | None = None
        self.token = 0

    @property
    def homes(self) -> list[int]:
        """Of which ports of the receiver it brings rights."""
        return [id for how, _, id, _ in self.rights if how == "home"]

    def __repr__(self) -> str:
        return f"[{self.label} {self.news or ''} to {self.destination} {self.rights}]"


class Out:
    """Ends for the rights of third tasks: one for each owner."""

    def __init__(self) -> None:
        self.ends: dict[Peer, tuple[End, list[int]]] = {}
        self.order: list[End] = []


class Transit(Engine):
    # ---- the way out

    def encode_right(self, out: Out, right: Right, to: Peer) -> tuple:
        port = right.port
        if port is None or port.place is DEAD:
            return ("dead", right.type, 0, None)
        if right.type is RECEIVE:
            return ("receive", right.type, port.id, None)
        if port.moving or (port.place is REMOTE and port.peer is to):
            return ("home", right.type, port.id, None)
        if port.place is OWN:
            return ("own", right.type, port.id, None)
        known = out.ends.get(port.peer)
        how = "same" if known else "end"
        if not known:
            end = self.kernel.connect(port.peer.name, self)
            if end is None:
                return ("dead", right.type, port.id, None)
            known = out.ends[port.peer] = (end, [])
            out.order.append(end)
        known[1].append(port.id)
        return (how, right.type, port.id, port.peer.name)

    def encode(self, out: Out, message: Message, destination: int, to: Peer) -> Letter:
        rights = [self.encode_right(out, right, to) for right in message.rights]
        return Letter(message, destination, rights)

    def introduce(self, out: Out) -> Steps:
        """None, or "restart": an owner may not have heard it."""
        if not self.rule("introduce"):
            return None
        for peer, (end, ids) in out.ends.items():
            yield
            self.kernel.send(end, "intro", tuple(ids))
            yield
            channel = self.channel_of(peer)
            if channel and self.sees_cut(channel) and self.rule("witness"):
                if self.rule("hear"):
                    yield from self.move_wait(channel)
                return "restart"
        return None

    def lend(self, message: Message, to: Peer) -> None:
        """Counts what was granted, in the form that was published."""
        for right in message.rights:
            port = right.port
            right.lent = False
            if right.type is RECEIVE or not port or not to.channels:
                continue
            if port.place is OWN and not port.moving:
                port.add(to, 1)
                port.lent = right.lent = True

    def take_back_loans(self, message: Message, to: Peer) -> None:
        """It was not read, and will be published anew."""
        for right in message.rights:
            if right.lent and to.channels:
                right.port.add(to, -1)
            right.lent = False

    def let_go(self, message: Message) -> None:
        for right in message.rights:
            if right.port and right.type is RECEIVE:
                right.port = None
            else:
                self.clean_right(right)

    def drop_out(self, out: Out, sent: bool) -> None:
        if not sent:
            for end, _ in out.ends.values():
                self.close(end)

    def take_credit(self, channel: Channel, port: Port) -> object:
        """The slot; None: none is needed; AGAIN: the queue is full."""
        if port.kind is ONCE:
            return None
        if port.slot_channel is not channel:
            port.slot = channel.slots
            channel.slots += 1
            channel.sent[port.slot] = 0
            port.slot_channel = channel
        return AGAIN if channel.in_flight(port.slot) >= port.limit else port.slot

    def brought_by(self, message: Message) -> bool:
        """Whether it carries a right whose port is on its way here: that leads nowhere yet."""
        return self.rule("brought") and any(
            right.port and right.port.brought for right in message.rights
        )

    def transit(self, message: Message, port: Port) -> Steps:
        """None: sent; "gone", "restart" or AGAIN with nothing changed."""
        channel = self.channel_of(port.peer)
        if channel is None:
            return "gone"
        if self.sees_cut(channel):
            return (yield from self.move_wait(channel))
        if (port.brought and self.rule("brought")) or self.brought_by(message):
            yield from self.one_pass(True)
            return AGAIN if port.brought or self.brought_by(message) else "restart"
        if any(right.type is RECEIVE for right in message.rights):
            return (yield from self.move(message, port))
        credit = self.take_credit(channel, port)
        if credit is AGAIN:
            return AGAIN
        out = Out()
        letter = self.encode(out, message, port.id, channel.peer)
        result = "gone" if channel.closed or channel.ended else None
        if result is None:
            result = yield from self.introduce(out)
        if result is None and channel.closed:
            result = "gone"
        if result is not None:
            self.drop_out(out, sent=False)
            return result
        if out.order:
            letter.token = self.send_ends(channel, out.order)
        yield  # a cut may be made just now
        letter.credit = credit
        if credit is not None:
            channel.sent[credit] += 1
        self.publish(channel, "message", letter)
        if not self.rule("introduce"):
            for end, ids in out.ends.values():
                self.kernel.send(end, "intro", tuple(ids))
        peer = channel.peer
        if self.rule("lend"):
            self.lend(message, peer)
        yield
        if self.sees_cut(channel) and self.rule("settle"):
            result = yield from self.move_settle(channel, letter)
        if not self.rule("lend"):
            self.lend(message, peer)
        if result is None:
            self.consume(message, port, peer)
        else:
            self.take_back_loans(message, peer)
        return result

    def consume(self, message: Message, port: Port, peer: Peer) -> None:
        self.let_go(message)
        if port.kind is ONCE and port.place is REMOTE:
            port.grants.pop(peer, None)  # used: nothing is to be given back
        self.clean(message)

    # ---- the way in

    def decode_right(self, wire: tuple, peer: Peer, ways: list[Way], ends: list[End]) -> Steps:
        how, type, id, owner = wire
        kind = ONCE if type is SEND_ONCE else PORT
        port: Port | None = None
        if how == "own":
            port = self.counted(id, kind, peer)
        elif how == "home":
            port = self.ports.get(id)
            if port:
                self.carry(port)
        elif how == "receive":
            port = self.ports.get(id)
            if port:
                if not port.arriving:
                    self.world.fail("receive right of", port, "comes to", self)
                port.arriving = False
        elif how in ("end", "same"):
            if how == "end":
                ways.append(Way(ends.pop(0), owner))
            way = next(way for way in reversed(ways) if way.task == owner)
            port = yield from self.way_take(way, id, kind)
        return Right(port, type)

    def decode(self, letter: Letter, peer: Peer, ends: list[End]) -> Steps:
        ways: list[Way] = []
        message = Message(letter.label, [], letter.news)
        for wire in letter.rights:
            message.rights.append((yield from self.decode_right(wire, peer, ways, ends)))
        for way in ways:
            self.way_close(way)
        return message

    def deliver_letter(self, channel: Channel, letter: Letter, message: Message) -> None:
        port = self.ports.get(letter.destination)
        if letter.credit is not None:
            message.credit = (channel, letter.credit)
        behind = any(post.destination.port is port for post in self.posts) and self.rule("behind")
        moved = port and port.place is REMOTE and port.moved
        if (moved and self.rule("follow")) or behind:
            type = SEND_ONCE if port.kind is ONCE else SEND
            message.destination = Right(self.carry(port), type)
            self.return_credit(message)
            self.posts.append(message)
        elif not port or port.place is not OWN:
            self.log("destroys", message)
            self.clean(message)
        elif port.kind is ONCE:
            target = port.target
            self.world.fate(port.id, "message", self)
            self.spend(port)
            self.file(target, message)
        else:
            message.destination = Right(self.carry(port), SEND)
            self.file(port, message)

    def elsewhere(self, id: int) -> bool:
        """Not here, as far as is known: it may be on its way in a ring that has not been read."""
        port = self.ports.get(id)
        if id in self.graves and self.rule("grave"):
            return False
        return port is None or port.place is REMOTE

    def riddle(self, id: int) -> bool:
        """The same of a right: what is known to have moved on is set aside, and waits there."""
        port = self.ports.get(id)
        known = port is not None and port.place is REMOTE and port.moved and self.rule("aside")
        return self.elsewhere(id) and not known

    def tombed(self, channel: Channel, id: int) -> bool:
        return self.rule("tomb") and any(
            port.id == id for _, ports in channel.peer.tombs for port in ports
        )

    def read_message(self, channel: Channel, letter: Letter) -> Steps:
        late = self.tombed(channel, letter.destination)
        if self.rule("home"):
            late |= any(self.tombed(channel, id) for id in letter.homes)
        if late:
            self.log("discards", letter)
            if letter.token:
                for end in self.take_ends(channel, letter.token):
                    self.close(end)
            if letter.credit is not None and self.rule("credit"):
                returned = channel.into.returned
                returned[letter.credit] = returned.get(letter.credit, 0) + 1
            return None
        if self.elsewhere(letter.destination) and self.puzzling(channel):
            return AGAIN
        ends = list(self.take_ends(channel, letter.token)) if letter.token else []
        message = yield from self.decode(letter, channel.peer, ends)
        self.log("reads", message)
        self.deliver_letter(channel, letter, message)
        return None

    def read_count(self, channel: Channel, kind: str, id: int, count: int) -> object:
        peer = channel.peer
        if self.tombed(channel, id) and not (kind == "dead" and self.rule("died")):
            return None
        if kind == "claim" and self.riddle(id) and self.puzzling(channel):
            return AGAIN
        self.log("reads", kind, id, count, "of", peer)
        port = self.ports.get(id)
        own = port is not None and port.place is OWN
        if kind == "claim":
            if not own:
                return self.late(peer, port, id)
            port.add(peer, 1)
        elif kind == "release" and own:
            port.add(peer, -count)
        elif kind == "release":
            self.given_back(peer, id, count)
        elif kind == "tombed" and own and port.grants.get(peer) == count:
            port.tombed.add(peer)
        elif kind == "dead" and port and port.place is REMOTE:
            port.grants.pop(peer, None)
            if port.peer is peer:
                self.die(port)
        if own:
            self.dropped(port)
            self.maybe_bye(peer)
        return None

    def read_after(self, channel: Channel, ring: Ring, count: int) -> object:
        """None, or AGAIN: that ring comes first; not known: its HELLO may not have been read."""
        other = next((c for c in self.channels if c.into is ring), None)
        if (not other and ring in self.graves) or (other and other.read >= count):
            return None
        if other and other.puzzled:  # that riddle first
            channel.puzzled = self.passes + 1
        return AGAIN if self.puzzling(channel) else None

    def read_entry(self, channel: Channel, kind: str, data: object) -> Steps:
        said_anyway = kind == "moved" and self.rule("warm")
        if channel.frozen and kind not in ("bye", "bye-ok") and not said_anyway:
            self.thaw(channel)
        if kind == "message":
            return (yield from self.read_message(channel, data))
        if kind in ("claim", "release", "tombed", "dead"):
            return self.read_count(channel, kind, *data)
        if kind == "move":
            return (yield from self.arrive(channel, data))
        if kind == "moved":
            return (yield from self.hear_moved(channel, data))
        if kind == "after":
            return self.read_after(channel, *data)
        if kind == "ack":
            self.acknowledged(channel, data)
        else:
            self.hear_bye(channel, kind, data)
        return None

    # ---- from the program

    def circular(self, message: Message, port: Port) -> bool:
        for right in message.rights:
            at: Port | None = port if right.type is RECEIVE else None
            while at and at is not right.port:
                at = at.carrier if at.transit else None
            if at:
                return True
        return False

    def deliver(self, message: Message, port: Port) -> object:
        """Within the task. None, or AGAIN: the queue is full."""
        once = port.kind is ONCE
        if not once and len(port.queue) >= port.limit:
            return AGAIN
        queue = port.target if once else port
        if self.circular(message, queue):
            self.clean(message)
            return None
        if once:
            self.world.fate(port.id, "message", self)
            self.spend(port)
            self.clean_right(message.destination)
            message.destination = None
        self.file(queue, message)
        return None

    def send(self, message: Message) -> Steps:
        """One attempt. None: sent, or destroyed; AGAIN: no room; "short": resources."""
        port = message.destination.port
        result = "restart"
        while result == "restart" and port.place is REMOTE:
            channel = self.channel_of(port.peer)
            if channel:
                yield from self.look_ring(channel)
            hops = port.hops
            if port.place is REMOTE:
                result = yield from self.transit(message, port)
            if result == "gone":
                yield from self.poll()
                result = result if port.hops == hops else "restart"
            yield
        if result == "restart" and port.place is OWN:
            return self.deliver(message, port)
        if result in ("restart", "gone"):
            self.log("sends to the dead", message)
            self.clean(message)
            return None
        return result
