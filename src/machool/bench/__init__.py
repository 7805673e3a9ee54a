"""``python -m machool bench``: machool beside what else there is, in one run on this machine.

A step is "fill n bytes, hand them over, the other process reads every byte, acknowledge".

    command, parts, progress    the command line, the parts of a run, what stderr tells
    rounds                      round trips, interleaved
    handover, streams, fanout   other ways to exchange
    resend, flat, clients       what only machool is asked
    memory, usage, machine      what it costs, and where
    goals, table                the verdicts, text
    peer, peers/                what a transport must be able to do, and one module for each
    other, place, touch         the other process, its CPU, filling and reading
    native, swarm, library      the part in C (csrc/bench)
"""
