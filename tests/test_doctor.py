"""`python -m machool doctor`: healthy here, and each sick machine is told what to do."""

import json
import os
import resource
import subprocess
import sys
import tempfile

import pytest

import machool
from machool import _doctor

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's limits")


def doctor(*options: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "machool", "doctor", *options]
    return subprocess.run(command, text=True, capture_output=True, **kwargs)


def findings(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}


def test_this_machine_is_fit():
    result = doctor()
    assert result.returncode == 0, result.stdout
    assert result.stdout.endswith("machool can run here\n")


def test_json_has_every_line():
    result = doctor("--json")
    report = json.loads(result.stdout)
    assert report["ok"] is True
    assert {"python", "extension", "cpus", "page size", "open files"} <= set(findings(result))
    for finding in report["findings"]:
        assert finding["status"] in ("ok", "note")
        assert finding["value"]
        assert (finding["advice"] == "nothing to do") == (finding["status"] == "ok")


@linux
def test_few_descriptors_are_a_failure():
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    result = doctor("--json", preexec_fn=limit)
    assert result.returncode == 1
    assert findings(result)["open files"]["status"] == "fail"
    assert "ulimit -n" in findings(result)["open files"]["advice"]


@linux
def test_small_file_size_limit_is_noted():
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    found = findings(doctor("--json", preexec_fn=limit))["file size"]
    assert (found["status"], found["value"]) == ("note", "1 MiB")


@linux
@pytest.mark.parametrize("folder", ["/proc/self/absent/names", "/etc/passwd"])
def test_bad_bootstrap_folder_is_a_failure(folder):
    result = doctor("--json", env={**os.environ, "MACHOOL_BOOTSTRAP_DIR": folder})
    assert result.returncode == 1
    assert findings(result)["names"]["status"] == "fail"
    assert "folder" in findings(result)["names"]["advice"]


@linux
def test_bootstrap_folder_may_be_absent_yet():
    with tempfile.TemporaryDirectory() as folder:
        for path in (folder, f"{folder}/names"):
            result = doctor("--json", env={**os.environ, "MACHOOL_BOOTSTRAP_DIR": path})
            assert result.returncode == 0, result.stdout
            assert findings(result)["names"]["status"] == "ok"


@linux
def test_another_library_on_the_path_is_a_failure(tmp_path):
    from machool import _config

    (tmp_path / "libmachool.so").write_bytes((_config.library_dir() / "libmachool.so").read_bytes())
    result = doctor("--json", env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    assert result.returncode == 1
    assert "LD_LIBRARY_PATH" in findings(result)["library path"]["advice"]


def test_one_broken_check_does_not_hide_the_others(monkeypatch):
    def broken():
        """Needs the moon."""
        raise OSError("no moon")

    monkeypatch.setattr(_doctor, "_ANYWHERE", [broken, *_doctor._ANYWHERE])
    found = {finding.name: finding for finding in _doctor.examine()}
    assert found["broken"].status == "fail"
    assert "no moon" in found["broken"].value
    assert "moon" in found["broken"].advice
    assert found["page size"].status == "ok"


@pytest.fixture
def huge(tmp_path, monkeypatch):
    """What the kernel says of huge pages: huge(general, for pages of 2 MiB)."""

    def say(general: str | None, own: str | None = None) -> _doctor.Finding:
        words = ("always", "within_size", "advise", "never", "deny", "force", "inherit")
        monkeypatch.setattr(_doctor, "_HUGE_PAGES", tmp_path)
        (tmp_path / "hugepages-2048kB").mkdir(exist_ok=True)
        (tmp_path / "hpage_pmd_size").write_text("2097152\n")
        for folder, word in ((tmp_path, general), (tmp_path / "hugepages-2048kB", own)):
            if word:
                text = " ".join(f"[{each}]" if each == word else each for each in words)
                (folder / "shmem_enabled").write_text(text + "\n")
        (finding,) = _doctor.huge_pages()
        return finding

    return say


@linux
@pytest.mark.parametrize(
    ("general", "own"),
    [("never", None), ("deny", None), ("never", "inherit"), ("always", "never")],
)
def test_no_huge_pages_are_noted_with_what_they_would_bring(huge, general, own):
    found = huge(general, own)
    assert found.status == "note"
    assert found.value.startswith("deny" if general == "deny" else "never")
    assert "54 -> 6 ms" in found.advice
    assert "on another machine" in found.advice  # no figure of this one
    assert "echo advise" in found.advice


@linux
@pytest.mark.parametrize(
    ("general", "own", "setting"),
    [("advise", None, "advise"), ("never", "always", "always"), ("always", "inherit", "always")],
)
def test_huge_pages_are_tried(huge, monkeypatch, general, own, setting):
    for got, status, words in ((8 << 20, "ok", "8 MiB"), (0, "note", "0 bytes")):
        monkeypatch.setattr(_doctor, "_mapped_huge", lambda address, got=got: got)
        found = huge(general, own)
        assert (found.status, found.value.split(":")[0]) == (status, setting)
        assert f"got {words}" in found.value


@linux
def test_kernel_without_huge_pages(huge):
    assert huge(None).value == "not in this kernel"


@linux
def test_huge_pages_of_a_mapping():
    """What is there is told of the very mapping, whatever the kernel's setting."""
    with machool.Region(8 << 20) as region:
        with memoryview(region) as view:
            view[0] = 1
        assert region.address % (2 << 20) == 0
        got = _doctor._mapped_huge(region.address)
    assert got % (2 << 20) == 0
    assert (got > 0) <= (_doctor._shared_huge_pages() not in (None, "never", "deny"))
    assert _doctor._mapped_huge(region.address + 1) == 0
