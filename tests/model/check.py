"""What must hold when nobody has anything to do."""

from __future__ import annotations

from .port import ONCE, OWN, REMOTE
from .world import World


def check(world: World) -> None:
    owners: dict = {}
    for task in world.tasks:
        if not task.alive:
            continue
        check_task(world, task)
        for port in task.ports.values():
            if port.place is OWN:
                if port.id in owners:
                    world.fail(port, "is with", task, "and with", owners[port.id])
                owners[port.id] = task
    for id in range(1, world.ids + 1):
        if world.alive(id) and id not in owners:
            world.fail("nobody has", id)
    check_counts(world, owners)
    check_messages(world)


def check_task(world: World, task: object) -> None:
    if task.sending or task.posts:
        world.fail(task, "has not sent", task.sending + task.posts)
    if task.parting:
        world.fail(task, "carries", task.parting)
    if task.standing:
        world.fail("ends are left at", task, task.standing)
    for channel in task.channels:
        if channel.unread:
            world.fail(task, "has not read", channel, channel.into.entries)
        if channel.is_cut or channel.sees_cut:
            world.fail("a cut is left in", channel, "at", task)
        if channel.peer.tombs:
            world.fail("tombs are left for", channel.peer, "at", task, channel.peer.tombs)
        if channel.peer.asides:
            world.fail("words are set aside of", channel.peer, "at", task, channel.peer.asides)
        if any(channel.kept.values()):
            world.fail("ends are left in", channel, "at", task, channel.kept)


def check_counts(world: World, owners: dict) -> None:
    by_name = {task.name: task for task in world.tasks}
    for id, owner in owners.items():
        port = owner.ports[id]
        if port.pending:
            world.fail(port, "at", owner, "is counted as pending")
        if port.unwanted and (port.no_senders or port.kind is ONCE):
            world.fail("nobody heard that there is no right to", port, "at", owner)
        for peer, count in port.grants.items():
            other = by_name[peer.name]
            theirs = other.ports.get(id) if other.alive else None
            owed = owed_to(theirs, owner.name) if theirs else 0
            if owed != count:
                world.fail(port, "of", owner, "counts", count, "for", other, "which owes", owed)
    for task in world.tasks:
        for port in task.ports.values() if task.alive else ():
            if port.place is not REMOTE:
                continue
            owner = owners.get(port.id)
            if owner is None or port.peer.name != owner.name:
                world.fail(task, "believes", port, "with", port.peer, "not", owner)
            if not any(peer.name == task.name for peer in owner.ports[port.id].grants):
                world.fail(port, "of", owner, "is held by", task, "and not counted")


def owed_to(port: object, name: str) -> int:
    return sum(count for peer, count in port.grants.items() if peer.name == name)


def check_messages(world: World) -> None:
    for label in world.accepted:
        sender, id, _ = label
        target = world.targets.get(id, id)
        if target in world.dead or label in world.excused:
            continue
        if label not in world.got[target]:
            world.fail("message", label, "of", sender, "is lost")


def check_nothing(world: World) -> None:
    """After everybody has dropped everything."""
    for task in world.tasks:
        if not task.alive:
            continue
        for port in task.ports.values():
            if port.place is REMOTE or not port.unwanted:
                world.fail("something is left of", port, "at", task)
    for id in world.targets:
        if not world.fates[id]:
            world.fail("send-once right", id, "came to no end")
