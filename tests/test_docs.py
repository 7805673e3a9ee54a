"""The Python in README.md and docs/ runs, each file from top to bottom in one fresh interpreter."""

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import machool
from machool.bench import command

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if "```python" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES)
def test_snippets(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    source = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr


def test_links():
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_reference_is_complete():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    sections = dict(
        zip(
            re.findall(r"^## (.*)$", text, re.M),
            re.split(r"^## .*$", text, flags=re.M)[1:],
            strict=True,
        )
    )
    for name in machool.__all__:
        assert re.search(rf"\b{name}\b", text), name
    for cls in (
        machool.Region,
        machool.OOL,
        machool.Server,
        machool.Client,
        machool.Message,
        machool.Port,
        machool.PortSet,
        machool.Move,
        machool.Notification,
    ):
        for name in dir(cls):
            if not name.startswith("_"):
                assert re.search(rf"\b{name}\b", sections[cls.__name__]), f"{cls.__name__}.{name}"


def test_internals_names_what_exists():
    text = (ROOT / "docs" / "internals.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("csrc/**/*.[ch]"))
    for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text):
        assert re.search(rf"\b{name}\b", code), name
    for path in re.findall(r"`((?:mach|_machool)/[a-z_/]+\.[ch])`", text):
        assert (ROOT / "csrc" / path).exists(), path


def test_performance_has_figures_of_a_run():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for number in range(1, 10):
        assert re.search(rf"^P{number}  .* (met|not met|not measured)$", text, re.M), number
    assert re.search(r"^  machool, built +[\d,.]+ +[\d,.]+", text, re.M)
    for row in ("system", "cpu", "page size", "huge pages for shared memory", "python"):
        assert re.search(rf"^{row}  ", text, re.M), row


def test_performance_can_be_made_again(tmp_path):
    """The command on the page is one that the benchmark understands, and so is the script."""
    pytest.importorskip("matplotlib", reason="not among the tools of free-threaded interpreters")
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    (options,) = re.findall(r"^python -m machool bench (.*--plot docs.*)$", text, re.M)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert parser.parse_args(options.split()).sizes
    spec = importlib.util.spec_from_file_location(
        "write_performance", ROOT / "benchmarks/write_performance.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    report = {"machine": {"system": "any"}, "goals": []}
    page = script.replaced(text, script.figures(report))
    assert script.replaced(page, script.figures(report)) == page
    assert "\nsystem                        any\n" in page
    assert page.startswith(text[: text.index(script.START)])
