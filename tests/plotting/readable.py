"""Whether pictures can be read: no label hides another or leaves the figure."""

from itertools import combinations
from unittest.mock import patch

import matplotlib as mpl


def drawn_texts(figure):
    """All texts that a picture shows, with their boxes in pixels."""
    texts, draw_text = {}, mpl.text.Text.draw

    def record(text, renderer):
        if text.get_text().strip() and text.get_visible():
            texts[id(text)] = text
        draw_text(text, renderer)

    with patch.object(mpl.text.Text, "draw", record):
        figure.canvas.draw()
    return [(text.get_text(), text.get_window_extent()) for text in texts.values()]


def assert_readable(figure):
    """No label hides another or leaves the figure."""
    shown = drawn_texts(figure)
    assert shown
    for name, box in shown:
        assert figure.bbox.padded(1).contains(box.x0, box.y0), name
        assert figure.bbox.padded(1).contains(box.x1, box.y1), name
    for (name, a), (other, b) in combinations(shown, 2):
        apart = a.x1 < b.x0 + 1 or b.x1 < a.x0 + 1 or a.y1 < b.y0 + 1 or b.y1 < a.y0 + 1
        assert apart, f"{name!r} and {other!r} overlap"
