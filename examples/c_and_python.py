"""C and Python mixed: the article's programs in both languages, each server with each client.

The C programs know nothing of Python: they include <mach/mach.h> and are built here with the flags
that `python -m machool config` prints.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ARTICLE = Path(__file__).parent / "article"


def build(folder: Path, program: str) -> list[str]:
    flags = [sys.executable, "-m", "machool", "config", "--cflags", "--libs"]
    out = subprocess.run(flags, check=True, capture_output=True, text=True).stdout
    target = folder / program
    source = ARTICLE / f"{program}.c"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    subprocess.run([*compiler, str(source), *shlex.split(out), "-o", str(target)], check=True)
    return [str(target)]


def python(program: str) -> list[str]:
    return [sys.executable, str(ARTICLE / f"{program}.py")]


def exchange(server: list[str], client: list[str], name: str) -> str:
    with subprocess.Popen([*server, name], stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()  # "serving NAME"
            done = subprocess.run([*client, name], check=True, capture_output=True, text=True)
        finally:
            process.terminate()
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = {"Python": python("ool_server"), "C": build(Path(folder), "ool_server")}
        clients = {"Python": python("ool_client"), "C": build(Path(folder), "ool_client")}
        for of_server, server in servers.items():
            for of_client, client in clients.items():
                name = f"com.example.mixed.{of_server}.{of_client}.{os.getpid()}"
                said = exchange(server, client, name)
                assert "Hello, OOL data!" in said, said
                print(f"{of_server} server, {of_client} client: Hello, OOL data!")
    print("proved: the same messages, whichever language speaks")


if __name__ == "__main__":
    main()
