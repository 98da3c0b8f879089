"""Sphinx configuration: ``sphinx-build -W --keep-going -n docs docs/_build``.

Nothing is fetched, neither here nor by readers: references to scikit-learn are resolved by the
package that is installed, and KaTeX, which shows formulas, is in ``_static``.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from docutils import nodes
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sphinx.application import Sphinx

import skpc

project = "skpc"
author = "the skpc developers"
copyright = author
release = version = skpc.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["_build", "examples", "gallery/**/*.py", "gallery/**/*.ipynb"]
templates_path = ["_templates"]
nitpicky = True
default_role = "literal"

copybutton_exclude = ".linenos, .gp, .go"  # neither prompts nor outputs

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

html_math_renderer = "katex"
html_static_path = ["_static"]
html_css_files = ["site.css"]
toc_object_entries_show_parents = "hide"

autosummary_generate = True
autodoc_typehints = "none"  # types are in the docstrings
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": os.sep,
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skpc",),
    "reference_url": {"skpc": None},
    "default_thumb_file": None,
    "remove_config_comments": True,
    "subsection_order": [
        f"examples/{task}"
        for task in ("density", "anomalies", "missing_values", "synthetic_data", "curvature")
    ],
    "within_subsection_order": "FileNameSortKey",
    "thumbnail_size": (480, 320),
    "write_computation_times": False,  # pages that fetch scripts
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skpc"
html_show_sourcelink = False
html_sidebars = {
    page: []
    for page in (
        *("index", "install", "quickstart", "mathematics", "circuit-format", "comparison"),
        *("benchmarks/RESULTS", "glossary", "architecture", "what-we-tried"),
        *("changelog", "release", "contributing"),
    )
}
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}

_SKLEARN = "https://scikit-learn.org/stable/modules/generated/{}.html"


def _link_sklearn(app: Sphinx, env: Any, node: nodes.Element, content: nodes.Node) -> Any:
    """Point to scikit-learn's page of a class or function, if there is one of this name."""
    module, _, name = str(node.get("reftarget", "")).rpartition(".")
    if module.split(".")[0] != "sklearn" or not hasattr(import_module(module), name):
        return None
    address = _SKLEARN.format(f"{module}.{name}")
    return nodes.reference("", "", content, internal=False, refuri=address)


def _inline_math(translator: Any, node: nodes.Element) -> None:
    """Leave a formula as it was written: scripts of this site, KaTeX, show it."""
    translator.body.append(f'<span class="formula">{translator.encode(node.astext())}</span>')
    raise nodes.SkipNode


def _displayed_math(translator: Any, node: nodes.Element) -> None:
    translator.body.append(f'<div class="formula">{translator.encode(node.astext())}</div>')
    raise nodes.SkipNode


def _add_katex(app: Sphinx, page: str, template: str, context: Any, doctree: Any) -> None:
    """Let pages with formulas load what shows them."""
    if doctree and app.env.get_domain("math").has_equations(page):  # type: ignore[attr-defined]
        app.add_css_file("katex/katex.min.css")
        app.add_js_file("katex/katex.min.js")
        app.add_js_file("formulas.js")


def _skip_sklearn(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool:
    """Leave out what estimators have from scikit-learn, and the methods it makes for routing."""
    is_routing = name.startswith("set_") and name.endswith("_request")
    return skip or is_routing or str(getattr(obj, "__module__", "")).startswith("sklearn")


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.add_html_math_renderer("katex", (_inline_math, None), (_displayed_math, None))
    app.connect("html-page-context", _add_katex)
    app.connect("missing-reference", _link_sklearn)
    app.connect("autodoc-skip-member", _skip_sklearn)
