"""Mach's constants under their own names: `machool.mach.MACH_RCV_TIMED_OUT`, ..."""

from __future__ import annotations

from machool import _machool

_PREFIXES = ("KERN_", "MACH_", "BOOTSTRAP_")

__all__ = sorted(name for name in vars(_machool) if name.startswith(_PREFIXES))

globals().update({name: getattr(_machool, name) for name in __all__})


def __getattr__(name: str) -> int:
    raise AttributeError(f"module {__name__!r} has no constant {name!r}")
