"""The plot of the documentation: how many times as fast this extension is. Run in the peers' environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.benchmarks.contestants import BARE, BEANIE, EVE, SMOREST

PEERS = ((SMOREST, "#4c72b0"), (EVE, "#dd8452"), (BEANIE, "#55a868"), (BARE, "#999999"))
WORKS = ("list", "get", "not modified", "create", "update")


def draw(results: dict[str, Any], target: Path) -> None:
    """Draw the ratios of the last judged table, with their range over the rounds."""
    mpl.use("svg")
    # Neither date nor random ids: the same figures give the same file.
    mpl.rcParams.update({"svg.hashsalt": "performance", "font.size": 10, "svg.fonttype": "none"})
    outcome = [outcome for outcome in results["http"] if outcome["scene"]["judged"]][-1]
    figure, axes = plt.subplots(figsize=(8, 4.2))
    width = 0.8 / len(PEERS)
    for index, (peer, color) in enumerate(PEERS):
        found = [
            (x, outcome["ratios"][work][peer.key])
            for x, work in enumerate(WORKS)
            if peer.key in outcome["ratios"].get(work, {})
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
            above_the_range = (x, ratio["high"])
            axes.annotate(
                f"{ratio['median']:.1f}",
                above_the_range,
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    axes.axhline(1, color="#333333", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5×", "1×", "2×", "5×", "10×", "20×"])
    axes.minorticks_off()
    axes.set_xticks(range(len(WORKS)), ["list of 50", "get", "get → 304", "create + audit", "update + audit"])
    axes.set_ylabel("times as many requests a second")
    axes.set_title(f"This extension against others ({outcome['scene']['title']})", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
