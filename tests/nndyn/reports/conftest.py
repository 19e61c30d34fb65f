"""Pages that several tests read, and what their HTML says."""

import re
from html.parser import HTMLParser

import pytest

import nndyn
from analyzers import ANALYZERS
from tests.nndyn.cli.conftest import cli

__all__ = ["cli"]


class Page(HTMLParser):
    """Rows of tables, tags with their attributes, and all text of a page."""

    def __init__(self, html):
        super().__init__()
        self.html, self.rows, self.tags, self.text = html, [], [], ""
        self._inside = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:  # meta, link and br have no end
            pass

    def handle_data(self, data):
        if "style" not in self._inside:
            self.text += data
        if self._inside and {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data

    @property
    def words(self):
        return " ".join(self.text.split())

    @property
    def identifiers(self):
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]

    @property
    def references(self):
        found = re.findall(r"url\(#([^)]+)\)", self.html)
        links = [attrs["href"] for _, attrs in self.tags if "href" in attrs]
        return set(found) | {link[1:] for link in links if link.startswith("#")}


def read(path):
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def trained_page(recording_path, tmp_path_factory):
    """The report on a small training."""
    return nndyn.report(recording_path, tmp_path_factory.mktemp("reports") / "iris.html")


@pytest.fixture(scope="session")
def small_study(tmp_path_factory):
    """A study of a training over three rates and two seeds; do not change it."""
    path = tmp_path_factory.mktemp("studies") / "study"
    options = {"data": "iris", "model": "mlp:4-3-3", "steps": 20, "replicas": 2}
    nndyn.sweep("training", path, lr=[0.25, 0.5, 1.0], seeds=2, **options)
    return path


@pytest.fixture
def only(monkeypatch):
    """Leave some analyzers alone in the table."""

    def leave(*names):
        monkeypatch.setattr("analyzers.rows", lambda: {name: ANALYZERS[name] for name in names})

    return leave
