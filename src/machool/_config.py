"""``python -m machool config``: flags and folders for programs written in C.

    cc prog.c $(python -m machool config --cflags --libs)

The run path is part of ``--libs``, so the program finds the library with no environment set. On
macOS the system itself has the headers and the library: both options print an empty line. Paths
with blanks in them are quoted; such a line wants ``eval``.
"""

import argparse
import importlib.metadata
import shlex
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def version() -> str:
    """The version of the installed distribution."""
    return importlib.metadata.version("machool")


def include_dir() -> Path:
    """The folder of the Mach headers; in a checkout that is the source folder itself."""
    installed = _PACKAGE / "include"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "csrc/mach/include"


def library_dir() -> Path:
    """The folder of libmachool.so."""
    return _PACKAGE


def pkg_config_dir() -> Path:
    """The folder of machool.pc, for PKG_CONFIG_PATH."""
    return _PACKAGE / "pkgconfig"


def cflags() -> list[str]:
    """What the compiler needs."""
    return [] if sys.platform == "darwin" else [f"-I{include_dir()}"]


def libs() -> list[str]:
    """What the linker needs."""
    if sys.platform == "darwin":
        return []
    folder = library_dir()
    return [f"-L{folder}", f"-Wl,-rpath,{folder}", "-lmachool"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--cflags", action="store_true", help="flags for the compiler")
    parser.add_argument("--libs", action="store_true", help="flags for the linker")
    parser.add_argument("--includedir", action="store_true", help="the folder of the headers")
    parser.add_argument("--libdir", action="store_true", help="the folder of the library")
    parser.add_argument("--pkgconfigdir", action="store_true", help="the folder of machool.pc")
    parser.set_defaults(usage=parser.format_usage())


def run(args: argparse.Namespace) -> int:
    """Print what was asked for: one line of flags, then one line for each folder."""
    flags = [*(cflags() if args.cflags else []), *(libs() if args.libs else [])]
    lines = [shlex.join(flags)] if args.cflags or args.libs else []
    for wanted, folder in (
        (args.includedir, include_dir),
        (args.libdir, library_dir),
        (args.pkgconfigdir, pkg_config_dir),
    ):
        if wanted:
            lines.append(str(folder()))
    if not lines:
        print(args.usage, end="", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0
