"""Who may include what, and where versions and systems may be told apart."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BINDING = sorted((ROOT / "csrc/_machool").glob("*.[ch]"))
LAYER = sorted(
    path
    for room in ("api", "ipc", "os", "util", "vm", "wire")
    for path in (ROOT / "csrc/mach" / room).glob("*.[ch]")
)
BENCH = sorted((ROOT / "csrc/bench").glob("*.[ch]"))
LIBC = {
    "errno.h", "fcntl.h", "math.h", "pthread.h", "stdatomic.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdlib.h", "string.h", "time.h", "unistd.h",
}  # fmt: skip
PYTHON = {"Python.h", "structmember.h"}
MACH = {"mach/mach.h", "mach/machool.h", "mach/notify.h", "servers/bootstrap.h"}


def includes(path):
    return re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def code(path):
    """The text without comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("path", BINDING, ids=lambda path: path.name)
def test_binding_includes(path):
    own = {source.name for source in BINDING}
    assert set(includes(path)) <= LIBC | PYTHON | MACH | own


@pytest.mark.parametrize("path", BENCH, ids=lambda path: path.name)
def test_benchmark_is_a_guest(path):
    """What it measures of Mach is what any C program gets."""
    own = {source.name for source in BENCH}
    system = {"sched.h", "signal.h", "stdio.h", "sys/mman.h", "sys/prctl.h", "sys/socket.h"}
    system |= {"poll.h", "sys/resource.h", "sys/types.h", "sys/wait.h"}
    assert set(includes(path)) <= LIBC | MACH | system | own


@pytest.mark.parametrize("path", LAYER, ids=lambda path: path.name)
def test_layer_knows_no_python(path):
    assert not {name for name in includes(path) if "Python" in name or "_machool" in name}


@pytest.mark.parametrize("path", BINDING + LAYER, ids=lambda path: path.name)
def test_versions_and_systems_in_one_place(path):
    text = code(path)
    if path.name != "compat.h":
        assert not re.search(r"PY_VERSION_HEX|Py_GIL_DISABLED|Py_Version\b", text)
    assert not re.search(r"#\s*if.*(__APPLE__|__linux__)", text)


@pytest.mark.parametrize(
    "path", [path for path in BINDING if path.suffix == ".c"], ids=lambda path: path.name
)
def test_binding_keeps_nothing_in_statics(path):
    """Tables that Python wants unqualified are never written; anything else must be const."""
    tables = r"PyMethodDef|PyGetSetDef|PyMemberDef|PyType_Slot|PyModuleDef_Slot|PyModuleDef|"
    tables += r"PyStructSequence_Field|PyStructSequence_Desc"
    for line in re.findall(r"^\s*static\s+[^();]*[=;]", code(path), re.MULTILINE):
        assert re.search(rf"\bconst\b|{tables}|static const char \*names", line), line


def test_system_calls_have_one_room():
    """Sockets, descriptors in messages and memfd are the business of os/ alone."""
    calls = r"\b(sendmsg|recvmsg|memfd_create|accept4|process_vm_readv|fallocate|socket)\s*\("
    for path in LAYER:
        if path.parent.name != "os":
            assert not re.search(calls, code(path)), path


def test_every_file_says_what_it_is():
    for path in BINDING + LAYER + BENCH:
        assert path.read_text().startswith("/*"), path


def test_no_file_is_too_long():
    for path in BINDING + LAYER + BENCH:
        assert len(path.read_text().splitlines()) <= 600, path
