"""The plots of the documentation: how many times as fast this extension is, and how it grows. Run in the peers'
environment: ``python -m tests.benchmarks.plot DIRECTORY < RESULTS``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.benchmarks.contestants import BARE, BEANIE, EVE, SMOREST
from tests.benchmarks.growing import WORKS as GROWING

PEERS = ((SMOREST, "#4c72b0"), (EVE, "#dd8452"), (BEANIE, "#55a868"), (BARE, "#999999"))
SHOWN = {
    "list": "list of 50",
    "get": "get",
    "not modified": "get → 304",
    "create": "create + audit",
    "update": "update + audit",
}
GROWS = ("templates", "events", "claims")


def draw_speed(part: dict[str, Any], target: Path) -> None:
    """Draw the ratios of one table, with their range over the rounds."""
    figure, axes = plt.subplots(figsize=(8, 4.2))
    width = 0.8 / len(PEERS)
    works = [work for work in SHOWN if work in part["ratios"]]
    for index, (peer, color) in enumerate(PEERS):
        found = [
            (x, part["ratios"][work][peer.key]) for x, work in enumerate(works) if peer.key in part["ratios"][work]
        ]
        places = [x + (index - (len(PEERS) - 1) / 2) * width for x, _ in found]
        medians = [ratio["median"] for _, ratio in found]
        below = [ratio["median"] - ratio["low"] for _, ratio in found]
        above = [ratio["high"] - ratio["median"] for _, ratio in found]
        axes.bar(
            places,
            medians,
            width * 0.92,
            yerr=[below, above],
            color=color,
            ecolor="#333333",
            label=f"against {peer.title}",
        )
        for x, (_, ratio) in zip(places, found, strict=True):
            axes.annotate(
                f"{ratio['median']:.1f}",
                (x, ratio["high"]),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    axes.axhline(1, color="#333333", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5×", "1×", "2×", "5×", "10×", "20×"])
    axes.minorticks_off()
    axes.set_xticks(range(len(works)), [SHOWN[work] for work in works])
    axes.set_ylabel("times as many requests a second")
    axes.set_title(
        f"This extension against others ({part['scene']['title'][0].lower()}{part['scene']['title'][1:]})", fontsize=10
    )
    axes.legend(frameon=False, fontsize=8)
    _save(figure, axes, target)


def draw_growth(milliseconds: dict[str, dict[str, dict[str, float]]], target: Path) -> None:
    """Draw how long each work takes with more of each thing, against the least of it."""
    figure, panels = plt.subplots(1, len(GROWS), figsize=(9, 4.2), sharey=True)
    for axes, grows in zip(panels, GROWS, strict=True):
        for number, work in enumerate(GROWING):
            by_size = milliseconds.get(work.name, {}).get(grows, {})
            if len(by_size) > 1:
                sizes = [int(size) for size in by_size]
                times = [value / next(iter(by_size.values())) for value in by_size.values()]
                axes.plot(
                    sizes,
                    times,
                    marker="o",
                    markersize=3,
                    linewidth=1,
                    color=f"C{number % 10}",
                    linestyle="--" if work.linear or number > 9 else "-",
                    label=work.name,
                )
        axes.axhline(1.3, color="#999999", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_yticks([0.5, 1, 2, 5, 10, 20, 50], ["0.5×", "1×", "2×", "5×", "10×", "20×", "50×"])
        axes.tick_params(axis="y", which="minor", length=0)
        axes.set_xlabel(grows if grows != "claims" else "claims on one template")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("times as long as with the least")
    handles = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), frameon=False, fontsize=7, loc="center right")
    figure.tight_layout(rect=(0, 0, 0.83, 1))
    figure.savefig(target, format="svg", metadata={"Date": None})


def _save(figure: Any, axes: Any, target: Path) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, format="svg", metadata={"Date": None})


def main(results: dict[str, Any], directory: Path) -> None:
    """Draw what was measured."""
    mpl.use("svg")
    # Neither date nor random ids: the same figures give the same file.
    mpl.rcParams.update({"svg.hashsalt": "performance", "font.size": 10, "svg.fonttype": "none"})
    directory.mkdir(parents=True, exist_ok=True)
    if "http.best-1000" in results:
        draw_speed(results["http.best-1000"], directory / "performance.svg")
    if "growth" in results:
        draw_growth(results["growth"]["milliseconds"], directory / "growth.svg")


if __name__ == "__main__":
    main(json.load(sys.stdin), Path(sys.argv[1]))
