"""The rules of the protocol. Each can be switched off, to see what it is for.

`seed` is a schedule that goes wrong without the rule; None: none has been found yet.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    says: str
    seed: int | None = None


RULES = {
    "pass": Rule(
        "a zero is believed only after a whole pass that began after the last decrement",
        35,
    ),
    "read": Rule(
        "and left no ring at an entry that waits for others",
        None,
    ),
    "first": Rule(
        "all that is for a peer is published on the first channel known",
        2,
    ),
    "end": Rule(
        "an end is closed only after what it stands for has been claimed",
        187,
    ),
    "puzzle": Rule(
        "what names an id that is not known waits until all other rings have been read",
        8,
    ),
    "rest": Rule(
        "the ring of a task that has died is read to its end",
        None,
    ),
    "agree": Rule(
        "a channel is closed only when both sides have said that they need it no more",
        25,
    ),
    "number": Rule(
        "and of two BYEs only the last can be agreed to",
        20703,
    ),
    "turn": Rule(
        "who goes on by another channel says after which entry of the one before",
        55066,
    ),
    "last": Rule(
        "a channel that both had done with, and is used after all, is the last one known",
        None,
    ),
    "frozen": Rule(
        "to tell what has moved does not put such a channel to use again",
        3865,
    ),
    "warm": Rule(
        "nor does hearing it",
        1008120,
    ),
    "done": Rule(
        "who has done with all channels acknowledges on the one that told it",
        2002010,
    ),
    "explain": Rule(
        "who waits for a cut to end reads all rings, if these explain what its peer says",
        1054049,
    ),
    "stand": Rule(
        "so does an end that becomes a channel, for each right that it stands for",
        1003244,
    ),
    "knock": Rule(
        "who brings a port may have been heard no more than its knock",
        2941,
    ),
    "left": Rule(
        "even if it is known by a channel that both have done with",
        None,
    ),
    "brought": Rule(
        "and what is on its way here is waited for, before anything is sent to it",
        None,
    ),
    "died": Rule(
        "that a port has died is heard from whoever had a right to it",
        1005865,
    ),
    "one": Rule(
        "one riddle is given up at a time",
        None,
    ),
    "oldest": Rule(
        "first the one that was said first: what explains it cannot stand behind another",
        None,
    ),
    "gone": Rule(
        "what has come here and died is not on its way here",
        None,
    ),
    "round": Rule(
        "nor what has come here and moved on: its end says so",
        None,
    ),
    "unclaim": Rule(
        "who hears after it claimed a right that it is elsewhere gives back what it claimed",
        10000169,
    ),
    "linger": Rule(
        "who closes an end has a whole pass to claim what the end that it closed stood for",
        10010018,
    ),
    "over": Rule(
        "nothing is said on a channel that both have agreed to close",
        None,
    ),
    "grave": Rule(
        "what names an id that died here waits for nothing",
        None,
    ),
    "introduce": Rule(
        "a right for a third task is introduced before it is given up",
        9,
    ),
    "cut": Rule(
        "before a port moves, the rings of its holders are cut and read",
        0,
    ),
    "again": Rule(
        "the cut is looked for until no new holder turns up",
        None,
    ),
    "every": Rule(
        "every channel of a holder is cut",
        881,
    ),
    "tell": Rule(
        "and each of them tells what has moved",
        881,
    ),
    "both": Rule(
        "a cut is looked for on all channels of the peer, who may not know the newest one",
        67202,
    ),
    "settle": Rule(
        "who finds its ring cut after publishing hears MOVED before it goes on",
        148,
    ),
    "lend": Rule(
        "what a message grants is counted when it is published, before anything is read",
        10005738,
    ),
    "alone": Rule(
        "that the last right went here decides only if no other task has had it",
        3395,
    ),
    "resend": Rule(
        "what came after the cut is sent again by its sender",
        148,
    ),
    "tomb": Rule(
        "what came after the cut is discarded by the old owner",
        148,
    ),
    "home": Rule(
        "both also if it is a right in the message that leads to what has moved",
        10011508,
    ),
    "hello": Rule(
        "so is a HELLO that came after the cut: what its end stood for is not counted",
        None,
    ),
    "keep": Rule(
        "the old owner keeps a right to what has moved while there are tombs for it",
        None,
    ),
    "tombed": Rule(
        "and the new owner does not count that right when nothing else is left of it",
        None,
    ),
    "hold": Rule(
        "ends under way hear HOLD, then STAY or GONE",
        307,
    ),
    "listen": Rule(
        "who has claimed what an end stands for listens to the end once more",
        None,
    ),
    "witness": Rule(
        "who has introduced a right looks whether its owner is making a cut",
        1144,
    ),
    "hear": Rule(
        "and if so hears what moved before it introduces the right again",
        20,
    ),
    "late": Rule(
        "who comes with a right to what has moved on is told where it is",
        10000112,
    ),
    "aside": Rule(
        "who comes late while it moves on is set aside: the ring goes on, which may end that",
        None,
    ),
    "follow": Rule(
        "a message for what has moved on follows it",
        10000923,
    ),
    "behind": Rule(
        "and those that come after it stay behind it, though it has come back",
        10000923,
    ),
    "passed": Rule(
        "what their sender sends to the new owner after that comes after them",
        None,
    ),
    "surplus": Rule(
        "what an end stands for and is had by another way is given back",
        10000850,
    ),
    "resolve": Rule(
        "ends that came before their port stand for it when it comes",
        80,
    ),
    "orphan": Rule(
        "ends that were sent for a move that is given up are closed",
        None,
    ),
    "back": Rule(
        "a holder gives back what it was told of and no longer holds",
        None,
    ),
    "debt": Rule(
        "what moved is not owed to its old owner, though the new one was heard of first",
        96200,
    ),
    "credit": Rule(
        "a discarded message gives its place in the queue back",
        None,
    ),
}
