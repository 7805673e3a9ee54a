"""Reading: rings, sockets, doors; passes over all of them."""

from __future__ import annotations

from collections.abc import Iterator

from .kernel import End
from .peer import Channel
from .port import ONCE, REMOTE, Message, Port
from .rights import Rights

AGAIN = "again"
BATCH, WHOLE = 16, 1 << 30
PUZZLE_PASSES = 16

Steps = Iterator[None]  # each step is one thing that other tasks can see


class Engine(Rights):
    # ---- sockets

    def read_socket(self, channel: Channel) -> None:
        while channel.end.inbox and not channel.closed:
            kind, token, ends = self.kernel.receive(channel.end, self)
            if kind == "fds":
                channel.kept[token] = ends
            elif kind == "gone":  # waited for in vain: it is said again, in the ring
                self.close(ends[0])
            elif kind not in ("hold", "stay"):
                self.world.fail("a channel hears", kind)
        if channel.end.over:
            channel.ended = True

    def take_ends(self, channel: Channel, token: int) -> tuple[End, ...]:
        if token not in channel.kept:
            self.read_socket(channel)
        if token not in channel.kept:
            self.world.fail("ends of", token, "have not come on", channel)
        ends = channel.kept.pop(token)
        for old in [other for other in channel.kept if other < token]:
            for end in channel.kept.pop(old):  # of an entry that was never published
                self.close(end)
        return ends

    def send_ends(self, channel: Channel, ends: list[End]) -> int:
        channel.token += 1
        self.kernel.send(channel.end, "fds", channel.token, tuple(ends))
        return channel.token

    def sees_cut(self, channel: Channel) -> bool:
        if not self.rule("both"):
            return channel.sees_cut
        return channel.peer.sees_cut(channel)

    # ---- rings

    def drain(self, channel: Channel, limit: int = WHOLE) -> Iterator[None]:
        """True if there was anything."""
        count = 0
        while count < limit and not channel.closed and channel.unread:
            yield
            if channel.closed:
                break
            if channel.stands:
                self.depth += 1
                result = self.read_stand(channel)
                self.depth -= 1
                if result is AGAIN or channel.closed:
                    break
                channel.puzzled = 0
                count += 1
                continue
            kind, data = channel.into.entries[0]
            self.depth += 1
            result = yield from self.read_entry(channel, kind, data)
            self.depth -= 1
            if result is AGAIN or channel.closed:
                break
            self.kernel.take(channel.into)
            channel.read += 1
            channel.puzzled = 0
            count += 1
        return count > 0

    def lose_if_over(self, channel: Channel) -> None:
        if channel.closed or not channel.ended:
            return
        if not channel.unread or not self.rule("rest"):
            self.lose(channel)

    def read_ring(self, channel: Channel, limit: int = WHOLE) -> Steps:
        any = yield from self.drain(channel, limit)
        self.lose_if_over(channel)
        return any

    def look_ring(self, channel: Channel) -> Steps:
        if channel.unread:
            yield from self.read_ring(channel, BATCH)

    def look_peer(self, channel: Channel) -> Steps:
        """All channels of its peer; and all others, if these explain what it says."""
        if any(other.puzzled for other in channel.peer.channels) and self.rule("explain"):
            yield from self.one_pass(True)
        for other in list(self.channels):
            if other.peer is channel.peer and other is not channel and not other.closed:
                yield from self.look_ring(other)
        if not channel.closed:
            yield from self.look_ring(channel)

    def read_all_rings(self) -> Steps:
        any = False
        seen = set()
        while True:
            channel = next((c for c in self.channels if c not in seen), None)
            if channel is None:
                return any
            seen.add(channel)
            any |= yield from self.read_ring(channel)

    def read_others(self) -> Steps:
        if self.depth:
            return
        for _ in range(PUZZLE_PASSES):
            if not (yield from self.read_all_rings()):
                return

    def another_first(self, channel: Channel) -> bool:
        """Another riddle was said before this one: what explains this one may stand behind it."""
        others = [c for c in self.channels if c.puzzled and c is not channel]
        first = any(other.said_at < channel.said_at for other in others)
        return first and self.rule("oldest")

    def puzzling(self, channel: Channel) -> bool:
        """Whether the entry, about an id not known here, is to wait for what others say."""
        if not self.rule("puzzle"):
            return False
        if not channel.puzzled:
            channel.puzzled = self.passes + 1
            channel.puzzled_at = self.kernel.clock
        tired = self.passes > channel.puzzled + PUZZLE_PASSES
        if tired or (self.idle_pass >= channel.puzzled and not self.another_first(channel)):
            for other in self.channels:  # what this brings to light may explain them
                if other.puzzled and other is not channel and self.rule("one"):
                    other.puzzled = self.passes + 1
            return False
        self.behind = True
        return True

    # ---- passes

    def look(self) -> Steps:
        """What epoll tells: sockets, ends and the door, in any order."""
        any = False
        events: list = [c for c in self.channels if c.end.inbox or c.end.over]
        events += [s for s in self.standing if s.end.inbox or s.end.over]
        if self.kernel.doors[self.name]:
            events.append(None)
        self.world.random.shuffle(events)
        for event in events:
            any = True
            if event is None:
                yield from self.accept()
            elif isinstance(event, Channel):
                if event.closed:
                    continue
                self.read_socket(event)
                yield from self.drain(event, WHOLE if event.ended else BATCH)
                self.lose_if_over(event)
            elif event in self.standing:
                yield from self.read_standing(event)
        return any

    def one_pass(self, whole: bool) -> Steps:
        self.passes += 1
        whole |= self.behind
        self.behind = False
        any = False
        if not whole and self.channels:
            count = self.world.random.randrange(len(self.channels) + 1)
            for channel in self.world.random.sample(self.channels, count):
                if not channel.closed:
                    any |= yield from self.read_ring(channel, BATCH)
        if whole or self.world.random.random() < 0.5:
            any |= yield from self.look()
        if not whole:
            return any
        any |= yield from self.read_all_rings()
        if not any:
            self.idle_pass = self.passes
        puzzled = any_puzzled(self.channels)
        self.behind |= puzzled
        if not puzzled or not self.rule("read"):
            self.judge(self.passes)
        return any

    def poll(self, whole: bool = False) -> Steps:
        any = yield from self.one_pass(whole)
        for _ in range(PUZZLE_PASSES):
            if not self.behind:
                break
            any |= yield from self.one_pass(True)
        for _ in range(4):
            if not self.judged:
                break
            yield from self.one_pass(True)
        if self.posts:
            yield from self.flush()
        yield from self.answer_asides()
        return any

    # ---- what has to follow

    def flush(self) -> Steps:
        """Messages that were made while entries were read."""
        if self.moving or self.depth:
            return
        waiting: list[Message] = []
        tries = len(self.posts)
        while tries > 0 and self.posts:
            tries -= 1
            message = self.posts[0]  # where those that come after it see it
            port = message.destination.port
            behind = any(other.destination.port is port for other in waiting)
            result = AGAIN if behind else (yield from self.flush_one(message, port))
            self.posts.remove(message)
            if result in (AGAIN, "restart"):
                waiting.append(message)
                self.posts.append(message)
            elif result == "gone":
                self.clean(message)
        # those that wait come before those that have come meanwhile
        waiting = [post for post in waiting if post in self.posts]
        self.posts = waiting + [post for post in self.posts if post not in waiting]

    def flush_one(self, message: Message, port: Port) -> Steps:
        self.sending.append(message)
        result = "gone"
        if port.place is REMOTE:
            result = yield from self.transit(message, port)
        self.sending.remove(message)
        if port.place == "own":
            self.post_here(message, port)
            result = None
        return result

    def post_here(self, message: Message, port: Port) -> None:
        """It was accepted before: whatever the queue holds."""
        if port.kind is ONCE or self.circular(message, port):
            self.deliver(message, port)
        else:
            self.file(port, message)

    def resolve_posts(self, port: Port) -> None:
        """The port has come: what waits to be sent to it is filed."""
        waiting = [post for post in self.posts if post.destination.port is port]
        if not self.rule("behind") or any(post in self.sending for post in waiting):
            return
        for post in waiting:
            self.posts.remove(post)
            self.post_here(post, port)


def any_puzzled(channels: list[Channel]) -> bool:
    return any(channel.puzzled for channel in channels)
