"""Receive rights leave: the old owner's side."""

from __future__ import annotations

from .engine import AGAIN, Steps
from .kernel import End
from .peer import Channel, Peer
from .port import ONCE, OWN, RECEIVE, REMOTE, SEND, SEND_ONCE, Message, Port, Right
from .transit import Letter, Out, Transit

DRAINS = 64


class Moved:
    """The entry that tells a holder."""

    __slots__ = ("after", "cut", "ids", "owner", "read", "serial", "token", "way")

    def __init__(
        self,
        owner: str,
        read: int,
        cut: int,
        ids: tuple[int, ...],
        token: int,
        way: bool,
        serial: int,
    ) -> None:
        self.owner = owner
        self.after: tuple | None = None  # a ring to the new owner and a count: that comes first
        self.serial = serial  # of the move; with a way to be acknowledged; 0: none was made
        self.way = way  # to be followed; False: another channel tells the way
        self.read = read  # entries of the holder's that came before
        self.cut = cut
        self.ids = ids
        self.token = token

    def __repr__(self) -> str:
        way = "" if self.way else "elsewhere: "
        return f"[{way}{self.ids} at {self.owner}, cut {self.cut} after {self.read}]"


class Cargo:
    """The entry that is the move: ports, and (role, port's id, letter)."""

    def __init__(self, ports: list[tuple[int, int | None]]) -> None:
        self.ports = ports  # id, and for a send-once right its port's
        self.packets: list[tuple[str, int, Letter]] = []
        self.token = 0

    def __repr__(self) -> str:
        return f"[{self.ports} {self.packets}]"


class Holder:
    def __init__(self, channel: Channel, ports: list[Port], primary: bool) -> None:
        self.channel = channel
        self.ports = ports
        self.primary = primary  # this channel tells the way
        self.token = 0


class Leaving:
    """A move that is being made."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.ports: list[Port] = []
        self.requests: dict[Port, Message] = {}
        self.holders: list[Holder] = []
        self.out = Out()


class Move(Transit):
    def gather(self, move: Leaving, message: Message) -> None:
        for port in move.ports:
            port.moving = False
        move.ports = [r.port for r in message.rights if r.type is RECEIVE and r.port]
        for port in move.ports:  # grows
            for queued in port.queue:
                move.ports += [r.port for r in queued.rights if r.type is RECEIVE and r.port]
        for port in list(move.ports):
            move.ports += port.nonces
        for port in move.ports:
            port.moving = True

    def primary(self, channel: Channel) -> bool:
        usual = self.channel_of(channel.peer) or channel.peer.channels[0]
        return usual is channel

    def cut_rings(self, move: Leaving) -> Steps:
        any = False
        holders = {peer for port in move.ports for peer in port.grants}
        for channel in list(self.channels):
            if channel.peer not in holders or channel.is_cut or channel.closed:
                continue
            if not self.rule("every") and channel is not channel.peer.channels[0]:
                continue
            yield
            self.set_cut(channel)
            any = True
        return any

    def set_cut(self, channel: Channel) -> None:
        channel.cut += 1
        channel.into.cut = channel.cut

    def make_cut(self, move: Leaving, message: Message) -> Steps:
        """None, or "short"."""
        read = False
        for _ in range(DRAINS):
            self.gather(move, message)
            more = False
            if self.rule("hold"):
                more = yield from self.hold()
            if self.rule("cut"):
                more |= yield from self.cut_rings(move)
            drained = not any(c.is_cut and c.unread for c in self.channels)
            if read and not self.rule("again"):
                return None
            if not more and read and drained:
                return None
            yield from self.one_pass(True)
            read = True
        return "short"

    def tell_moved(self, holder: Holder, owner: str, after: tuple | None = None) -> None:
        channel, way = holder.channel, holder.primary
        ids = tuple(port.id for port in holder.ports)
        token = holder.token
        if not way and not self.rule("tell"):
            ids = ()
        moved = Moved(owner, channel.read, channel.cut + 1, ids, token, way, self.serial)
        moved.after = after
        self.publish(channel, "moved", moved)
        self.set_cut(channel)

    def introduce_holder(self, holder: Holder, owner: Peer) -> Steps:
        """False: the new owner is gone."""
        channel = holder.channel
        if not holder.ports or channel.peer is owner or not holder.primary:
            return True
        end = self.kernel.connect(owner.name, self)
        if end is None:
            return False
        self.kernel.send(end, "intro", tuple(port.id for port in holder.ports))
        yield
        holder.token = self.send_ends(channel, [end])
        return True

    def request_of(self, port: Port) -> Message | None:
        if not port.no_senders:
            return None
        return Message(None, [Right(port.no_senders, SEND_ONCE)])

    def load(self, move: Leaving, message: Message, destination: Port) -> Cargo:
        to = move.channel.peer
        cargo = Cargo([(p.id, p.target.id if p.kind is ONCE else None) for p in move.ports])
        for port in move.ports:
            request = self.request_of(port)
            if request:
                move.requests[port] = request
                letter = self.encode(move.out, request, port.id, to)
                cargo.packets.append(("requests", port.id, letter))
            for queued in port.queue:
                role = "queued" if queued.destination else "queued once"
                letter = self.encode(move.out, queued, port.id, to)
                cargo.packets.append((role, port.id, letter))
        letter = self.encode(move.out, message, destination.id, to)
        cargo.packets.append(("message", destination.id, letter))
        return cargo

    def prepare(self, move: Leaving, message: Message, destination: Port) -> Steps:
        """None: published. Else nothing has happened."""
        channel = move.channel
        result = yield from self.make_cut(move, message)
        if result is not None:
            return result
        queued = [other for port in move.ports for other in port.queue]
        if any(self.brought_by(other) for other in [message, *queued]):
            return "restart"
        if (
            destination.place is not REMOTE
            or channel.closed
            or self.channel_of(destination.peer) is not channel
        ):
            return "restart"
        credit = self.take_credit(channel, destination)
        if credit is AGAIN:
            return AGAIN
        for cut in [c for c in self.channels if c.is_cut or not self.rule("cut")]:
            held = [port for port in move.ports if cut.peer in port.grants]
            move.holders.append(Holder(cut, held, self.primary(cut)))
        for holder in move.holders:
            if not (yield from self.introduce_holder(holder, destination.peer)):
                return "short"
        if not self.prepare_ends(destination.peer):
            return "short"
        cargo = self.load(move, message, destination)
        result = yield from self.introduce(move.out)
        if result is not None:
            return result
        yield
        if self.sees_cut(channel):
            return AGAIN
        cargo.token = self.send_ends(channel, move.out.order)
        move.out.order = []
        if channel.closed or channel.ended:
            return "gone"
        if self.sees_cut(channel):
            return AGAIN
        cargo.packets[-1][2].credit = credit
        if credit is not None:
            channel.sent[credit] += 1
        self.torn.update(port.id for port in move.ports)
        self.publish(channel, "move", cargo)
        return None

    def empty(self, move: Leaving, port: Port) -> None:
        to = move.channel.peer
        while port.queue:
            message = port.queue.popleft()
            self.lend(message, to)
            self.let_go(message)
            self.clean(message)
        if port in move.requests:
            self.lend(move.requests[port], to)
            self.let_go(move.requests[port])
        port.no_senders = None

    def become_remote(self, port: Port, owner: Peer) -> None:
        port.grants.clear()
        port.tombed.clear()
        if port.judging:
            self.judged.remove(port)
            port.judging = False
        if port.kind is ONCE:
            port.target.nonces.remove(port)
            port.target = None
        port.hops += 1
        port.place = REMOTE
        port.moved = True
        port.transit = False
        port.carrier = None
        port.peer = owner
        port.add(owner, 1)

    def commit(self, move: Leaving, owner: Peer) -> Steps:
        self.serial += 1
        for holder in move.holders:
            if not holder.channel.closed and holder.ports and holder.primary:
                holder.channel.peer.tombs.append((self.serial, holder.ports))
                if self.rule("keep"):
                    for port in holder.ports:
                        port.tombs += 1
                        self.carry(port)
        for port in move.ports:
            self.carry(port)  # until all is told
        for port in move.ports:
            self.empty(move, port)
        if self.rule("hold"):
            yield from self.say_gone(owner.name)
        for port in move.ports:
            self.become_remote(port, owner)
        for holder in move.holders:
            yield
            if not holder.channel.closed:
                self.tell_moved(holder, owner.name)
        for port in move.ports:
            port.moving = False
            self.drop(port)
        self.torn.clear()

    def whole_again(self, channels: list[Channel], tokens: dict | None = None) -> Steps:
        """No move was made."""
        for channel in channels:
            if channel.closed or not channel.is_cut:
                continue
            yield
            token = (tokens or {}).get(channel, 0)
            read, cut = channel.read, channel.cut + 1
            self.publish(channel, "moved", Moved(self.name, read, cut, (), token, False, 0))
            self.set_cut(channel)

    def give_up(self, move: Leaving) -> Steps:
        for port in move.ports:
            port.moving = False
        self.say_stay()
        sent = {holder.channel: holder.token for holder in move.holders}
        yield from self.whole_again(list(self.channels), sent if self.rule("orphan") else None)

    def move(self, message: Message, destination: Port) -> Steps:
        """As transit, for a message with receive rights."""
        move = Leaving(self.channel_of(destination.peer))
        if self.take_credit(move.channel, destination) is AGAIN:
            return AGAIN  # before anybody is held up by a cut
        owner = move.channel.peer
        self.moving = True
        result = yield from self.prepare(move, message, destination)
        self.world.counts["moved" if result is None else "moves given up"] += 1
        self.log("moves" if result is None else f"does not move ({result})", move.ports, message)
        if result is None:
            yield from self.commit(move, owner)
        else:
            yield from self.give_up(move)
            for end in move.out.order:
                self.close(end)
        self.moving = False
        if result is None:
            self.lend(message, owner)
            self.consume(message, destination, owner)
        return result


class Arrive(Move):
    """The new owner's side."""

    def take_port(self, id: int, target: int | None, peer: Peer) -> Port:
        port = self.ports.get(id)
        if port and port.place is OWN:
            self.world.fail(port, "comes to its owner", self)
        if port is None:
            port = self.ports[id] = Port(id, "port" if target is None else ONCE, OWN)
            port.limit = self.world.limits.get(id, 0)
        port.grants.clear()
        port.peer = None
        port.slot_channel = None
        port.hops += 1
        port.place = OWN
        port.moved = port.brought = False
        port.transit = port.arriving = target is None
        if target is not None:
            port.target = self.ports[target]
            port.target.nonces.append(port)
        port.add(peer, 1)
        port.lent = True
        self.resolve(port)
        return port

    def arrive(self, channel: Channel, cargo: Cargo) -> Steps:
        self.log("reads move", cargo)
        peer = channel.peer
        ends: list[End] = list(self.take_ends(channel, cargo.token))
        taken = [self.take_port(id, target, peer) for id, target in cargo.ports]
        ways: list = []
        for role, id, letter in cargo.packets:
            message = Message(letter.label, [], letter.news)
            for wire in letter.rights:
                message.rights.append((yield from self.decode_right(wire, peer, ways, ends)))
            if role == "message":
                self.deliver_letter(channel, letter, message)
                continue
            port = self.ports[id]
            if role == "requests":
                port.no_senders = message.rights[0].port
                continue
            if role == "queued":
                message.destination = Right(self.carry(port), SEND)
            self.file(port, message)
        for way in ways:
            self.way_close(way)
        for port in taken:
            if port.arriving and port.kind is not ONCE:
                self.destroy(port)
            elif port.place is OWN:
                self.resolve_posts(port)
        return None
