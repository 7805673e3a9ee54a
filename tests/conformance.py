"""Which statement about Mach is asserted by which test, and what came of it.

    scripts/conformance                 run tests/c/conform, print a table and the totals
    scripts/conformance S65 S100-S110   only the tests of these
    scripts/conformance --heavy         with the tests that want gigabytes
    scripts/conformance --write         bring docs/conformance.md up to date; runs nothing

A test is tied to its facts by its name: S31_S32_failed_send asserts S31 and S32. The facts stand in
tests/c/conform/facts.tsv, a line each; marks are

    mac-only   cannot hold without something only macOS has
    no-test    nothing a test could observe
    record     systems differ or do not say: asserted on Linux, on macOS only recorded
    D7         holds but for what row D7 of csrc/mach/DIFFERENCES.md says

``problems`` finds what does not fit together: a fact with neither test nor reason, a test of an
unknown fact, a difference that only one of the two sides knows, a page that is stale.
"""

import argparse
import csv
import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterable

import cbuild

ROOT = cbuild.ROOT
FACTS = ROOT / "tests/c/conform/facts.tsv"
DIFFERENCES = ROOT / "csrc/mach/DIFFERENCES.md"
PAGE = ROOT / "docs/conformance.md"
MARKS = ("mac-only", "no-test", "record")
BEYOND = {
    "server.c",
    "task_calls.c",
    "vm_entries.c",
    "vm_entries_fork.c",
    "vm_entries_tasks.c",
    "vm_region.c",
    "vm_remap.c",
}
"""Files with tests of what no fact is about."""
SECTIONS = [
    "The scenario everything began with",
    "Out-of-line memory on its way out",
    "Out-of-line memory received",
    "Snapshots",
    "Header, sizes, trailers",
    "Rights and notifications",
    "Options, waiting, errors",
    "Bootstrap",
    "Memory",
]


@dataclasses.dataclass(frozen=True)
class Fact:
    """One line of facts.tsv, with the tests that carry its number."""

    number: str
    section: int
    marks: tuple[str, ...]
    statement: str
    note: str
    tests: tuple["Test", ...]

    @property
    def differences(self) -> list[str]:
        return [mark for mark in self.marks if mark not in MARKS]

    @property
    def asserted(self) -> bool:
        return any(test.on_linux for test in self.tests)


@dataclasses.dataclass(frozen=True)
class Test:
    """A TEST() of tests/c/conform; a body that runs both ways is one, with two names to run."""

    title: str
    names: tuple[str, ...]
    facts: tuple[str, ...]
    file: str
    on_linux: bool
    on_macos: bool


# --- what there is --------------------------------------------------------------------------------


def _gates(test: cbuild.CTest) -> set[str]:
    """The gates in a test's body, also behind a macro of its file or of a kit."""
    files = [test.source, *(cbuild.TESTS / "harness").glob("*_kit.h")]
    text = "".join(path.read_text() for path in files)
    shorthand = re.findall(r"#define (\w+)\(\) (GATE_\w+)\(", text)
    used = re.findall(r"^    (\w+)\(", test.body, re.MULTILINE)
    return {dict(shorthand).get(name, name) for name in used}


def tests() -> list[Test]:
    found: dict[str, Test] = {}
    for test in cbuild.tests("conform"):
        base = re.sub(r"_(in_one_task|between_tasks)$", "", test.name) if test.both else test.name
        numbers = re.match(r"(?:[SD]\d+_)*", base)
        assert numbers is not None
        gates = _gates(test)
        names = (*(found[base].names if base in found else ()), test.name)
        found[base] = Test(
            title=base[numbers.end() :],
            names=names,
            facts=tuple(numbers.group().split("_")[:-1]),
            file=test.source.name,
            on_linux="GATE_LINUX" not in gates,
            on_macos="GATE_DARWIN" not in gates,
        )
    return list(found.values())


def facts(of: Iterable[Test]) -> list[Fact]:
    everything = list(of)
    with FACTS.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Fact(
            number=line["fact"],
            section=int(line["section"]),
            marks=tuple(filter(None, line["marks"].split(","))),
            statement=line["statement"],
            note=line["note"],
            tests=tuple(test for test in everything if line["fact"] in test.facts),
        )
        for line in lines
    ]


def differences() -> dict[str, list[str]]:
    """The rows of DIFFERENCES.md: number to its cells."""
    rows = re.findall(r"^\| (D\d+) (\|.*)\|$", DIFFERENCES.read_text(encoding="utf-8"), re.M)
    return {number: re.split(r"(?<!\\)\|", cells)[1:] for number, cells in rows}


def problems() -> list[str]:
    """What does not agree, in words; empty when all is well."""
    all_tests = tests()
    all_facts = facts(all_tests)
    rows = differences()
    known = {fact.number for fact in all_facts} | set(rows)
    names = [test.name for test in cbuild.tests("conform")]
    found = [f"{name} exists twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for test in all_tests:
        if not test.facts and test.file not in BEYOND:
            found.append(f"{test.names[0]} ({test.file}) names no fact")
        unknown = sorted(set(test.facts) - known)
        if unknown:
            found.append(f"{test.names[0]} ({test.file}) names {unknown}, which do not exist")
        differing = [f.number for f in all_facts if f.number in test.facts and f.differences]
        if not test.on_linux and not differing:
            found.append(f"{test.names[0]} ({test.file}) is gated, and no difference says so")
    for fact in all_facts:
        reason = fact.note if {"mac-only", "no-test"} & set(fact.marks) else ""
        if not fact.asserted and not reason:
            found.append(f"{fact.number} has neither a test on Linux nor a reason")
        for number in fact.differences:
            if number not in rows:
                found.append(f"{fact.number} is marked {number}: no such row or mark")
    for number, cells in rows.items():
        told = re.findall(r"\bS\d+\b", cells[0])
        marked = [fact.number for fact in all_facts if number in fact.marks]
        if sorted(told) != sorted(marked):
            found.append(f"{number}: DIFFERENCES.md says {told}, facts.tsv {marked}")
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        found.append("docs/conformance.md is stale: scripts/conformance --write")
    return found


# --- the page -------------------------------------------------------------------------------------


def totals(of: list[Fact]) -> list[tuple[int, str]]:
    asserted = [fact for fact in of if fact.asserted]
    on_macos = [fact for fact in asserted if any(test.on_macos for test in fact.tests)]
    differing = [fact for fact in of if fact.differences]
    numbers = ", ".join(sorted({n for f in differing for n in f.differences}, key=_order))
    return [
        (len(of), "in all"),
        (len(asserted), f"asserted on Linux, by {len(tests())} tests"),
        (len(on_macos), "of these asserted on macOS too, the others gated there"),
        (len(differing), f"with a difference on Linux ({numbers})"),
        (len(of) - len(asserted), "not testable here"),
    ]


def _order(number: str) -> int:
    return int(number[1:])


def _tests_cell(fact: Fact) -> str:
    files: dict[str, list[str]] = {}
    for test in fact.tests:
        star = "" if test.on_macos else "*"
        files.setdefault(test.file, []).append(f"`{test.title}`{star}")
    return "; ".join(f"{file}: {', '.join(titles)}" for file, titles in files.items())


def _row(fact: Fact) -> str:
    parts = [_tests_cell(fact)]
    if not fact.asserted:
        parts = [f"no test: {fact.note}"]
    if fact.differences:
        parts.append("differs: " + ", ".join(fact.differences))
    return f"| {fact.number} | {fact.statement} | {'. '.join(filter(None, parts))} |"


def page() -> str:
    everything = facts(tests())
    lines = [
        "# Conformance",
        "",
        "What is said here about Mach is asserted by the tests of `tests/c/conform`, which use",
        "the standard headers alone and compile for macOS as they do for Linux. A test's name",
        "begins with the numbers of the facts it asserts: `S31_S32_…`; below stands the rest of",
        "the name. Tests with a star do not run on macOS, for a reason each of them gives.",
        "D-numbers are the rows of [DIFFERENCES](../csrc/mach/DIFFERENCES.md). Run the tests with",
        "`scripts/conformance`; this page is made by `scripts/conformance --write`.",
        "",
        "| | facts |",
        "|--:|---|",
        *(f"| {count} | {what} |" for count, what in totals(everything)),
    ]
    for section, title in enumerate(SECTIONS):
        lines += ["", f"## {section}. {title}", "", "| | fact | tests |", "|---|---|---|"]
        lines += [_row(fact) for fact in everything if fact.section == section]
    pinned = [test for test in tests() if any(number[0] == "D" for number in test.facts)]
    lines += ["", "## Differences that have a test of their own", ""]
    lines += [f"- {', '.join(test.facts)}: `{test.title}` ({test.file})" for test in pinned]
    lines += ["", "## Beyond the facts", ""]
    lines += [f"- `{test.title}` ({test.file})" for test in tests() if not test.facts]
    return "\n".join(lines) + "\n"


# --- the run --------------------------------------------------------------------------------------


def wanted(patterns: list[str], of: list[Fact]) -> list[Fact]:
    """Facts by number or range; all of them without any."""
    numbers: set[int] = set()
    for pattern in patterns:
        match = re.fullmatch(r"S(\d+)(?:-S?(\d+))?", pattern)
        if match is None:
            sys.exit(f"not a fact or a range of facts: {pattern}")
        first, last = match.groups()
        numbers |= set(range(int(first), int(last or first) + 1))
    return [fact for fact in of if not patterns or _order(fact.number) in numbers]


def run(names: list[str], heavy: bool) -> dict[str, str]:
    """Result by test name: ok, FAIL, gate or skip. The program's words go to stderr."""
    command = [str(cbuild.build("conform")), *["--heavy"] * heavy, *names]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    found = re.findall(r"^(ok|FAIL|gate|skip) +(\w+)", done.stdout, re.MULTILINE)
    return {name: result for result, name in found}


def result_of(fact: Fact, results: dict[str, str]) -> str:
    if not fact.tests:
        return "no test"
    seen = {results.get(name, "lost") for test in fact.tests for name in test.names}
    for result, word in (("lost", "LOST"), ("FAIL", "FAILED"), ("ok", "ok"), ("gate", "gated")):
        if result in seen:
            return word
    return "heavy"


def show(fact: Fact, results: dict[str, str]) -> None:
    differs = f" [differs: {', '.join(fact.differences)}]" if fact.differences else ""
    print(f"{fact.number:5} {result_of(fact, results):8} {fact.statement}{differs}")
    if not fact.tests:
        print(f"{'':14} {fact.note}")
    for test in fact.tests:
        for name in test.names:
            result = results.get(name, "lost")
            print(f"{'':14} {'' if result == 'ok' else result + ' '}{name}")


def report(patterns: list[str], heavy: bool) -> int:
    chosen = wanted(patterns, facts(tests()))
    names = list(dict.fromkeys(n for fact in chosen for test in fact.tests for n in test.names))
    results = run(names if patterns else [], heavy) if names else {}
    for section, title in enumerate(SECTIONS):
        of_section = [fact for fact in chosen if fact.section == section]
        if of_section:
            print(f"\n{section}. {title}")
        for fact in of_section:
            show(fact, results)
    words = [result_of(fact, results) for fact in chosen]
    counts = [
        f"{len(chosen)} facts: {words.count('ok')} asserted and passing",
        f"{words.count('FAILED') + words.count('LOST')} failing",
        f"{words.count('gated') + words.count('heavy')} left out",
        f"{words.count('no test')} not testable here",
        f"{sum(bool(fact.differences) for fact in chosen)} with a difference",
    ]
    failed = sum(result == "FAIL" for result in results.values())
    print("\n" + "; ".join(counts))
    print(f"{len(results)} tests, {failed} failed")
    return 1 if failed or "LOST" in words else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=__doc__.split("\n")[0])
    parser.add_argument("facts", nargs="*", help="S65, or a range: S100-S110")
    parser.add_argument("--heavy", action="store_true", help="run what wants gigabytes too")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md instead")
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    return report(options.facts, options.heavy)


if __name__ == "__main__":
    sys.exit(main())
