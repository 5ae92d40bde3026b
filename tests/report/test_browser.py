"""The pages as a browser shows them: quiet, alone, readable in light and dark, on a laptop, a phone and paper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_run import TRASH, make_run

from striate.report import write_beside, write_report
from tests.report.browser import Browser, found_browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(found_browser() is None, reason="no Chromium is on the path, so that no page can be shown"),
]

# Every text that is seen, with the contrast of its colour on what lies behind it (WCAG 2.1, 1.4.3).
CONTRAST = """(() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const linear = v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = c => { const l = c.slice(0, 3).map(linear);
    return .2126 * l[0] + .7152 * l[1] + .0722 * l[2] };
  const behind = element => { const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]) };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || element.closest("script,style,title,.skip") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), paper = behind(element);
    const ink = over(parse(element instanceof SVGElement ? style.fill : style.color), paper);
    const [high, low] = [light(ink), light(paper)].sort((a, b) => b - a);
    found.push([(high + .05) / (low + .05), text.slice(0, 40), element.outerHTML.slice(0, 120)]);
  }
  return found })()"""
UNNAMED = """[...document.querySelectorAll("img,svg,[role=img]")].filter(one =>
  !(one.getAttribute("alt") || one.getAttribute("aria-label") || one.querySelector(":scope > title")?.textContent))
  .map(one => one.outerHTML.slice(0, 200))"""
WIDE = "document.documentElement.scrollWidth - innerWidth"
EMPTY = """[...document.querySelectorAll("main > section")].filter(one => one.getBoundingClientRect().height < 40)
  .map(one => one.id)"""
BROKEN = "[...document.images].filter(one => !one.complete || !one.naturalWidth).length"
LOST = """[...document.querySelectorAll("a[href^='#']")].map(one => one.hash.slice(1))
  .filter(id => !document.getElementById(id))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = found_browser()
    assert program is not None
    with Browser(program) as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of every kind, each with a diagnosis, and one of several Runs."""
    folder = tmp_path_factory.mktemp("pages")
    hundred = [f"class {number:03d}" for number in range(100)]
    runs = {
        "few": make_run(folder / "few", per_class=30),
        "hundred": make_run(folder / "hundred", names=hundred, per_class=12),
        "values": make_run(folder / "values", "regress", ("cells",), per_class=60),
        "labels": make_run(folder / "labels", "multilabel", TRASH, per_class=60),
        "boxes": make_run(folder / "boxes", "detect", TRASH, per_class=60),
    }
    found = {"name": "over-fitting", "figures": "0.99 here, 0.70 there", "advice": "more", "flag": "--epochs 3"}
    runs["few"].diagnosis.write_text(json.dumps({"findings": [found], "alarms": [], "looked_for": ["moons"]}))
    found_pages = {name: write_report(run) for name, run in runs.items()}
    return {**found_pages, "beside": write_beside([runs["few"], runs["hundred"]], folder / "beside.html")}


KINDS = ("few", "hundred", "values", "labels", "boxes", "beside")


def faults(browser: Browser) -> dict[str, Any]:
    """Everything that is wrong with the page that is shown; empty values where nothing is."""
    told = browser.run(CONTRAST)
    assert len(told) > 60
    return {
        "pale": [one for one in told if one[0] < 4.5],
        "unnamed": browser.run(UNNAMED),
        "too wide by": browser.run(WIDE),
        "empty": browser.run(EMPTY),
        "broken pictures": browser.run(BROKEN),
        "links to nowhere": browser.run(LOST),
        "complaints": browser.complaints,
        "asked for": [one for one in browser.requests if not one.startswith(("file:///", "data:image/"))],
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_as_it_should_be(browser: Browser, pages: dict[str, Path], kind: str, width: int, dark: bool) -> None:
    browser.show(pages[kind], width=width, dark=dark)
    assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    found = faults(browser)
    assert {name: fault for name, fault in found.items() if fault} == {}
    files = {one for one in browser.requests if one.startswith("file:///")}
    assert files <= {page.resolve().as_uri() for page in pages.values()}


def test_faults_are_found(browser: Browser, tmp_path: Path) -> None:
    """The checks above can fail: a page with one fault of each kind has them all told."""
    page = tmp_path / "bad.html"
    texts = "<p>word</p>" * 70
    page.write_text(
        f"<!doctype html><title>x</title>{texts}<p style='color:#999;background:#fff'>pale</p><img src='gone.png'>"
        "<main><section id='thin'></section></main><div style='width:3000px'>wide</div><a href='#no'>lost</a>"
        "<script>console.error('loud')</script>"
    )
    complained, asked = len(browser.complaints), len(browser.requests)
    browser.show(page, width=390)
    found = faults(browser)
    assert [one[1] for one in found["pale"]] == ["pale"]
    assert len(found["unnamed"]) == found["broken pictures"] == 1
    assert found["too wide by"] > 1000
    assert found["empty"] == ["thin"]
    assert found["links to nowhere"] == ["no"]
    assert any("loud" in one for one in browser.complaints[complained:])
    assert any(one.endswith("gone.png") for one in browser.requests[asked:])
    del browser.complaints[complained:], browser.requests[asked:]


def test_all_is_reached_without_a_script(browser: Browser, pages: dict[str, Path]) -> None:
    browser.without_script()
    try:
        browser.show(pages["few"], width=390)
        opened = "(document.querySelector('nav details').open = true, 1)"  # what a tap does, script or not
        assert browser.run(opened) == 1
        links = browser.run("[...document.querySelectorAll('nav.folded a')].filter(a => a.checkVisibility()).length")
        assert links == browser.run("document.querySelectorAll('main > section').length") > 12
        assert browser.run("document.querySelectorAll('thead button').length") == 0  # the page's script did not run
        assert browser.run(EMPTY) == []
    finally:
        browser.without_script(False)


def test_it_prints_in_light_and_whole(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["hundred"], width=800, dark=True, paper=True)
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("document.querySelector('nav').checkVisibility()") is False
    cut = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollHeight > one.clientHeight + 2).length"
    assert browser.run(cut) == 0
    assert [one for one in browser.run(CONTRAST) if one[0] < 4.5] == []
    paper = browser.printed()
    assert paper.startswith(b"%PDF")
    assert 5 < paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page/") + paper.count(b"/Type/Page") < 200
