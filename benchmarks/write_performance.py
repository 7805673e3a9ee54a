"""Puts the figures of a run into docs/performance.md, between its two marks.

    python -m machool bench --json report.json --plot docs/performance.svg
    python benchmarks/write_performance.py report.json

What stands around the figures is written by hand: look whether it is still true.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machool.bench import parts, table

PAGE = Path(__file__).resolve().parent.parent / "docs/performance.md"
START, END = "<!-- figures of a run: begin -->\n", "<!-- figures of a run: end -->\n"


def block(lines: Iterator[str]) -> str:
    """Lines as they are, in a frame."""
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    return f"```\n{text}\n```\n"


def figures(report: dict[str, Any]) -> str:
    """What stands between the marks."""
    pieces = [block(table.facts_lines(report["machine"]))]
    pieces += ["## Goals\n", block(table.goals_lines(report["goals"]))]
    for part in parts.PARTS:
        if part.name in report:
            title = part.name.capitalize()
            pieces += [f"## {title}\n", block(part.lines(report[part.name]))]
            if part.name == "round trips":
                pieces.append("![time against size](performance.svg)\n")
    return "\n".join(pieces)


def replaced(page: str, text: str) -> str:
    """The page with other figures."""
    if page.count(START) != 1 or page.count(END) != 1:
        raise SystemExit(f"{PAGE}: one begin and one end, please")
    return re.sub(
        f"{re.escape(START)}.*{re.escape(END)}",
        lambda _: f"{START}\n{text}\n{END}",
        page,
        flags=re.DOTALL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("report", type=Path)
    report = json.loads(parser.parse_args().report.read_text(encoding="utf-8"))
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), figures(report)), encoding="utf-8")


if __name__ == "__main__":
    main()
