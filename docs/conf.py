"""The site: ``make docs`` builds it into build/docs, without a network, warnings being errors."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import sphinx_autosummary_accessors

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import nndyn
import nndyn.accessor  # noqa: F401  registers what the reference documents

project = "nndyn"
author = copyright = "The nndyn developers"
version = release = nndyn.__version__

extensions = [
    "extension.commands",
    "extension.options",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_autosummary_accessors",
]
exclude_patterns = ["paper"]
templates_path = [sphinx_autosummary_accessors.templates_path]
# folders of pages, and pages that scripts write, may be empty or not there
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", "") != "empty_glob"
)

highlight_language = "text"
default_role = "py:obj"

myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_render_image_options = {"alt": "What the cell above draws"}

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "nndyn"
html_show_sourcelink = False
html_static_path = ["style"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "navigation_depth": 2,
    "show_toc_level": 2,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
