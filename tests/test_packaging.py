"""Distributions hold what they should and work where installed; a rebuild is exact."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="builds Linux's objects")


def run(*command: object, **kwargs: object) -> str:
    result = subprocess.run(
        [str(part) for part in command], text=True, capture_output=True, **kwargs
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def clean_environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MACHOOL_")}
    return {**kept, **more}


# --- wheel and source distribution ----------------------------------------------------------------


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The source distribution of this tree, unpacked."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout to know what belongs to the project")
    folder = tmp_path_factory.mktemp("sdist")
    tree = folder / "tree"
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    run(sys.executable, "setup.py", "-q", "sdist", "-d", folder, cwd=tree)
    run("tar", "-xf", next(folder.glob("*.tar.gz")), "-C", folder)
    return next(folder.glob("machool-*/"))


@pytest.fixture(scope="module")
def wheel(sdist):
    """A wheel built from the source distribution, in a tree that was built in before."""
    stale = sdist / "build" / f"lib.{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
    (stale / "machool").mkdir(parents=True)
    (stale / "machool" / "deleted_long_ago.py").touch()
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-q"]
    run(*command, "-w", sdist.parent, sdist, env=clean_environment())
    return next(sdist.parent.glob("*.whl"))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_sdist_is_whole(sdist):
    names = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    wanted = [
        "LICENSE",
        "setup.py",
        "csrc/mach/libmachool.map",
        "scripts/test",
        "tests/test_build.py",
    ]
    assert set(wanted) <= names
    headers = {path.relative_to(ROOT).as_posix() for path in (ROOT / "csrc").rglob("*.h")}
    assert headers <= names
    assert not [name for name in names if name.endswith((".so", ".o", ".pyc"))]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_wheel_holds_objects_and_headers(wheel, sdist):
    names = set(zipfile.ZipFile(wheel).namelist())
    include = sdist / "csrc/mach/include"
    wanted = {f"machool/include/{h.relative_to(include)}" for h in include.rglob("*.h")}
    wanted |= {"machool/libmachool.so", "machool/bench/_native.so"}
    wanted |= {"machool/pkgconfig/machool.pc", "machool/py.typed"}
    package = sdist / "src"
    wanted |= {f"{path.relative_to(package)}" for path in package.rglob("*.py")}
    wanted |= {f"{path.relative_to(package)}" for path in package.rglob("*.pyi")}
    free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
    wanted.add(
        f"machool/_machool{sysconfig.get_config_var('EXT_SUFFIX')}"
        if free_threaded
        else "machool/_machool.abi3.so"
    )
    assert wanted <= names
    assert "machool/deleted_long_ago.py" not in names
    assert sum(name.endswith(".so") for name in names) == 3
    tag = f"{sys.implementation.cache_tag.replace('cpython-', 'cp')}" if free_threaded else "cp311"
    assert f"-{tag}-" in wheel.name
    assert ("-abi3-" in wheel.name) != bool(free_threaded)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_wheel_works_where_it_is_installed(wheel, tmp_path):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index"]
    run(*pip, "--no-deps", wheel, env=clean_environment())
    bare = {"env": {"PATH": os.defpath}, "cwd": tmp_path}
    assert "got response message!" in run(python, "-m", "machool", "demo", **bare)
    source = tmp_path / "prog.c"
    source.write_text(
        "#include <mach/mach.h>\nint main(void) { return mach_task_self() == MACH_PORT_NULL; }\n"
    )
    flags = run(python, "-m", "machool", "config", "--cflags", "--libs", **bare).split()
    assert not any(str(ROOT) in flag for flag in flags)
    run("cc", source, "-o", tmp_path / "prog", *flags)
    run("env", "-i", tmp_path / "prog")
    os.environ.pop("PKG_CONFIG_PATH", None)
    folder = run(python, "-m", "machool", "config", "--pkgconfigdir", **bare).strip()
    found = run("pkg-config", "--cflags", "machool", env=clean_environment(PKG_CONFIG_PATH=folder))
    assert str(ROOT) not in found


# --- rebuilds -------------------------------------------------------------------------------------

TINY = {
    "csrc/mach/include/mach/machool.h": "int answer(void);\n",
    "csrc/mach/libmachool.map": "{ global: answer; local: *; };\n",
    "csrc/mach/api/a.c": "#include <mach/machool.h>\nint answer(void)\n{\n    return 42;\n}\n",
    "csrc/mach/os/b.c": "int other(void);\nint other(void)\n{\n    return 1;\n}\n",
    "csrc/bench/c.c": "int native(void);\nint native(void)\n{\n    return 2;\n}\n",
    "csrc/_machool/module.c": "#include <Python.h>\n#include <mach/machool.h>\n"
    "PyMODINIT_FUNC PyInit__machool(void);\n"
    "PyMODINIT_FUNC PyInit__machool(void)\n{\n    return PyLong_FromLong(answer());\n}\n",
    "src/machool/__init__.py": "",
    "src/machool/bench/__init__.py": "",
    "README.md": "",
}


@pytest.fixture
def tiny(tmp_path):
    """A project of four small sources with our setup.py."""
    for name, text in TINY.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def build(tree: Path, **environment: str) -> set[str]:
    """Build in place; the names of the objects that were made anew."""
    made = {path: path.stat().st_mtime_ns for path in (tree / "build").rglob("*.[so]*")}
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    run(*command, cwd=tree, env=clean_environment(**environment))
    return {
        path.name.split(".")[0]
        for path in (tree / "build").rglob("*.[so]*")
        if path.suffix in (".o", ".so") and made.get(path) != path.stat().st_mtime_ns
    }


def test_rebuild_is_exact(tiny):
    assert build(tiny) == {"a", "b", "c", "module", "libmachool", "_native", "_machool"}
    assert build(tiny) == set()

    (tiny / "csrc/mach/os/b.c").write_text(TINY["csrc/mach/os/b.c"] + "\n")
    assert build(tiny) == {"b", "libmachool"}

    (tiny / "csrc/mach/include/mach/machool.h").write_text("int answer(void); /* */\n")
    assert build(tiny) == {"a", "module", "libmachool", "_machool"}

    (tiny / "csrc/mach/libmachool.map").write_text("{ global: answer; other; local: *; };\n")
    assert build(tiny) == {"libmachool"}

    assert build(tiny, MACHOOL_WERROR="1") >= {"a", "b", "c", "module"}

    (tiny / "csrc/mach/os/b.c").unlink()
    (tiny / "csrc/mach/libmachool.map").write_text(TINY["csrc/mach/libmachool.map"])
    assert build(tiny, MACHOOL_WERROR="1") == {"libmachool"}


def test_switches_of_the_build(tiny):
    build(tiny, MACHOOL_DEBUG="1")
    stamp = next((tiny / "build").rglob("a.compile")).read_text().split("\0")
    assert stamp.index("-UNDEBUG") > max(
        (i for i, a in enumerate(stamp) if a == "-DNDEBUG"), default=-1
    )
    assert [arg for arg in stamp if arg.startswith("-O")][-1] == "-O0"
    before = set((tiny / "build").rglob("a.compile"))
    build(tiny, MACHOOL_SANITIZE="undefined")
    (fresh,) = set((tiny / "build").rglob("a.compile")) - before
    assert "-fsanitize=undefined" in fresh.read_text().split("\0")


def test_warnings_can_be_errors(tiny):
    (tiny / "csrc/mach/os/b.c").write_text("int other(void)\n{\n    return 1;\n}\n")
    build(tiny)
    with pytest.raises(AssertionError, match="no previous prototype"):
        build(tiny, MACHOOL_WERROR="1")
