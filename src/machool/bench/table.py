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
    """Three digits that matter; M for millions."""
    if value is None:
        return "-"
    if value >= 1e6:
        return f"{value / 1e6:.2f}M"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}" if value >= 0.0005 else "0"


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
        heads = ["µs", "of Pipe", "of kept", "worst", "CPU µs", "faults", "sleeps"]
        heads += ["asleep", "of Pipe"] * asleep
        yield ""
        yield f"{size_text(size):<36}" + "".join(f"{head:>9}" for head in heads)
        hot = {(row["name"], row["way"]): row["hot"] for row in rows}
        cold = {(row["name"], row["way"]): row["asleep"] for row in rows if "asleep" in row}
        for row in rows:
            key = row["name"], row["way"]
            cells = [row["hot"], of_pipe(hot, key), of_kept(hot, key), row["worst"], row["cpu"]]
            cells += [row["faults"], row["sleeps"]]
            if asleep:
                cells += [cold[key], of_pipe(cold, key)] if key in cold else [None, None]
            label = f"  {row['name']}, {row['way']}"
            yield f"{label:<36}" + "".join(f"{number_text(cell):>9}" for cell in cells)


def bare_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Requests of 64 bytes that nobody fills or reads."""
    yield ""
    title = "request of 64 B, nothing touched"
    heads = ("hot µs", "of Pipe", "CPU µs", "asleep", "of Pipe")
    yield f"{title:<36}" + "".join(f"{head:>11}" for head in heads)
    hot = {(row["name"], row["way"]): row["hot"] for row in rows}
    cold = {(row["name"], row["way"]): row["asleep"] for row in rows}
    for row in rows:
        key = row["name"], row["way"]
        cells = [row["hot"], of_pipe(hot, key), row["cpu"], row["asleep"], of_pipe(cold, key)]
        yield f"  {row['name']:<34}" + "".join(f"{number_text(cell):>11}" for cell in cells)


def handover_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Regions that move there and back."""
    yield ""
    yield f"{'hand-over of a moved region':<36}{'µs':>11}"
    for row in rows:
        yield f"  {size_text(row['size']):<34}{number_text(row['µs']):>11}"


def streams_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Messages a second, by how many may be under way."""
    for size in dict.fromkeys(row["size"] for row in rows):
        here = [row for row in rows if row["size"] == size]
        windows = list(dict.fromkeys(row["in flight"] for row in here))
        heads = [f"{window} in flight" for window in windows]
        title = f"stream of {size_text(size)}, thousands/s"
        yield ""
        yield f"{title:<36}" + "".join(f"{head:>13}" for head in heads) + f"{'GiB/s':>11}"
        for name, way in dict.fromkeys((row["name"], row["way"]) for row in here):
            mine = [row for row in here if (row["name"], row["way"]) == (name, way)]
            speeds = {row["in flight"]: row["messages/s"] for row in mine}
            text = [number_text(speeds[w] / 1e3) if w in speeds else "-" for w in windows]
            rate = number_text(max(speeds.values()) * size / (1 << 30))
            cells = "".join(f"{cell:>13}" for cell in text)
            yield f"{'  ' + name + ', ' + way:<36}{cells}{rate:>11}"


def memory_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Summed PSS."""
    yield ""
    title = f"memory for {size_text(rows[0]['size'])}"
    yield f"{title:<36}{'MiB PSS':>11}{'times':>11}"
    for row in rows:
        label = f"  {row['name']}, {row['way']}"
        yield f"{label:<36}{row['PSS'] / (1 << 20):>11,.0f}{row['times']:>11.2f}"


def fanout_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """One to many."""
    yield ""
    title = (
        f"{size_text(rows[0]['size'])} to {rows[0]['receivers']} receivers" if rows else "fan-out"
    )
    yield f"{title:<36}{'ms':>11}{'MiB PSS':>11}{'times':>11}"
    for row in rows:
        held = f"{row['PSS'] / (1 << 20):>11,.0f}{row['times']:>11.2f}"
        yield f"  {row['name']:<34}{number_text(row['seconds'] * 1e3):>11}{held}"


def resend_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Again, with few changes."""
    yield ""
    title = f"{size_text(rows[0]['size'])} again"
    yield f"{title:<36}{'ms':>11}"
    for row in rows:
        yield f"  {row['name']:<34}{number_text(row['seconds'] * 1e3):>11}"


def flat_lines(flat: dict[str, Any]) -> Iterator[str]:
    """What is held."""
    yield ""
    title = f"{flat['messages']:,} messages with regions"
    yield f"{title:<36}{'early':>11}{'late':>11}"
    for side, early in flat["early"].items():
        for what, before in early.items():
            after = flat["late"][side][what]
            if what == "rss":
                before, after = before >> 10, after >> 10
            label = f"  {side}, {'RSS, KiB' if what == 'rss' else what}"
            yield f"{label:<36}{before:>11,}{after:>11,}"


def clients_lines(row: dict[str, Any]) -> Iterator[str]:
    """Many at one server."""
    yield ""
    yield f"{row['clients']:,} clients of one server"
    for name, value in row.items():
        if name not in ("clients", "busy"):
            yield f"  {name:<34}{value:>11,.0f}"


def goals_lines(goals: list[dict[str, Any]]) -> Iterator[str]:
    """The goals, met or not."""
    yield ""
    yield f"{'goal':<84}{'at most':>9}{'measured':>10}"
    for goal in goals:
        most, measured = number_text(goal["at most"]), number_text(goal["measured"])
        text = f"{goal['goal']}  {goal['text']}"
        yield f"{text:<84}{most:>9}{measured:>10}  {goal['verdict']}"
