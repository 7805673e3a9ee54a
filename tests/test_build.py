"""What the built objects really are: exported names, effective flags, run paths, one task state."""

import ctypes
import os
import re
import runpy
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import machool
from machool import _config, _machool

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "csrc/mach/include"
EXTENSION = Path(_machool.__file__)
LIBRARY = _config.library_dir() / "libmachool.so"
NATIVE = Path(machool.__file__).parent / "bench/_native.so"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ELF objects are Linux's")


def output(*command: object, **kwargs: object) -> str:
    return subprocess.run(
        [str(part) for part in command], check=True, text=True, capture_output=True, **kwargs
    ).stdout


def exported(path: Path) -> set[str]:
    return {line.split()[0] for line in output("nm", "-DPg", "--defined-only", path).splitlines()}


def mapped() -> set[str]:
    """The names that the version script lists."""
    text = re.sub(r"#.*", "", (ROOT / "csrc/mach/libmachool.map").read_text())
    names = re.search(r"global:(.*?)local:\s*\*;", text, re.S)[1]
    return {name.strip() for name in names.split(";") if name.strip()}


def declared() -> set[str]:
    """Functions and variables that the public headers declare, as the compiler sees them."""
    headers = sorted(path.relative_to(INCLUDE) for path in INCLUDE.rglob("*.h"))
    source = "".join(f"#include <{header}>\n" for header in headers)
    text, ours = [], False
    for line in output("gcc", "-E", "-I", INCLUDE, "-xc", "-", input=source).splitlines():
        if marker := re.match(r'# \d+ "(.*?)"', line):
            ours = marker[1].startswith(str(INCLUDE))
        elif ours:
            text.append(line)
    return set(declarations("\n".join(text)))


def declarations(text: str) -> list[str]:
    text = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)|#pragma.*", "", text)
    while "{" in text:  # bodies of structs and of inline functions, innermost first
        text = re.sub(r"(static[^;{}]*)\{[^{}]*\}|\{[^{}]*\}", lambda m: ";" if m[1] else "", text)
    names = []
    for statement in text.split(";"):
        statement = " ".join(statement.split())
        if not statement or re.match(r"(typedef|static|_Static_assert)\b", statement):
            continue
        if function := re.match(r"[\w\s*]*?\b(\w+) ?\(", statement):
            names.append(function[1])
        elif variable := re.match(r"extern .*?(\w+)(\[.*\])?$", statement):
            names.append(variable[1])
    return names


def stamps(folder: str) -> list[list[str]]:
    """The commands that compiled the objects of a source folder."""
    build = ROOT / "build" / sysconfig.get_config_var("SOABI")
    found = sorted(build.glob(f"{folder}/**/*.compile"))
    if not found:
        pytest.skip("needs an in-place build, as scripts/bootstrap makes it")
    return [path.read_text().split("\0") for path in found]


def build_settings() -> dict[str, object]:
    """The names of setup.py, without running a build."""
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.chdir(ROOT)
        context.setattr("setuptools.setup", lambda **kwargs: None)
        return runpy.run_path("setup.py")


# --- exported names -------------------------------------------------------------------------------


def test_extension_exports_its_init_function_alone():
    assert exported(EXTENSION) == {"PyInit__machool"}


def test_native_part_of_the_benchmark_exports_its_calls():
    assert exported(NATIVE) == {
        "bench_open",
        "bench_turn",
        "bench_close",
        "bench_swarm_start",
        "bench_swarm_run",
        "bench_swarm_end",
    }


def test_library_exports_what_the_map_lists():
    assert exported(LIBRARY) == mapped()


def test_map_lists_what_the_headers_declare():
    assert mapped() == declared()


def test_reading_of_declarations():
    text = """
        typedef struct { int a; struct { int b; } c; } pair_t;
        struct named { int x; };
        extern int f(int a, void (*callback)(int)) __attribute__((deprecated("x (y)")));
        const char *g(void);
        extern int counters[2];
        extern unsigned long size;
        static inline int hidden(int a) { if (a) { return 1; } return 0; }
    """
    assert declarations(text) == ["f", "g", "counters", "size"]


# --- flags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["csrc/mach", "csrc/_machool", "csrc/bench"])
def test_strict_warnings_are_in_force(folder):
    wanted = set(build_settings()["WARNINGS"])
    for command in stamps(folder):
        assert wanted <= set(command), command
    compiler = [arg for arg in stamps(folder)[0] if not arg.startswith(("-MMD", "-Werror"))]
    if "gcc" not in os.path.basename(compiler[0]):
        pytest.skip("only gcc tells which warnings are on")
    listing = output(*compiler[: compiler.index("-c")], *wanted, "-Q", "--help=warnings")
    state = dict(line.split()[:2] for line in listing.splitlines() if len(line.split()) >= 2)
    wanted.remove("-Wall")  # gcc tells the state of its members only
    assert {name: state.get(name) for name in wanted} == dict.fromkeys(wanted, "[enabled]")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("conversion", "static char f(int a) { return a; } char (*p)(int) = f;"),
        ("missing-prototypes", "int f(void) { return 0; }"),
        ("strict-prototypes", "int f(); int (*p)() = f;"),
        ("unused-parameter", "static int f(int a) { return 0; } int (*p)(int) = f;"),
    ],
)
@pytest.mark.parametrize("folder", ["csrc/mach", "csrc/_machool", "csrc/bench"])
def test_planted_fault_is_refused(tmp_path, folder, name, code):
    source = tmp_path / "planted.c"
    source.write_text(code + "\n")
    command = stamps(folder)[0]
    at = command.index("-o")
    command = [*command[: at - 1], str(source), "-o", str(tmp_path / "o.o"), *command[at + 2 :]]
    result = subprocess.run([*command, "-Werror"], cwd=ROOT, text=True, capture_output=True)
    assert result.returncode != 0
    assert f"-Werror={name}" in result.stderr or f"-W{name}" in result.stderr


def test_extension_keeps_to_the_limited_api():
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert ".abi3." not in EXTENSION.name
    else:
        assert EXTENSION.name == "_machool.abi3.so"
        assert all("-DPy_LIMITED_API=0x030B0000" in c for c in stamps("csrc/_machool"))


# --- run paths ------------------------------------------------------------------------------------


def dynamic(path: Path, tag: str) -> list[str]:
    found = output("readelf", "-dW", path)
    return re.findall(rf"\({tag}\).*\[(.*?)\]", found)


def libraries(maps: str) -> set[str]:
    return {line.split()[-1] for line in maps.splitlines() if "libmachool" in line}


def test_run_paths():
    assert "libmachool.so" in dynamic(EXTENSION, "NEEDED")
    assert dynamic(EXTENSION, "RUNPATH") + dynamic(EXTENSION, "RPATH") == ["$ORIGIN"]
    assert "libmachool.so" in dynamic(NATIVE, "NEEDED")
    assert dynamic(NATIVE, "RUNPATH") + dynamic(NATIVE, "RPATH") == ["$ORIGIN/.."]
    assert dynamic(LIBRARY, "SONAME") == ["libmachool.so"]
    assert dynamic(LIBRARY, "RUNPATH") + dynamic(LIBRARY, "RPATH") == []
    assert all(
        re.match(r"(libc|libpthread|ld-linux.*)\.so", name) for name in dynamic(LIBRARY, "NEEDED")
    )


def test_import_needs_no_environment(tmp_path):
    """Wherever the package itself is found; that alone is told."""
    where = str(Path(machool.__file__).parents[1])
    code = (
        f"import sys; sys.path.insert(0, {where!r}); "
        "import machool; print(open('/proc/self/maps').read())"
    )
    maps = output(sys.executable, "-c", code, env={}, cwd=tmp_path)
    assert {line.split()[-1] for line in maps.splitlines() if "libmachool" in line} == {
        str(LIBRARY)
    }


# --- one task state in a process ------------------------------------------------------------------

C_LIBRARY = """
#include <mach/mach.h>
#include <mach/machool.h>

kern_return_t type_of(mach_port_name_t name, mach_port_type_t *ret_type);
kern_return_t type_of(mach_port_name_t name, mach_port_type_t *ret_type)
{
    return mach_port_type(mach_task_self(), name, ret_type);
}

mach_port_t own_task(void);
mach_port_t own_task(void)
{
    return mach_task_self_;
}
"""


def test_c_library_shares_the_task_of_python(tmp_path):
    source, library = tmp_path / "guest.c", tmp_path / "libguest.so"
    source.write_text(C_LIBRARY)
    flags = output(sys.executable, "-m", "machool", "config", "--cflags", "--libs")
    output("cc", "-shared", "-fPIC", source, "-o", library, *shlex.split(flags))
    guest = ctypes.CDLL(str(library))
    direct = ctypes.CDLL("libmachool.so", mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    assert guest.own_task() == ctypes.c_uint.in_dll(direct, "mach_task_self_").value

    kind = ctypes.c_uint()
    with machool.Server(f"com.example.guest.{os.getpid()}") as server:
        name = int(server.port.name)
        assert guest.type_of(name, ctypes.byref(kind)) == 0
        assert kind.value & 0x20000, "MACH_PORT_TYPE_RECEIVE"
    assert guest.type_of(name, ctypes.byref(kind)) != 0

    assert libraries(Path("/proc/self/maps").read_text()) == {str(LIBRARY)}
