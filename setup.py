"""The build of machool's shared objects. Everything else is said in pyproject.toml.

    machool/libmachool.so       Linux only: Mach in user space, csrc/mach, a C library of its own
    machool/_machool.abi3.so    the extension, csrc/_machool: finds the library beside itself
    machool/bench/_native.so    Linux only: the C processes of the benchmark, csrc/bench
    machool/include/            Linux only: the headers C programs compile against
    machool/pkgconfig/          Linux only: machool.pc

On macOS the kernel is the layer: the extension takes in the one file of csrc/mach/darwin and
links against libSystem alone.

All are setuptools extensions, some with a plain file name: setuptools' own kinds of library are
either static archives or broken on Linux. One wheel for every CPython from 3.11
(limited API); free-threaded builds have no stable ABI before 3.15 and get a wheel each.

Switches, read from the environment:

    MACHOOL_DEBUG=1                     -O0 -g3 and assertions
    MACHOOL_SANITIZE=address,undefined  instrument both objects
    MACHOOL_WERROR=1                    warnings are errors

Rebuilds: every command leaves a stamp (the command line) and a list of the headers it read in the
build folder, so that `python setup.py build_ext --inplace` redoes exactly what a change of a file,
a header or a flag calls for. The folder is the same for every way of building one kind of object.
"""

import contextlib
import fcntl
import filecmp
import os
import shutil
import sys
import sysconfig
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

MACOS = sysconfig.get_platform().startswith("macosx")
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
DEBUG = os.environ.get("MACHOOL_DEBUG", "0") not in ("", "0")
SANITIZE = os.environ.get("MACHOOL_SANITIZE", "")
WERROR = os.environ.get("MACHOOL_WERROR", "0") not in ("", "0")

INCLUDE = "csrc/mach/include"
EXPORTS = "csrc/mach/libmachool.map"
LAYER_ROOMS = ("api", "ipc", "os", "util", "vm", "wire")
VERSION = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
ABI_FLOOR = (0x030B0000, "cp311")

WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wmissing-prototypes",
    "-Wstrict-prototypes",
    "-Wunused-result",  # the interpreter's own flags switch it off
]


def sources(*folders: str) -> list[str]:
    return sorted(path.as_posix() for folder in folders for path in Path(folder).glob("*.c"))


def compile_args() -> list[str]:
    args = ["-std=gnu11", "-pthread", "-MMD", *WARNINGS]
    if WERROR:
        args += ["-Werror"]
    if DEBUG:
        args += ["-O0", "-g3", "-UNDEBUG"]
    if SANITIZE:
        args += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"]
    return args


def whole_program_args() -> list[str]:
    """A message passes through a dozen files of the layer: inlined into one another, a round trip
    takes a fifth less. gcc alone, since others may want a linker that is not there."""
    compiler = os.path.basename((os.environ.get("CC") or sysconfig.get_config_var("CC")).split()[0])
    return [] if DEBUG or SANITIZE or "gcc" not in compiler else ["-flto=auto"]


def link_args() -> list[str]:
    return ["-pthread", *([f"-fsanitize={SANITIZE}"] if SANITIZE else [])]


class Library(Extension):
    """A shared object that is no extension module and has a plain file name."""


class Layer(Library):
    """csrc/mach as libmachool.so: a C library that happens to be built by setuptools."""


def layer() -> Layer:
    # A sanitizer's runtime may come with the program, so its names stay undefined here.
    undefined = [] if SANITIZE else ["-Wl,-z,defs"]
    return Layer(
        "machool.libmachool",
        sources=sources(*(f"csrc/mach/{room}" for room in LAYER_ROOMS)),
        depends=[EXPORTS],
        include_dirs=[INCLUDE, "csrc/mach"],
        define_macros=[("_GNU_SOURCE", None), ("MACHOOL_VERSION", f'"{VERSION}"')],
        extra_compile_args=[*compile_args(), *whole_program_args()],
        extra_link_args=[
            *link_args(),
            *whole_program_args(),
            "-Wl,-soname,libmachool.so",
            f"-Wl,--version-script,{EXPORTS}",
            *undefined,
        ],
    )


def native() -> Library:
    """What the benchmark runs in processes without Python: a guest of the library."""
    return Library(
        "machool.bench._native",
        sources=sources("csrc/bench"),
        include_dirs=[INCLUDE],
        libraries=["machool"],
        extra_compile_args=[*compile_args(), "-fvisibility=hidden"],
        extra_link_args=[*link_args(), "-Wl,-rpath,$ORIGIN/.."],
    )


def extension() -> Extension:
    macros = [] if FREE_THREADED else [("Py_LIMITED_API", f"0x{ABI_FLOOR[0]:08X}")]
    if MACOS:
        macros.append(("MACHOOL_VERSION", f'"{VERSION}"'))
    return Extension(
        "machool._machool",
        sources=sources("csrc/_machool", *(["csrc/mach/darwin"] if MACOS else [])),
        include_dirs=[] if MACOS else [INCLUDE],
        define_macros=macros,
        py_limited_api=not FREE_THREADED,
        libraries=[] if MACOS else ["machool"],
        extra_compile_args=[*compile_args(), "-fvisibility=hidden"],
        extra_link_args=[*link_args(), *([] if MACOS else ["-Wl,-rpath,$ORIGIN"])],
    )


class Build(build):
    """A build whose result holds nothing of an earlier one: deleted modules do not come back."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class BuildExt(build_ext):
    """The shared objects, the headers and machool.pc."""

    def finalize_options(self) -> None:
        kind = [sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag]
        kind += (
            ["macos"] * MACOS + ["debug"] * DEBUG + [SANITIZE.replace(",", "-")] * bool(SANITIZE)
        )
        self.build_temp = self.build_temp or "build/" + "-".join(kind)
        if self.inplace and not self.editable_mode:
            self.build_lib = self.build_lib or f"{self.build_temp}/lib"
        super().finalize_options()
        self.force = True  # what is fresh is decided for each command, in call_if_stale

    def get_ext_filename(self, fullname: str) -> str:
        if isinstance(self.ext_map.get(fullname), Library):
            return os.path.join(*fullname.split(".")) + ".so"
        return super().get_ext_filename(fullname)

    def run(self) -> None:
        Path(self.build_temp).mkdir(parents=True, exist_ok=True)
        with open(f"{self.build_temp}/.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().run()
            self.build_files()

    def build_extensions(self) -> None:
        # A pyenv interpreter would add a run path of its own in front of $ORIGIN.
        self.compiler.linker_so = [
            arg for arg in self.compiler.linker_so if not arg.startswith(("-L", "-Wl,-rpath"))
        ]
        name = "call" if hasattr(self.compiler, "call") else "spawn"
        self.really_call = getattr(self.compiler, name)
        setattr(self.compiler, name, self.call_if_stale)
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        if MACOS:
            # Of our headers the SDK lacks one; the rest must not get in front of the SDK's.
            only = Path(self.build_temp, "include/mach/machool.h")
            only.parent.mkdir(parents=True, exist_ok=True)
            if not only.exists() or not filecmp.cmp(f"{INCLUDE}/mach/machool.h", only, False):
                shutil.copyfile(f"{INCLUDE}/mach/machool.h", only)
            ext.include_dirs.append(str(only.parents[1]))
        elif not isinstance(ext, Layer):
            ext.library_dirs.append(os.path.dirname(self.get_ext_fullpath("machool.libmachool")))
        super().build_extension(ext)

    def call_if_stale(self, cmd: list[str], **kwargs: object) -> None:
        """Run a compiler or linker command unless its output is what it would make again."""
        output = Path(cmd[cmd.index("-o") + 1])
        stamp = Path(self.build_temp, output.name + ".link")
        depfile = output.with_suffix(".d")
        if "-c" in cmd:
            stamp = output.with_suffix(".compile")
        if is_fresh(cmd, output, stamp, depfile if "-c" in cmd else None):
            return
        stamp.unlink(missing_ok=True)
        self.really_call(cmd, **kwargs)
        stamp.write_text("\0".join(cmd))

    def copy_file(self, infile: str, outfile: str, *args: object, **kwargs: object) -> object:
        """Replace what changed, whole: a process may have the old object mapped."""
        target = Path(outfile, os.path.basename(infile)) if os.path.isdir(outfile) else outfile
        with contextlib.suppress(OSError):
            if filecmp.cmp(infile, target, shallow=False):
                return outfile, False
        fresh = f"{target}.{os.getpid()}"
        shutil.copy2(infile, fresh)
        os.replace(fresh, target)
        return outfile, True

    def file_map(self) -> dict[str, str]:
        """Where each file of the package that build_files() makes goes -> where it is from."""
        if MACOS:
            return {}
        if self.inplace:
            return {"src/machool/pkgconfig/machool.pc": "machool.pc"}
        package = f"{self.build_lib}/machool"
        headers = sorted(Path(INCLUDE).rglob("*.h"))
        files = {f"{package}/include/{h.relative_to(INCLUDE)}": h.as_posix() for h in headers}
        return {**files, f"{package}/pkgconfig/machool.pc": "machool.pc"}

    def build_files(self) -> None:
        for target, source in self.file_map().items():
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if source == "machool.pc":
                Path(target).write_text(self.pkg_config())
            else:
                shutil.copyfile(source, target)

    def pkg_config(self) -> str:
        include = f"${{prefix}}/../../{INCLUDE}" if self.inplace else "${prefix}/include"
        return (
            "prefix=${pcfiledir}/..\n"
            f"includedir={include}\n"
            "libdir=${prefix}\n\n"
            "Name: machool\n"
            f"Description: {self.distribution.get_description()}\n"
            f"Version: {VERSION}\n"
            "Cflags: -I${includedir}\n"
            "Libs: -L${libdir} -Wl,-rpath,${libdir} -lmachool\n"
        )

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), *([] if self.inplace else self.file_map())]


def is_fresh(cmd: list[str], output: Path, stamp: Path, depfile: Path | None) -> bool:
    try:
        if stamp.read_text() != "\0".join(cmd):
            return False
        made = output.stat().st_mtime_ns
        if depfile is None:  # a link: the objects and the version script
            inputs = [part for arg in cmd for part in arg.split(",") if os.path.isfile(part)]
            inputs.remove(str(output))
        else:
            inputs = depfile.read_text().replace("\\\n", " ").split()[1:]
        return all(os.stat(path).st_mtime_ns <= made for path in inputs)
    except (OSError, ValueError):
        return False


setup(
    ext_modules=[*([] if MACOS else [layer(), native()]), extension()],
    cmdclass={"build": Build, "build_ext": BuildExt},
    options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": ABI_FLOOR[1]}},
)
