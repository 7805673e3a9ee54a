"""``python -m machool``: the command line. Each command lives in a module of its own."""

import argparse
import importlib
import sys

COMMANDS = {
    "bench": ("bench.command", "machool beside other transports on this machine"),
    "config": ("_config", "what a C compiler needs to build against machool"),
    "demo": ("demo", "two processes exchange out-of-line memory"),
    "doctor": ("_doctor", "check this machine and say what to do"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m machool",
        description="Mach messages with out-of-line memory between processes.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        # Only the module of the command that runs is imported.
        if argv[:1] == [name]:
            implementation = importlib.import_module(f"machool.{module}")
            implementation.add_arguments(command)
            command.set_defaults(run=implementation.run)
    args = parser.parse_args(argv)
    if args.version:
        from machool._config import version

        print(f"machool {version()}")
        return 0
    if args.command is None:
        parser.print_help()
        return 2
    result: int = args.run(args)
    return result


if __name__ == "__main__":
    sys.exit(main())
