"""Boxes around the labels of nodes, and where they go in the room of each tree."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skpc.plotting._base import shortened
from skpc.plotting._layout import pushed_apart, tree_positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PADDING = 0.55
"""Of a label, times its font size, to each side."""

LINE = 1.25
"""Distance of lines in units of the font's size."""

DOT = 4.0
"""Points across a node without a label."""

_MOST_NAMES = 60
_WIDE = 3.0
_SPACE = "\N{NO-BREAK SPACE}"


class TreeRoom(NamedTuple):
    """One tree, and where it goes.

    Attributes
    ----------
    members : (n,) int
        Its regions.
    corner : (2,)
        The lower left one of its room, in points.
    room : width and height
    """

    members: np.ndarray
    corner: np.ndarray
    room: tuple[float, float]

    def ideal_positions(self, parents: np.ndarray) -> np.ndarray:
        """Where its nodes (n, 2) would be from the corner, if they had no labels."""
        number = np.append(np.full(len(parents), -1), -1)
        number[self.members] = np.arange(len(self.members))
        inner = self.room[0] - 2 * DOT, self.room[1] - 2 * DOT
        return tree_positions(number[parents[self.members]], inner) + DOT


def placed(
    trees: list[TreeRoom], ideal: list[np.ndarray], boxes: np.ndarray
) -> tuple[np.ndarray, float] | None:
    """Positions (n_regions, 2) of boxes around nodes, which are apart, and how far they moved.

    None if those of a tree find no room.
    """
    apart, moved = [], []
    for tree, points in zip(trees, ideal, strict=True):
        sizes = boxes[tree.members]
        one = pushed_apart(points, sizes, tree.room)
        if one is None:
            return None
        inside = np.clip(points, sizes / 2, np.array(tree.room) - sizes / 2)
        apart.append(one)
        moved.append(np.linalg.norm(one - inside, axis=1))
    return joined(trees, apart), float(np.concatenate(moved).mean())


def joined(trees: list[TreeRoom], positions: list[np.ndarray]) -> np.ndarray:
    """Positions (n_regions, 2) of all nodes, given those of each tree from its corner."""
    out = np.empty((sum(len(tree.members) for tree in trees), 2))
    for tree, points in zip(trees, positions, strict=True):
        out[tree.members] = tree.corner + points
    return out


def group_names(names: Sequence[str]) -> str:
    """All names of a group, in lines that make a box somewhat wider than high; "" of none."""
    if not names:
        return ""
    shown_names = [shortened(name) for name in names[:_MOST_NAMES]]
    if len(names) > _MOST_NAMES:
        shown_names.append(f"{len(names) - _MOST_NAMES} more")
    text = ", ".join(shown_names)
    longest = max(len(name) for name in shown_names) + 1
    # Lines break between names only.
    lines = fill(
        text.replace(" ", _SPACE).replace(f",{_SPACE}", ", "),
        max(int(_WIDE * np.sqrt(len(text))), longest),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace(_SPACE, " ")


def box_sizes(ax: Axes, labels: list[str]) -> np.ndarray:
    """Widths and heights (n, 2) of boxes around labels, in units of the font's size; 0 of none."""
    sizes = np.zeros((len(labels), 2))
    probe = ax.text(0.0, 0.0, "", fontsize=10.0)
    for i, label in enumerate(labels):
        if label:
            probe.set_text(label)
            width = probe.get_window_extent().width * 72.0 / ax.figure.dpi / 10.0
            sizes[i] = width, 1.3 + LINE * label.count("\n")
            sizes[i] += 2 * PADDING
    probe.remove()
    return sizes
