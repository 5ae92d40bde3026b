"""The report: every figure from a file, nothing loaded, nothing invented, no name that becomes a tag."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fake_run import HOSTILE, TRASH, make_run

from striate.core.artifacts import read_json, write_json
from striate.core.run import RunFolder
from striate.report import page, read_facts, write_audit, write_report
from striate.report.facts import names_in

VOID = {"img", "meta", "br", "hr", "col"}


class Page(HTMLParser):
    """A page read as a browser reads it; fails on tags that do not match."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.unboxed: list[str] = []
        self.feed(content)
        self.close()
        assert not self.stack

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        boxes = [str(one.get("class")).split() for _, one in self.stack]
        if name == "table" and not any("scroll" in classes for classes in boxes):
            self.unboxed.append(name)
        self.elements.append((name, found))
        if name not in VOID:
            self.stack.append((name, found))

    def handle_endtag(self, name: str) -> None:
        opened, _ = self.stack.pop()
        assert opened == name, f"</{name}> closes <{opened}>"
        if name in ("td", "th", "li", "p", "dt", "dd", "h1", "h2", "h3", "caption"):
            self.texts.append((name, " "))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.stack[-1][0] if self.stack else "", data))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]

    @property
    def text(self) -> str:
        """What is read on the page, in one line."""
        return " ".join("".join(text for owner, text in self.texts if owner not in ("style", "script")).split())


def read(run: RunFolder) -> Page:
    return Page(write_report(run).read_text("utf-8"))


def numbers(content: Any) -> Iterator[float]:
    """Every number in a JSON value, and the lengths of its lists, which are what the page counts."""
    if isinstance(content, bool) or content is None:
        return
    if isinstance(content, int | float):
        yield float(content)
    elif isinstance(content, dict):
        for value in content.values():
            yield from numbers(value)
    elif isinstance(content, list):
        yield float(len(content))
        for value in content:
            yield from numbers(value)


def known_numbers(run: RunFolder) -> set[float]:
    """All figures in the Run's files, their counts, and the sums of the confusion matrix's rows."""
    found: set[float] = set()
    metrics = json.loads(run.metrics.read_text())
    for content in (metrics, json.loads(run.audit.read_text())):
        found |= set(numbers(content))
    for line in run.history.read_text().splitlines():
        found |= set(numbers(json.loads(line)))
    for part in metrics.get("confusion", {}).values():
        found |= {float(sum(row)) for row in (part["matrix"] if isinstance(part, dict) else part)}
    with open(run.predictions, newline="") as file:
        for row in csv.DictReader(file):
            found |= {float(value) for value in row.values() if re.fullmatch(r"-?[\d.]+(e-?\d+)?", value)}
    with open(run.split, newline="") as file:
        rows = list(csv.DictReader(file))
    found |= {float(count) for count in Counter((row["target"], row["split"]) for row in rows).values()} | {0.0}
    facts = read_facts(run)
    things = Counter((name, row["split"]) for row in rows for name in names_in(facts, row["target"]))
    return found | {float(count) for count in things.values()}


@pytest.mark.parametrize(
    ("task", "names"),
    [("classify", TRASH), ("multilabel", TRASH), ("regress", ("cells", "area")), ("detect", TRASH)],
    ids=lambda x: x,
)
def test_every_figure_stands_in_a_file(tmp_path: Path, task: str, names: tuple[str, ...]) -> None:
    run = make_run(tmp_path / "run", task, names, per_class=20)
    figures = [float(str(one["value"])) for one in read(run).all("data")]
    assert len(figures) > 40
    known = known_numbers(run)
    assert [value for value in figures if value not in known] == []


def test_the_headline_is_the_test_score_with_its_interval(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    test = json.loads(run.metrics.read_text())["test"]
    low, high = test["accuracy_interval"]
    assert f"accuracy is {test['accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f})" in read(run).text


def test_another_figure_in_the_file_is_another_figure_on_the_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    metrics = json.loads(run.metrics.read_text())
    assert "0.1234" not in read(run).text
    metrics["test"]["accuracy"] = 0.12341
    run.metrics.write_text(json.dumps(metrics))
    assert "accuracy is 0.1234" in read(run).text


def test_which_way_is_up_is_shown_where_it_was_judged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    audit = json.loads(run.audit.read_text())
    found = [f"{share:.4g}" for share in audit["orientation"].values()]
    shown = re.search(r"recognised when flipped, as a share of the pictures(.{0,200})", read(run).text, re.DOTALL)
    assert shown
    assert [figure for figure in found if figure in shown[1]] == found
    audit["orientation"] = {}
    run.audit.write_text(json.dumps(audit))
    assert "recognised when flipped" not in read(run).text


def test_findings_are_told_with_their_pictures_and_flags(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "classify", TRASH)
    content = read_json(run.audit)
    content["findings"] = [
        {
            "name": "bars at the edges",
            "text": "12 pictures have bars <b>",
            "count": 12,
            "samples": ["a/1.jpg"],
            "severity": "high",
            "advice": "cut them off with `a tool`",
            "flag": "--group '{group}_{n}'",
        }
    ]
    write_json(run.audit, content)
    figures = read_json(run.figures / "index.json")
    write_json(
        run.figures / "index.json",
        [*figures, {"file": figures[0]["file"], "caption": "a/1.jpg", "section": "finding: bars at the edges"}],
    )
    html = page(read_facts(run))
    assert "12 pictures have bars &lt;b&gt;" in html
    assert "<code>a tool</code>, by <code>--group &#x27;{group}_{n}&#x27;</code>" in html
    assert "<figcaption>a/1.jpg</figcaption>" in html
    del content["findings"]  # an audit from before they were looked for
    write_json(run.audit, content)
    assert "Findings" not in page(read_facts(run))


def test_classes_of_masks_are_shown_by_their_pixels(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "classify", TRASH)
    content = read_json(run.audit)
    shares = {"sky <b>": 0.375, "road": 0.625}
    write_json(run.audit, {**content, "pixel_shares": shares, "pictures_of_class": {"sky <b>": 17, "road": 29}})
    read = Page(page(read_facts(run))).text
    assert "Classes by their share of the masks' pixels: 2" in read
    assert read.index("62.50 %") < read.index("37.50 %")
    assert "sky <b>" in read
    assert "Classes by number of pictures" not in read


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = read(make_run(tmp_path / "run"))
    for name, attributes in page.elements:
        assert name not in ("link", "iframe", "object", "embed", "base", "form")
        for key, value in attributes.items():
            assert not key.startswith("on"), f"<{name} {key}>"
            if key in ("src", "href", "xlink:href", "action", "srcset"):
                assert str(value).startswith(("data:image/", "#")), f"<{name} {key}={value!r}>"
    style = "".join(text for owner, text in page.texts if owner == "style")
    assert "url(" not in style
    assert "@import" not in style


def test_only_the_one_script_may_run(tmp_path: Path) -> None:
    page = read(make_run(tmp_path / "run"))
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    (script,) = [text for owner, text in page.texts if owner == "script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)


@pytest.mark.parametrize("task", ["classify", "multilabel", "regress"])
def test_a_hostile_name_stays_a_name(tmp_path: Path, task: str) -> None:
    page = read(make_run(tmp_path / "run", task, (HOSTILE, "b", "c"), per_class=12))
    assert len(page.all("script")) == 1
    assert HOSTILE in page.text
    assert not [name for name, attributes in page.elements if any(key.startswith("on") for key in attributes)]
    anchors = {str(one["href"])[1:] for one in page.all("a")}
    assert anchors <= {str(one.get("id")) for _, one in page.elements}


def test_every_name_in_every_file_is_escaped(tmp_path: Path) -> None:
    run = make_run(tmp_path / HOSTILE.replace("/", "_"), per_class=12)
    for path in (run.audit, run.split, run.plan, run.predictions, run.figures / "index.json", run.environment):
        content = path.read_text()
        for word in ("cardboard", "trashnet", "photographs"):
            content = content.replace(word, "<img src=x onerror=alert(1)>")
        path.write_text(content)
    page = read(run)
    assert not [one for one in page.all("img") if one.get("src") == "x"]
    assert page.text.count("<img src=x onerror=alert(1)>") > 10


def test_names_that_are_not_unicode_are_shown_as_well_as_can_be(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=12)
    for path in (run.predictions, run.split):
        path.write_bytes(path.read_bytes().replace(b"glass_test", b"gl\xe9ss_test"))
    assert "gl\ufffdss_test" in read(run).text


@pytest.mark.parametrize(
    "name",
    [
        "metrics.json",
        "audit.json",
        "history.jsonl",
        "plan.yaml",
        "environment.json",
        "split.csv",
        "predictions.csv",
        "figures/index.json",
    ],
)
@pytest.mark.parametrize("how", ["absent", "damaged"])
def test_what_is_missing_is_said(tmp_path: Path, name: str, how: str) -> None:
    run = make_run(tmp_path / "run", per_class=12)
    whole = read(run).text
    assert f"{name}: it is not there" not in whole
    path = run.path / name
    if how == "absent":
        path.unlink()
        assert f"{name}: it is not there" in read(run).text
    elif path.suffix != ".csv":  # any text is a CSV
        path.write_text("{ this is [ not")
        assert f"{name}: " in read(run).text
    assert "cardboard" in read(run).text


def test_what_the_weights_come_from_is_listed_with_licence_and_bias(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=12)
    assert "Pretrained weights" not in read(run).text
    sources = [{"source": HOSTILE, "network": "compact", "license": "MIT", "bias": "few owls"}, {"source": "ImageNet"}]
    gap = {"distance": 0.5, "layers": {"stem.norm": 0.25, "last": 0.75}, "pictures": 9, "verdict": "some way off"}
    run.weights.write_text(json.dumps({"sources": sources, "gap": gap, "gap_in_words": "the pictures are near."}))
    page = read(run)
    for words in ("Pretrained weights", HOSTILE, "few owls", "ImageNet", "not stated", "The pictures are near."):
        assert " ".join(words.split()) in page.text
    assert "stem.norm 0.2500 last 0.7500" in page.text
    run.weights.write_text("[]")
    assert "weights.json" in read(run).text


def test_an_unfinished_run_has_a_report_without_scores(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.environment.write_text('{"striate_run": 1}')
    page = read(run)
    assert "There are no scores" in page.text
    assert page.all("data") == []


def test_no_test_split_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=12)
    metrics = json.loads(run.metrics.read_text())
    for name in ("test", "per_class", "confusion"):
        del metrics[name]
    run.metrics.write_text(json.dumps(metrics))
    text = read(run).text
    assert "No test score: the data has no such split" in text
    assert "There was no test split, so this figure also chose the best epoch" in text


def test_what_was_not_checked_and_what_has_no_value_is_listed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=12)
    metrics = json.loads(run.metrics.read_text())
    metrics["not_checked"], metrics["undefined"] = ["the moon's phase"], ["precision of glass: never predicted"]
    metrics["test"]["log_loss"] = None
    run.metrics.write_text(json.dumps(metrics))
    page = read(run)
    assert "the moon's phase" in page.text
    assert "precision of glass: never predicted" in page.text
    assert any(one.get("title") == "not defined, or not recorded" for one in page.all("span"))


def test_the_confusion_matrix_shades_shares_of_the_rows(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", names=("cat", "dog"), per_class=10)
    metrics = json.loads(run.metrics.read_text())
    metrics["confusion"]["test"] = {"classes": ["cat", "dog"], "matrix": [[9, 1], [0, 10]]}
    run.metrics.write_text(json.dumps(metrics))
    cells = {str(one.get("title")): one for one in read(run).all("td") if one.get("title")}
    assert set(cells) == {
        "9 of 10 cat called cat (90.0 %)",
        "1 of 10 cat called dog (10.0 %)",
        "10 of 10 dog called dog (100.0 %)",
    }
    assert cells["1 of 10 cat called dog (10.0 %)"]["class"] == "wrong"
    assert cells["9 of 10 cat called cat (90.0 %)"]["style"] == "--shade:0.949"


def test_a_matrix_without_names_takes_those_of_the_class_table(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", names=("cat", "dog"), per_class=10)
    assert any("called dog" in str(one.get("title")) for one in read(run).all("td"))
    metrics = json.loads(run.metrics.read_text())
    del metrics["per_class"]
    run.metrics.write_text(json.dumps(metrics))
    assert any("called 1 (" in str(one.get("title")) for one in read(run).all("td"))


def test_a_loss_is_drawn_for_validation_only_where_there_is_one(tmp_path: Path) -> None:
    assert "validation log loss" in read(make_run(tmp_path / "a", per_class=12)).text
    assert "validation loss" not in read(make_run(tmp_path / "b", "regress", ("n",), per_class=12)).text


def test_many_classes_give_pairs_in_place_of_a_matrix(tmp_path: Path) -> None:
    names = [f"class {number:02d}" for number in range(31)]
    run = make_run(tmp_path / "run", names=names, per_class=10)
    matrix = [[10 if row == column else 0 for column in range(31)] for row in range(31)]
    matrix[4][7], matrix[4][4] = 3, 7
    matrix[9][2], matrix[9][9] = 5, 5
    metrics = json.loads(run.metrics.read_text())
    metrics["confusion"]["test"] = matrix
    run.metrics.write_text(json.dumps(metrics))
    page = read(run)
    assert "confusion" not in [one.get("class") for one in page.all("table")]
    assert "The 2 most confused of 2 confused pairs" in page.text
    assert page.text.index("class 09 class 02 5 50.0 %") < page.text.index("class 04 class 07 3 30.0 %")


def test_thirty_classes_still_have_a_matrix(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", names=[f"class {number:02d}" for number in range(30)], per_class=4)
    assert "confusion" in [one.get("class") for one in read(run).all("table")]


def test_classes_come_weakest_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=12)
    table = json.loads(run.metrics.read_text())["per_class"]["test"]
    weakest = min(table, key=lambda entry: entry["f1"])["class"]
    page = write_report(run).read_text()
    first = re.search(r'<th scope="row" class="name">(\w+)</th>', page.split("weakest first</caption>")[1])
    assert first is not None
    assert first.group(1) == weakest


def test_the_mistakes_are_the_wrong_answers_with_the_largest_loss(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with open(run.predictions, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test" and row["target"] != row["prediction"]]
    rows.sort(key=lambda row: -float(row["loss"]))
    body = write_report(run).read_text().split("largest loss first</caption>")[1].split("</table>")[0]
    assert re.findall(r'class="name">([^<]+)</th>', body)[1:4] == [row["key"] for row in rows[:3]]
    assert f"20 of {len(rows)} mistakes" in read(run).text


def test_no_mistake_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=5)
    run.predictions.write_text("split,key,target,prediction,confidence,loss\ntest,a.png,cat,cat,0.9,0.1\n")
    assert "None of the 1 test pictures was called wrong" in read(run).text


def test_regression_draws_a_scatter_for_every_column(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "regress", ("cells", "area"), per_class=37)
    page = read(run)
    assert sum(one.get("class") == "point" for one in page.all("circle")) == 2 * 37
    assert "cells: predicted against true, test" in page.text
    assert "cells 0.9000 1.5000 – 37" in page.text
    assert "Classes" not in [text for owner, text in page.texts if owner == "h2"]


def test_a_large_scatter_is_thinned_and_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "regress", ("cells",), per_class=4000)
    page = read(run)
    assert sum(one.get("class") == "point" for one in page.all("circle")) == 1334
    assert "One in 3 of 4\u202f000 pictures is drawn." in "".join(text for _, text in page.texts)


def test_pictures_are_inside_the_page_in_pairs_with_words(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    page = read(run)
    assert len(page.all("img")) == len(json.loads((run.figures / "index.json").read_text())) == 26
    assert all(one.get("alt") for one in page.all("img"))
    assert sum("pair" in str(one.get("class")).split() for one in page.all("figure")) == 12
    content = str(page.all("img")[0]["src"]).removeprefix("data:image/png;base64,")
    assert base64.b64decode(content) == (run.figures / "mistakes-1.png").read_bytes()


def test_a_figure_that_is_gone_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run.figures / "mistakes-2.png").unlink()
    page = read(run)
    assert "figures/mistakes-2.png cannot be shown" in page.text
    assert len(page.all("img")) == 25


def test_a_figure_outside_the_folder_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    entry = {"file": "../../secret.png", "caption": "x", "section": "mistakes"}
    (run.figures / "index.json").write_text(json.dumps([entry]))
    facts = read_facts(run)
    assert facts.figures == []
    assert "outside its folder" in facts.missing["figures/index.json"]


def test_decisions_show_value_because_and_whose_they_are(tmp_path: Path) -> None:
    text = read(make_run(tmp_path / "run", per_class=12)).text
    assert "13 decisions: 9 by rule, 2 yours, 2 measured" in text
    assert "0.0513 measured a range test of 61 steps fell fastest at 0.103; half of it is taken" in text


def test_the_page_can_be_used_without_seeing_it(tmp_path: Path) -> None:
    page = read(make_run(tmp_path / "run"))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert page.unboxed == []
    assert len(page.all("table")) == len(page.all("caption")) > 10
    assert all(
        one.get("tabindex") == "0" and one.get("aria-label")
        for one in page.all("div")
        if "scroll" in str(one.get("class"))
    )
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    assert len([one for one in page.all("svg") if one.get("role") == "img"]) == len(page.all("svg")) == 4


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=12)
    assert write_report(run) == run.report
    first = run.report.read_bytes()
    write_report(run)
    assert run.report.read_bytes() == first


def contrast(first: str, second: str) -> float:
    """WCAG 2.1's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        colour = colour.removeprefix("#")
        colour = "".join(2 * digit for digit in colour) if len(colour) == 3 else colour
        parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_can_be_read_in_light_and_in_dark(tmp_path: Path) -> None:
    page = read(make_run(tmp_path / "run", per_class=12))
    style = "".join(text for owner, text in page.texts if owner == "style")
    themes = re.findall(r":root\{([^}]*--ink[^}]*)\}", style)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--([\w-]+):(#\w+)", theme))
        for ink in ("ink", "soft", "accent", "first", "second", "third"):
            for paper in ("page", "card"):
                assert contrast(colours[ink], colours[paper]) >= 4.5, f"{ink} on {paper}"
        assert contrast(colours["warn"], colours["warn-page"]) >= 4.5


def test_a_head_that_no_epoch_beat_is_said_and_groups_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    metrics = json.loads(run.metrics.read_text())
    metrics["training"]["best_epoch"] = 0
    metrics["test"]["groups"] = 37
    run.metrics.write_text(json.dumps(metrics))
    history = run.history.read_text().splitlines()
    start = {**json.loads(history[0]), "epoch": 0, "step": 0, "train_loss": None, "rate": 0}
    run.history.write_text("\n".join([json.dumps(start), *history]) + "\n")
    page = read(run).text
    assert "taken: the head alone, which no epoch beat by its margin" in page
    assert "best: epoch 0" not in page
    assert re.search(r"over\s+37\s+groups", page)
    assert "used to choose the best epoch" in page
    metrics["training"]["refitted"] = 1234
    run.metrics.write_text(json.dumps(metrics))
    page = read(run).text
    assert "used to choose the best epoch" not in page
    assert "before it was fitted to them too" in page
    assert re.search(r"head.s last fit\W+1.234", page)


def test_near_duplicates_are_drawn_in_the_data_and_in_a_page_of_the_audit(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    entries = json.loads((run.figures / "index.json").read_text())
    pair = {"file": "mistakes-1.png", "caption": f"0.93 alike: {HOSTILE}", "section": "near_duplicates"}
    (run.figures / "index.json").write_text(json.dumps([*entries, pair]))
    page = read(run)
    assert len(page.all("img")) == len(entries) + 1
    assert "Groups of near-duplicates, each kept in one split: 1" in page.text
    audit = json.loads(run.audit.read_text())
    path = write_audit(tmp_path / "audit.html", tmp_path / HOSTILE[:8], audit, run.figures, [pair])
    alone = Page(path.read_text("utf-8"))
    assert [one["alt"] for one in alone.all("img")] == [pair["caption"]]
    assert "Groups of near-duplicates" in alone.text
    assert "".join(text for owner, text in alone.texts if owner == "h2").strip() == "The data"
    write_audit(path, tmp_path, {**audit, "near_duplicates": []}, run.figures, [])
    assert "Groups of near-duplicates" not in Page(path.read_text("utf-8")).text
