"""Every Mach name that existing programs use, in one C program made of tests/c/headers/names.txt.

The program takes the address of each function and variable, makes an object of each type and
prints the value of each constant. What is missing is reported by name, all of it at once.
"""

import ctypes
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import names
from machool import _config
from names import Name, of

CC = shlex.split(os.environ.get("CC", "cc"))
WARNINGS = ["-Wall", "-Wextra", "-Werror=implicit-function-declaration"]


def flags(option: str) -> list[str]:
    command = [sys.executable, "-m", "machool", "config", option]
    return shlex.split(subprocess.run(command, check=True, text=True, capture_output=True).stdout)


def compiler(*arguments: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
    command = [*CC, *map(str, arguments)]
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, text=True, capture_output=True, env=environment, **kwargs)


def missing_headers(include: list[str]) -> set[str]:
    return {
        header
        for header in of("headers")
        if compiler(
            *include, "-fsyntax-only", "-xc", "-", input=f"#include <{header}>\n"
        ).returncode
    }


def undeclared(errors: str) -> set[str]:
    """The names of the list that the compiler does not know."""
    told = (
        r"'(\w+)' undeclared",
        r"unknown type name '(\w+)'",
        r"implicit declaration of function '(\w+)'",
        r"undeclared (?:identifier|function) '(\w+)'",
    )
    known = {word for name in names.ALL for word in re.findall(r"\w+", name.text)}
    return known & {name for pattern in told for name in re.findall(pattern, errors)}


def unlinked(errors: str) -> set[str]:
    return set(re.findall(r"undefined (?:reference to|symbol:) [`']?(\w+)", errors))


def build(folder: Path) -> tuple[Path, dict[str, set[str]]]:
    """The program of what is there, and what is not: not declared, not in the library."""
    include, link = flags("--cflags"), flags("--libs")
    source, output = folder / "names.c", folder / "names"
    options = (
        ["-std=gnu11", *WARNINGS, "-fmax-errors=0"] if "clang" not in CC[0] else ["-std=gnu11"]
    )
    missing = {"header": missing_headers(include), "declaration": set(), "symbol": set()}
    while True:
        lacking = set().union(*missing.values())
        macros = {text for text in of("macros") if lacking & set(re.findall(r"\w+", text))}
        source.write_text(names.program(lacking | macros))
        compiled = compiler(*options, *include, "-c", source, "-o", folder / "names.o")
        if compiled.returncode:
            fresh = undeclared(compiled.stderr) - lacking
            assert fresh, compiled.stderr
            missing["declaration"] |= fresh
            continue
        assert "warning:" not in compiled.stderr, compiled.stderr
        linked = compiler(folder / "names.o", *link, "-o", output)
        if linked.returncode == 0:
            return output, missing
        fresh = unlinked(linked.stderr) - lacking
        assert fresh, linked.stderr
        missing["symbol"] |= fresh


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], dict[str, set[str]]]:
    """What the program prints, and what is missing from it."""
    output, missing = build(tmp_path_factory.mktemp("names"))
    text = subprocess.run([output], check=True, text=True, capture_output=True).stdout
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines()}, missing


def test_list_is_read():
    assert {name.kind for name in names.ALL} == set(names.KINDS)
    assert Name("functions", "core", "mach_msg") in names.ALL
    assert Name("macros", "second", "MACH_PORT_VALID(port)") in names.ALL


@pytest.mark.timeout(120)
def test_every_name_is_there(built):
    missing = [f"no {what} {name}" for what, found in built[1].items() for name in sorted(found)]
    assert not missing, "\n".join(missing)


@pytest.mark.timeout(120)
def test_every_name_has_a_value(built):
    values, missing = built
    absent = set().union(*missing.values())
    assert set(values) == set(of("functions") + of("variables") + of("constants")) - absent
    assert {values[name] for name in of("functions") + of("variables") if name in values} == {1}
    assert values["MACH_RCV_TIMED_OUT"] == 0x10004003


@pytest.mark.timeout(120)
def test_every_code_has_words_of_its_own(built):
    library = ctypes.CDLL(str(_config.library_dir() / "libmachool.so"))
    library.mach_error_string.restype = ctypes.c_char_p
    codes = [
        built[0][name.text]
        for name in names.ALL
        if name.tier == "codes" and name.text != "KERN_RETURN_MAX"
    ]
    texts = [library.mach_error_string(code).decode() for code in codes]
    assert not [text for text in texts if "unknown code" in text]
    assert len(set(texts)) == len(set(codes)) == len(codes) >= 100


def test_a_missing_name_is_told(tmp_path, monkeypatch):
    planted = [
        Name("functions", "planted", "mach_port_unheard_of"),
        Name("constants", "planted", "MACH_UNHEARD_OF"),
        Name("types", "planted", "mach_unheard_of_t"),
        Name("headers", "planted", "mach/unheard_of.h"),
        Name("macros", "planted", "MACH_UNHEARD_OF_BITS(1)"),
    ]
    monkeypatch.setattr(names, "ALL", [*names.ALL, *planted])
    _, missing = build(tmp_path)
    assert missing["header"] >= {"mach/unheard_of.h"}
    assert missing["declaration"] >= {
        "mach_port_unheard_of", "MACH_UNHEARD_OF", "mach_unheard_of_t", "MACH_UNHEARD_OF_BITS"
    }  # fmt: skip
