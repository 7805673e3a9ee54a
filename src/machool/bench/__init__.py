"""``python -m machool bench``: machool beside what else there is, in one run on this machine.

A step is "fill n bytes, hand them over, the other process reads every byte, acknowledge".

    touch       filling and reading
    peer        what a transport must be able to do; peers/ has one module for each
    other       the other process of each peer
    rounds      round trips, interleaved
    machine     facts about the machine
    usage       CPU time and memory of a process
    table       text
    command     the command line
"""
