"""The builder of HTML: nothing that is put in as text can come out as a tag."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.report.html import Html, data_uri, escape, join, label, number, prose, shown, tag

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")))


class Seen(HTMLParser):
    """Tags, attributes and text, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS, TEXTS)
def test_any_text_comes_back_as_text(text: str, attribute: str) -> None:
    seen = Seen(tag("p", text, title=attribute))
    assert seen.tags == ["p"]
    assert seen.text == text
    assert seen.attributes == [("title", attribute)]


def test_html_is_not_escaped_twice() -> None:
    inner = tag("b", "a & b")
    assert isinstance(inner, Html)
    assert tag("p", inner, " < ", None, "c") == "<p><b>a &amp; b</b> &lt; c</p>"
    assert join(["<", inner], " ") == "&lt; <b>a &amp; b</b>"


def test_names_that_are_not_unicode_can_be_written() -> None:
    assert escape("caf\udce9\x1b.png") == "caf\ufffd\ufffd.png"
    escape("caf\udce9").encode("utf-8")


@given(TEXTS)
def test_prose_keeps_every_word(text: str) -> None:
    seen = Seen(prose(text))
    assert seen.text.replace("`", "") == text.replace("`", "")
    assert set(seen.tags) <= {"code"}


def test_void_tags_and_attributes() -> None:
    assert tag("img", src="a", hidden=False, open=True, class_="x", aria_label="y", alt=None) == (
        '<img src="a" open class="x" aria-label="y">'
    )


def test_numbers_keep_their_full_value() -> None:
    value = 0.986111111111
    assert number(value) == '<data value="0.986111111111">0.9861</data>'
    assert "data" not in number(None)
    assert "data" not in number(float("nan"))
    assert number("<b>") == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0000"), (1, "1"), (-0.5, "-0.5000"), (99.5, "99.50"), (2e9, "2e+09"), (1e-7, "1e-07"), (True, "True")],
)
def test_how_numbers_are_shown(value: object, text: str) -> None:
    assert shown(value) == text


def test_labels_of_unknown_metrics_are_their_words() -> None:
    assert label("mean_shape") == "mean shape"


def test_a_picture_becomes_a_uri_and_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x00\xff")
    assert data_uri(tmp_path / "a.png") == "data:image/png;base64,AP8="
    (tmp_path / "a.svg").write_text("<svg/>")
    with pytest.raises(ValueError, match=r"a\.svg"):
        data_uri(tmp_path / "a.svg")
