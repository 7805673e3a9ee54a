"""`python -m machool doctor`: healthy here, and each sick machine is told what to do."""

import json
import os
import resource
import subprocess
import sys
import tempfile

import pytest

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
