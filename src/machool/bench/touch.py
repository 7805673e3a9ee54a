"""Writing and reading every byte, as fast as Python can: what each step of the benchmark does.

``filler`` and ``reader`` give functions for memory of one size. numpy does it for more than a page
where it is installed; zlib's checksum, and a copy of prepared bytes, where it is not and for small
sizes, whose time is that of the transport and not of a numpy call.
"""

import importlib
import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

Fill: TypeAlias = Callable[[Any, int], None]
Read: TypeAlias = Callable[[Any], int]

VALUES = 250
SMALL = 4096

try:
    numpy: Any = importlib.import_module("numpy")
except ImportError:
    numpy = None


def value_of(step: int) -> int:
    """What the memory is filled with in that step: never zero, never twice running."""
    return 1 + step % VALUES


def filler(size: int) -> Fill:
    """A function that fills a buffer of that size with a value."""
    if not size:
        return lambda buffer, value: None
    if numpy is not None and size > SMALL:
        view, bytes_ = numpy.frombuffer, numpy.uint8

        def fill(buffer: Any, value: int) -> None:
            view(buffer, bytes_).fill(value)

        return fill
    if size > SMALL:

        def fill_by_copy(buffer: Any, value: int) -> None:
            memoryview(buffer)[:] = bytes([value]) * size

        return fill_by_copy
    prepared = [bytes([value]) * size for value in range(256)]

    def fill_small(buffer: Any, value: int) -> None:
        memoryview(buffer)[:] = prepared[value]

    return fill_small


def reader(size: int) -> Read:
    """A function that reads each byte of a buffer of that size, and tells what it was filled with
    in the way of ``expected``."""
    if not size:
        return lambda buffer: 0
    if numpy is not None and size > SMALL:
        view, bytes_ = numpy.frombuffer, numpy.uint8
        return lambda buffer: int(view(buffer, bytes_).max())
    return zlib.crc32


def ordinary(size: int) -> Any:
    """An ordinary array of that size: numpy's where it is installed."""
    return bytearray(size) if numpy is None else numpy.zeros(size, numpy.uint8)


def glance(buffer: Any) -> int:
    """Reads nothing: for figures of the hand-over alone."""
    return 0


def first(buffer: Any) -> int:
    """The first byte."""
    seen: int = buffer[0]
    return seen


def look(name: str, size: int) -> Read:
    """What the receiver does, by name: ``all``, ``first`` or ``none``."""
    return reader(size) if name == "all" else {"first": first, "none": glance}[name]


def expected(size: int) -> list[int]:
    """What ``reader`` tells, by value."""
    if not size:
        return [0] * 256
    if numpy is not None and size > SMALL:
        return list(range(256))
    if size <= SMALL:
        return [zlib.crc32(bytes([value]) * size) for value in range(256)]
    return _checksums(size)


def _checksums(size: int) -> list[int]:
    """crc32 of ``size`` equal bytes for each value. It is affine over the bits of the value, so
    that nine of the 256 have to be computed."""

    def checksum(value: int) -> int:
        piece, crc = bytes([value]) * min(size, 1 << 20), 0
        for _ in range(size >> 20):
            crc = zlib.crc32(piece, crc)
        return zlib.crc32(piece[: size & 0xFFFFF], crc)

    nothing = checksum(0)
    bits = [checksum(1 << bit) ^ nothing for bit in range(8)]
    table = []
    for value in range(256):
        crc = nothing
        for bit in range(8):
            if value >> bit & 1:
                crc ^= bits[bit]
        table.append(crc)
    return table
