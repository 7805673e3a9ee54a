"""What a reader sees: one block for each size, ratios beside the times."""

from collections.abc import Iterator
from typing import Any

PIPE = ("Pipe", "copy")
KEPT = "kept SharedMemory"

_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def size_text(size: int) -> str:
    """1 MiB, 64 B."""
    for unit, worth in _UNITS:
        if size >= worth and size % worth == 0:
            return f"{size // worth} {unit}"
    return f"{size:,} B"


def number_text(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def of_kept(figures: dict[tuple[str, str], float], key: tuple[str, str]) -> float | None:
    """The ratio to a kept SharedMemory by hand that is used in the same way."""
    way = "copy" if key[1] == "copy" else "built"
    base = figures.get((KEPT, way))
    return figures[key] / base if base else None


def of_pipe(figures: dict[tuple[str, str], float], key: tuple[str, str]) -> float | None:
    """The ratio to a Pipe."""
    return figures[key] / figures[PIPE] if figures.get(PIPE) else None


def facts_lines(facts: dict[str, Any]) -> Iterator[str]:
    """The machine."""
    for name, value in facts.items():
        if name == "packages":
            value = ", ".join(f"{package} {version}" for package, version in value.items())
        yield f"{name:<30}{value}"


def trips_lines(trips: list[dict[str, Any]]) -> Iterator[str]:
    """Round trips: rows as they stand in the JSON."""
    for size in dict.fromkeys(row["size"] for row in trips):
        rows = [row for row in trips if row["size"] == size]
        asleep = any("asleep" in row for row in rows)
        heads = ["µs", "of Pipe", "of kept", "worst", "CPU µs"] + ["asleep", "of Pipe"] * asleep
        yield ""
        yield f"{size_text(size):<36}" + "".join(f"{head:>11}" for head in heads)
        hot = {(row["name"], row["way"]): row["hot"] for row in rows}
        cold = {(row["name"], row["way"]): row["asleep"] for row in rows if "asleep" in row}
        for row in rows:
            key = row["name"], row["way"]
            cells = [row["hot"], of_pipe(hot, key), of_kept(hot, key), row["worst"], row["cpu"]]
            if asleep:
                cells += [cold[key], of_pipe(cold, key)] if key in cold else [None, None]
            label = f"  {row['name']}, {row['way']}"
            yield f"{label:<36}" + "".join(f"{number_text(cell):>11}" for cell in cells)
