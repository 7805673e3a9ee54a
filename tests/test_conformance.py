"""Facts, tests, differences and docs/conformance.md agree. That the tests pass is test_c.py's."""

import re
import subprocess
import sys

import pytest

import cbuild
import conformance


def test_everything_agrees() -> None:
    assert conformance.problems() == []


def test_facts_are_complete_and_in_order() -> None:
    facts = conformance.facts(conformance.tests())
    assert [fact.number for fact in facts] == [f"S{number}" for number in range(1, 185)]
    assert [fact.section for fact in facts] == sorted(fact.section for fact in facts)
    for fact in facts:
        assert fact.statement.endswith("."), fact.number
        assert "|" not in fact.statement, fact.number


def test_enough_is_asserted() -> None:
    assert sum(fact.asserted for fact in conformance.facts(conformance.tests())) >= 150


def test_every_difference_is_pinned_down_or_says_that_it_is_not() -> None:
    root = conformance.ROOT
    for number, cells in conformance.differences().items():
        where = cells[-1].strip()
        places = re.findall(r"`([^`]+)`", where)
        assert places or where == "—", f"{number}: {where}"
        for place in places:
            found = [root / place, root / "tests/c" / place]
            assert any(path.exists() for path in found), f"{number}: {place}"


def test_files_name_their_section() -> None:
    for source in sorted((cbuild.TESTS / "conform").glob("*.c")):
        head = source.read_text(encoding="utf-8").split("*/")[0]
        assert re.search(r"\bSections? \d|\bD-numbers\b", head), source.name


@pytest.mark.parametrize(
    ("patterns", "first", "count"),
    [([], "S1", 184), (["S65"], "S65", 1), (["S100-S110", "S7"], "S7", 12), (["S5-7"], "S5", 3)],
)
def test_choice_of_facts(patterns: list[str], first: str, count: int) -> None:
    chosen = conformance.wanted(patterns, conformance.facts(conformance.tests()))
    assert (chosen[0].number, len(chosen)) == (first, count)


def test_choice_of_what_is_no_fact() -> None:
    with pytest.raises(SystemExit):
        conformance.wanted(["no such fact"], [])


@pytest.mark.timeout(300)
def test_run_of_one_section() -> None:
    command = [sys.executable, str(conformance.ROOT / "tests/conformance.py"), "S79-S84", "S101"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^S79 +ok +\w", done.stdout, re.M)
    assert re.search(r"^S101 +no test ", done.stdout, re.M)
    assert "7 facts: 6 asserted and passing; 0 failing; 0 left out; 1 not testable" in done.stdout


@pytest.mark.parametrize(
    ("results", "word"),
    [
        ({"one": "ok", "two": "ok"}, "ok"),
        ({"one": "ok", "two": "FAIL"}, "FAILED"),
        ({"one": "ok"}, "LOST"),
        ({"one": "ok", "two": "gate"}, "ok"),
        ({"one": "gate", "two": "gate"}, "gated"),
        ({"one": "skip", "two": "skip"}, "heavy"),
    ],
)
def test_result_of_a_fact(results: dict[str, str], word: str) -> None:
    both = conformance.Test("", ("one", "two"), ("S1",), "", on_linux=True, on_macos=True)
    fact = conformance.Fact("S1", 0, (), "", "", (both,))
    assert conformance.result_of(fact, results) == word
