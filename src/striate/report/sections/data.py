"""The data as the audit found it, and how it was split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from striate.core.wording import plural
from striate.report.bars import Part, bars
from striate.report.facts import Facts, names_in
from striate.report.html import Html, join, label, number, prose, shown, tag
from striate.report.sections.findings import findings
from striate.report.sections.near import near
from striate.report.sections.pictures import gallery
from striate.report.tables import Column, missing, share_bar, table

FATES = ("train", "val", "test", "excluded", "quarantined")
LIMIT = 200


def data(facts: Facts) -> Html:
    """What was read, what was left out and why, who is in which split, and what the pictures are like."""
    parts = [_counts(facts), _remarks(facts), _groups(facts), findings(facts), _classes(facts), _targets(facts)]
    if facts.audit:
        parts += [_quarantine(facts.audit), _excluded(facts), _twins(facts), near(facts), _leaks(facts.audit)]
        parts.append(_pictures(facts.audit))
    else:
        reason = facts.missing.get("audit.json", "it is empty")
        parts.append(missing(f"What the audit found cannot be shown: audit.json ({reason})."))
    return join(part for part in parts if part is not None)


def _counts(facts: Facts) -> Html:
    audit, split = facts.audit, facts.metrics.get("split")
    entries: list[tuple[str, Any]] = []
    if "samples" in audit:
        entries.append(("samples", number(audit["samples"])))
    near_names = ("near_duplicates", "near_conflicts") if audit.get("near_duplicates_checked") else ()
    for name in ("quarantined", "duplicates", "conflicts", *near_names, "leaks"):
        if isinstance(audit.get(name), list):
            words = {
                "duplicates": "groups of exact duplicates",
                "conflicts": "duplicates with different targets",
                "near_duplicates": "groups of near-duplicates",
                "near_conflicts": "near-duplicates with different targets",
            }
            entries.append((words.get(name, name), number(len(audit[name]))))
    if isinstance(split, dict):
        words = {"val": "validation"}
        entries += [
            (words.get(name, name), number(split[name])) for name in FATES if name in split and name != "quarantined"
        ]
    corrected = facts.metrics.get("relabelled")
    if isinstance(corrected, dict):
        entries.append(("labels corrected (relabel.csv)", number(corrected.get("changed"))))
        entries.append(("left out by that list", number(corrected.get("left_out"))))
    if not entries:
        return missing("No counts were recorded.")
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")


def _remarks(facts: Facts) -> Html | None:
    remarks = [str(text) for text in facts.audit.get("remarks") or []]
    return tag("ul", *(tag("li", prose(text)) for text in remarks)) if remarks else None


def _groups(facts: Facts) -> Html | None:
    """How many samples belong together, and how much of the data the largest group is."""
    sizes = Counter(row["group"] for row in facts.split if row.get("group"))
    if not sizes:
        return None
    largest, most = min(sizes.items(), key=lambda one: (-one[1], one[0]))
    grouped = f"{shown(sum(sizes.values()))} of {shown(len(facts.split))} samples are in {shown(len(sizes))} groups"
    return tag("p", f"{grouped}, each on one side of the split; the largest, ", tag("b", largest), f", has {most}.")


def _pixels(facts: Facts) -> Html | None:
    """The classes of masks by their pixels; None without masks."""
    shares, pictures = facts.audit.get("pixel_shares"), facts.audit.get("pictures_of_class")
    if not isinstance(shares, dict) or not isinstance(pictures, dict):
        return None
    rows = [
        [name, join([tag("span", f"{100 * share:.2f} %"), share_bar(share)], " "), number(pictures.get(name))]
        for name, share in sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))
    ]
    columns = [Column("class", "name"), Column("of the pixels", "number"), Column("in pictures", "number")]
    caption = f"Classes by their share of the masks' pixels: {shown(len(rows))}"
    return join([tag("h3", "Classes"), table(caption, columns, rows, sortable=True, tall=len(rows) > 16)])


def _classes(facts: Facts) -> Html | None:
    if facts.audit.get("pixel_shares"):
        return _pixels(facts)
    if facts.audit.get("boxes"):
        return _things(facts, facts.audit["boxes"])
    totals = facts.audit.get("classes")
    totals = totals if isinstance(totals, dict) else {}
    fates: dict[str, Counter[str]] = {}
    if facts.task not in ("regress", "segment"):
        for row in facts.split:
            for name in names_in(facts, row.get("target") or ""):
                fates.setdefault(name, Counter())[row.get("split") or ""] += 1
    names = list(dict.fromkeys([*totals, *(name for name in fates if name)]))
    if not names:
        return None
    known = [fate for fate in FATES if any(counts[fate] for counts in fates.values())]
    largest = max((count for count in totals.values() if isinstance(count, int)), default=0)
    rows = [
        [
            name,
            join(
                [number(totals.get(name)), share_bar(totals[name] / largest) if largest and name in totals else None],
                " ",
            ),
            *(number(fates.get(name, Counter())[fate]) for fate in known),
        ]
        for name in sorted(names, key=lambda name: (-(totals.get(name) or 0), name))
    ]
    columns = [Column("class", "name"), Column("pictures", "number"), *(Column(fate, "number") for fate in known)]
    caption = f"Classes by number of pictures, and where these went: {shown(len(names))}"
    chart = _chart({name: fates[name] for name in names if name in fates})
    return join([tag("h3", "Classes"), chart, table(caption, columns, rows, sortable=True, tall=len(rows) > 16)])


def _things(facts: Facts, boxes: dict[str, Any]) -> Html:
    """The classes of things, and what their boxes are like."""
    counts, pictures = boxes.get("by_class") or {}, facts.audit.get("classes") or {}
    fates: dict[str, Counter[str]] = {}
    for row in facts.split:
        for name in names_in(facts, row.get("target") or "") if facts.task == "detect" else ():
            fates.setdefault(name, Counter())[row.get("split") or ""] += 1
    known = [fate for fate in FATES if any(one[fate] for one in fates.values())]
    largest = max(counts.values(), default=0)
    rows = [
        [
            name,
            join([number(count), share_bar(count / largest) if largest else None], " "),
            number(pictures.get(name)),
            *(number(fates.get(name, Counter())[fate]) for fate in known),
        ]
        for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
    columns = [Column("class", "name"), Column("things", "number"), Column("in pictures", "number")]
    columns += [Column(fate, "number") for fate in known]
    caption = f"Classes by number of things, and where these went: {shown(len(rows))}"
    chart = _chart({name: fates[name] for name in counts if name in fates}, "Things by class and split")
    return join([tag("h3", "Classes"), chart, table(caption, columns, rows, sortable=True, tall=len(rows) > 16),
                 *_shapes(boxes)])  # fmt: skip


def _whole(value: Any) -> Html:
    """A figure, without decimals where it has none."""
    return number(int(value) if isinstance(value, float) and value == int(value) else value)


_SHAPES = {
    "per_picture": "things in a picture",
    "width": "width, px",
    "height": "height, px",
    "share": "share of the picture’s area",
    "aspect": "width over height",
}
_QUANTILES = {"min": "smallest", "p10": "10 %", "median": "median", "p90": "90 %", "max": "largest"}


def _shapes(boxes: dict[str, Any]) -> list[Html]:
    """How many boxes there are, how large they are, and the anchors that follow."""
    pictures = boxes.get("pictures") or {}
    entries = [("boxes", boxes.get("boxes")), ("pictures with nothing in them", pictures.get("empty")),
               ("pictures without annotation", pictures.get("unlabelled")), ("difficult", boxes.get("difficult")),
               ("crowds", boxes.get("crowd")), ("dropped, as they are no boxes", boxes.get("dropped"))]  # fmt: skip
    counted = (tag("div", tag("dt", name), tag("dd", number(value))) for name, value in entries if value is not None)
    parts = [tag("h3", "Boxes"), tag("dl", *counted, class_="facts")]
    rows = [
        [words, *(_whole(spread.get(one)) for one in _QUANTILES)]
        for name, words in _SHAPES.items()
        if isinstance(spread := boxes.get(name), dict)
    ]
    if rows:
        columns = [Column("what", "name"), *(Column(words, "number") for words in _QUANTILES.values())]
        parts.append(table("Numbers and sizes of boxes", columns, rows))
    anchors = boxes.get("anchors")
    if isinstance(anchors, dict) and anchors:
        sizes = [
            [
                count,
                join((f"{across:.0f} × {down:.0f}" for across, down in one["sizes"]), ", "),
                number(one["mean_iou"]),
            ]
            for count, one in anchors.items()
        ]
        columns = [Column("number", "name"), Column("width × height in the median picture, px", "wide"),
                   Column("mean overlap with the nearest", "number")]  # fmt: skip
        body = table("Sizes that stand for all boxes, by k-means with overlap for a distance", columns, sizes)
        parts.append(tag("details", tag("summary", "Anchors that follow"), body))
    reasons = [[str(one)] for one in boxes.get("reasons") or []]
    if reasons:
        body = table(_some("Boxes that are none", len(reasons), boxes.get("dropped") or len(reasons)),
                     [Column("which and why", "wide")], reasons)  # fmt: skip
        parts.append(tag("details", tag("summary", "Dropped boxes"), body))
    return parts


def _chart(fates: dict[str, Counter[str]], title: str = "Samples by class and split") -> Html | None:
    """Samples, or things, by class and split; None where no split is recorded."""
    parts = [
        (fate, Part(words, style))
        for fate, words, style in (
            ("train", "train", "second"),
            ("val", "validation", "third"),
            ("test", "test", "first"),
        )
        if any(counts[fate] for counts in fates.values())
    ]
    if not parts:
        return None
    rows = [(name, [counts[fate] for fate, _ in parts]) for name, counts in fates.items()]
    return bars(title, rows, [part for _, part in parts])


def _targets(facts: Facts) -> Html | None:
    summary = facts.audit.get("target_summary")
    if not isinstance(summary, dict) or not summary:
        return None
    columns = {name: column for name, column in summary.items() if isinstance(column, dict)}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [[target, *(number(column.get(name)) for name in names)] for target, column in columns.items()]
    if not rows:
        return None
    heads = [Column("target", "name"), *(Column(label(name), "number") for name in names)]
    return join([tag("h3", "Targets"), table("The values to predict", heads, rows)])


def _quarantine(audit: dict[str, Any]) -> Html | None:
    entries = audit.get("quarantined") or []
    if not entries:
        return None
    rows = [[entry.get("path") or entry.get("key") or "", entry.get("reason", "")] for entry in entries[:LIMIT]]
    caption = _some("Damaged files, left out and not touched", len(rows), len(entries))
    columns = [Column("file", "name"), Column("reason", "wide")]
    return join([tag("h3", "Quarantine"), table(caption, columns, rows, tall=len(rows) > 12)])


def _excluded(facts: Facts) -> Html | None:
    found = [row for row in facts.split if row.get("split") == "excluded"]
    if not found:
        return None
    rows = [[row.get("key", ""), _target(facts, row), row.get("reason", "")] for row in found[:LIMIT]]
    caption = _some("Samples left out of every split", len(rows), len(found))
    columns = [Column("sample", "name"), Column("target"), Column("reason", "wide")]
    return join([tag("h3", "Excluded"), table(caption, columns, rows, tall=len(rows) > 12)])


def _target(facts: Facts, row: dict[str, str]) -> str:
    """The target of a sample in a cell: of things their number."""
    target = row.get("target", "")
    return plural(len(names_in(facts, target)), "thing", "things") if facts.task == "detect" else target


def _twins(facts: Facts) -> Html | None:
    """One picture of each of the first groups, since all of a group look alike, and all groups by name."""
    audit = facts.audit
    groups = [group for group in audit.get("duplicates") or [] if isinstance(group, list)]
    if not groups:
        return None
    conflicts = {tuple(group) for group in audit.get("conflicts") or [] if isinstance(group, list)}
    ordered = sorted(groups, key=lambda group: tuple(group) not in conflicts)
    rows = [
        [join(tag("div", path) for path in group), "different targets" if tuple(group) in conflicts else "same target"]
        for group in ordered[:LIMIT]
    ]
    caption = _some("Groups of pictures with the same pixels, each kept in one split", len(rows), len(groups))
    body = table(caption, [Column("pictures", "name"), Column("targets")], rows, tall=len(rows) > 8)
    folded = tag("details", tag("summary", f"Groups of exact duplicates: {shown(len(groups))}"), body)
    return join([tag("h3", "Equal pictures"), gallery(facts, "equal", "gallery small"), folded])


def _leaks(audit: dict[str, Any]) -> Html | None:
    leaks = [leak for leak in audit.get("leaks") or [] if isinstance(leak, dict)]
    if not leaks:
        return None
    rows = [[leak.get("test", ""), leak.get("train", ""), leak.get("kind", "")] for leak in leaks[:LIMIT]]
    caption = _some("Pictures that the given splits hold on both sides", len(rows), len(leaks))
    columns = [Column("in test", "name"), Column("in training"), Column("kind")]
    return join([tag("h3", "Leaks between the given splits"), table(caption, columns, rows, tall=len(rows) > 12)])


def _pictures(audit: dict[str, Any]) -> Html:
    rows: list[Sequence[object]] = []
    for name, value in (audit.get("sizes") or {}).items():
        if isinstance(value, dict):
            rows.append([label(name), join((f"{label(part)} {shown(figure)}" for part, figure in value.items()), ", ")])
        else:
            rows.append([label(name), _plain(value)])
    for name, words in (("channels", "channels"), ("modes", "pixel formats"), ("notes", "done in reading")):
        found = audit.get(name)
        if isinstance(found, dict) and found:
            rows.append([words, join((f"{key}: {shown(count)}" for key, count in found.items()), ", ")])
    if isinstance(audit.get("detail"), int | float):
        rows.append(["detail reaches, as a share of the resolution", _plain(audit["detail"])])
    orientation = audit.get("orientation")
    if isinstance(orientation, dict) and orientation:
        found = join((f"{label(name)} {number(part)}" for name, part in orientation.items()), ", ")
        rows.append(["recognised when flipped, as a share of the pictures", found])
    names = (("depth", "bits"), ("value_range", "range of values"), ("full_scale", "value taken as full scale"))
    rows += [[words, _plain(audit[name])] for name, words in names if audit.get(name) is not None]
    for name, words in (("mean", "mean by channel, of 1"), ("std", "standard deviation by channel, of 1")):
        if audit.get(name) is not None:
            rows.append([words, _plain(audit[name])])
    if audit.get("fingerprint"):
        rows.append(["fingerprint of the data", tag("code", audit["fingerprint"])])
    if not rows:
        return missing("Nothing about the pictures themselves was recorded.")
    columns = [Column("what", "name"), Column("found", "wide")]
    return tag("details", tag("summary", "The pictures themselves"), table("The pictures themselves", columns, rows))


def _plain(value: Any) -> Html:
    if isinstance(value, list):
        return join((number(part) for part in value), ", ")
    return number(value) if isinstance(value, int | float) else join([shown(value)])


def _some(words: str, listed: int, total: int) -> str:
    return f"{words}: {shown(total)}" + ("" if listed == total else f", of which the first {shown(listed)} are listed")
