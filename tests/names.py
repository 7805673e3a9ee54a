"""The C program of every Mach name in tests/c/headers/names.txt.

    python tests/names.py            print it
    python tests/names.py --darwin   print it as macOS's headers know it

It takes the address of each function and variable, makes an object of each type and prints the
value of each constant.
"""

import dataclasses
import re
import sys
from pathlib import Path

LIST = Path(__file__).resolve().parent / "c/headers/names.txt"
KINDS = ("functions", "variables", "types", "constants", "macros", "headers")
NOT_ON_DARWIN = {
    "mach/mach_msg2.h",  # private
    "mach_msg2",
    "mach_reply_port",  # in the library; the newest headers do not say so
    "mach_task_self",  # a macro only
    "vm_region",  # declared, but in the library of 32-bit programs alone
    "vm_region_recurse",
}


@dataclasses.dataclass(frozen=True)
class Name:
    kind: str
    tier: str
    text: str


def names(text: str) -> list[Name]:
    found: dict[tuple[str, str], Name] = {}
    kind = tier = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if section := re.fullmatch(r"\[(\w+): ([\w ]+)\]", line):
            kind, tier = section[1], section[2]
            assert kind in KINDS, line
            continue
        for word in [line] if kind == "macros" else line.split():
            found.setdefault((kind, word), Name(kind, tier, word))
    return list(found.values())


ALL = names(LIST.read_text(encoding="utf-8"))


def of(kind: str) -> list[str]:
    return [name.text for name in ALL if name.kind == kind]


def program(left_out: set[str]) -> str:
    """The C program, without some names; each has a line of its own."""

    def lines(kind: str, line: str) -> list[str]:
        return [line.replace("@", name) for name in of(kind) if name not in left_out]

    return "\n".join(
        [
            *lines("headers", "#include <@>"),
            "#include <stdio.h>",
            "typedef void (*function)(void);",
            *lines(
                "types", "@ *object_of_@(void); @ *object_of_@(void) { static @ it; return &it; }"
            ),
            "static const struct { const char *name; function address; } functions[] = {",
            *lines("functions", '{"@", (function)(@)},'),
            "};",
            "static const struct { const char *name; const void *address; } variables[] = {",
            *lines("variables", '{"@", &@},'),
            "};",
            "int main(void)",
            "{",
            "    mach_port_t port = MACH_PORT_NULL;",
            *lines("macros", "    (void)(@);"),
            *lines("constants", '    printf("@ %lld\\n", (long long)(@));'),
            "    (void)port;",
            "    for (unsigned i = 0; i < sizeof functions / sizeof functions[0]; i++)",
            '        printf("%s %d\\n", functions[i].name, functions[i].address != 0);',
            "    for (unsigned i = 0; i < sizeof variables / sizeof variables[0]; i++)",
            '        printf("%s %d\\n", variables[i].name, variables[i].address != 0);',
            "    return 0;",
            "}",
        ]
    )


if __name__ == "__main__":
    print(program(NOT_ON_DARWIN if "--darwin" in sys.argv[1:] else set()))
