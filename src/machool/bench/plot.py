"""Round trips as a picture: time against size, both logarithmic, one panel for arrays that are sent
and one for what is built in the transport's own memory."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machool.bench import native, table

PANELS = (("copy", "an ordinary array is sent"), ("built", "built in the transport's memory"))
OURS = "machool"
SUFFIXES = (".png", ".svg")

_COLOURS = {
    OURS: "#d62728",
    native.MACH: "#ff9896",
    native.LIMIT: "#000000",
    native.SOCKET: "#7f7f7f",
    "kept SharedMemory": "#1f77b4",
    "kept SharedMemory, spinning": "#aec7e8",
    "new SharedMemory": "#17becf",
    "Pipe": "#2ca02c",
    "Queue": "#98df8a",
    "iceoryx2": "#9467bd",
    "pyzmq copy=False": "#ff7f0e",
    "pyzmq copy=True": "#ffbb78",
    "faster-fifo": "#8c564b",
}


def available() -> bool:
    """Whether there is something to draw with."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        return False
    return True


def _series(trips: list[dict[str, Any]], way: str) -> Iterator[tuple[str, list[int], list[float]]]:
    for name in dict.fromkeys(row["name"] for row in trips):
        rows = [row for row in trips if (row["name"], row["way"]) == (name, way) and row["size"]]
        if rows:
            rows.sort(key=lambda row: int(row["size"]))
            yield name, [row["size"] for row in rows], [row["hot"] for row in rows]


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the picture; the file's name says in which format."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "machool", "svg.fonttype": "none"})
    pyplot = importlib.import_module("matplotlib.pyplot")
    trips = report["round trips"]
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(15, 6), sharey=True)
    for axis, (way, title) in zip(axes, PANELS, strict=True):
        for name, sizes, times in _series(trips, way):
            bold = name in (OURS, native.LIMIT)
            axis.plot(
                sizes,
                times,
                marker="o",
                markersize=5 if bold else 3,
                linewidth=2.5 if bold else 1.2,
                linestyle="--" if name == native.LIMIT else "-",
                color=_COLOURS.get(name),
                label=name,
                zorder=3 if bold else 2,
            )
        sizes = sorted({row["size"] for row in trips if row["size"]})
        axis.set(xscale="log", yscale="log", title=title, xlabel="size")
        axis.set_xticks(sizes, [table.size_text(size) for size in sizes], rotation=30)
        axis.minorticks_off()
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].set_ylabel("µs: fill, hand over, read, acknowledge")
    facts = report["machine"]
    figure.suptitle(f"machool {facts['machool']}, {facts['system']}, {facts['cpu']}", fontsize=10)
    figure.tight_layout(rect=(0, 0, 0.83, 1))
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="center right", fontsize=9, frameon=False)
    figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
