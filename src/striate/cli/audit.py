"""`striate audit`: read and decode everything once, and say what is there."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from striate.cli import _options
from striate.cli._console import figure, print_json, print_table, reporting, say
from striate.core.errors import UsageError

LISTED = 20
_OF_BOXES = {
    "per_picture": "in a picture",
    "width": "width, px",
    "height": "height, px",
    "share": "share of the picture",
    "aspect": "width over height",
}


def audit(
    data: _options.Data = None,
    task: _options.Task = None,
    reader: _options.Reader = None,
    label_depth: _options.LabelDepth = None,
    root: _options.Root = None,
    group: _options.Group = None,
    time: _options.Time = None,
    val: _options.Val = None,
    test: _options.Test = None,
    near_duplicates: Annotated[
        bool, typer.Option(help="Search for recompressed, resized and cropped copies too.")
    ] = True,
    html: Annotated[
        str | None, typer.Option(help="Write a page, with findings and pairs drawn.", metavar="FILE")
    ] = None,
    relabel: _options.Relabel = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Look for wrong labels too, and write the list here, to correct it.", metavar="FILE"),
    ] = None,
    weights: _options.Weights = None,
    as_json: _options.Json = False,
) -> None:
    """Read every sample once and say what is there.

    Damage, duplicates, leaks, classes, sizes, and what is odd about them; nothing is changed.

    \b
    [bold]Examples[/]
    striate audit photos/
    striate audit cifar10.zip --json
    striate audit photos/ --html audit.html     findings and near-duplicates drawn
    striate audit photos/ --labels labels.csv --weights resnet18.safetensors
    """
    if weights and labels is None:
        raise UsageError("--weights is for --labels: the audit alone needs none", fix="add --labels FILE")
    options = _options.given(
        data=data,
        task=task,
        reader=reader,
        label_depth=label_depth,
        root=root,
        group=group,
        time=time,
        val=val,
        test=test,
        relabel=relabel,
        html=html,
    )
    from striate import api

    with reporting() as reporter:
        if labels is None:
            audited = api.audit(**options, near_duplicates=near_duplicates, reporter=reporter)
            found, doubted = audited.to_dict(), None
        else:
            chosen = _options.given(weights=_options.one_or_several(weights))
            judged = api.label_errors(
                **options,
                **chosen,
                near_duplicates=near_duplicates,
                out=labels,
                shown=None if as_json else lambda audit: _show(audit.to_dict()),
                reporter=reporter,
            )
            found, doubted = judged.audit.to_dict(), judged.to_dict()
    if as_json:
        print_json(found if doubted is None else {**found, "label_errors": doubted})
        return
    if doubted is None:
        _show(found)
    else:  # the audit stands there already
        _show_labels(doubted)


def _show(audit: dict[str, Any]) -> None:
    rows: list[list[object]] = [["samples", f"{audit['samples']:,}"]]
    rows.append(["damaged, left out", f"{len(audit['quarantined']):,}"])
    rows.append(["groups of exact duplicates", f"{len(audit['duplicates']):,}"])
    rows.append(["… of them with different targets", f"{len(audit['conflicts']):,}"])
    near = f"{len(audit['near_duplicates']):,}" if audit["near_duplicates_checked"] else "not checked, see remarks"
    rows.append(["groups of near-duplicates", near])
    rows.append(["… of them with different targets", f"{len(audit['near_conflicts']):,}"])
    rows.append(["leaks between given splits", f"{len(audit['leaks']):,}"])
    for name, value in audit["sizes"].items():
        rows.append([name, _flat(value)])
    rows.append(["detail reaches", f"{audit['detail']:.0%} of the resolution"])
    orientation = {name.replace("_", " "): share for name, share in audit["orientation"].items()}
    rows.append(["recognised when flipped", _flat(orientation) or "not judged"])
    for name, words in (("channels", "channels"), ("modes", "pixel formats"), ("notes", "done in reading")):
        if audit.get(name):
            rows.append([words, _flat(audit[name])])
    print_table(["what", "found"], rows)
    _show_findings(audit.get("findings") or [])
    _show_classes(audit["classes"])
    _show_pixels(audit.get("pixel_shares") or {}, audit.get("pictures_of_class") or {})
    _show_targets(audit.get("target_summary") or {})
    _show_boxes(audit.get("boxes") or {})
    _list("damaged", [f"{one.get('path')}: {one.get('reason')}" for one in audit["quarantined"]])
    conflicts = {tuple(group) for group in audit["conflicts"]}
    twins = sorted((tuple(group) for group in audit["duplicates"]), key=lambda group: group not in conflicts)
    _list(
        "exact duplicates",
        ["  =  ".join(group) + ("   (different targets)" if group in conflicts else "") for group in twins],
    )
    at_odds = {tuple(group) for group in audit["near_conflicts"]}
    alike = sorted((tuple(group) for group in audit["near_duplicates"]), key=lambda group: group not in at_odds)
    _list(
        "near-duplicates",
        ["  ≈  ".join(group) + ("   (different targets)" if group in at_odds else "") for group in alike],
    )
    _list(
        "leaks",
        [f"test {one.get('test')}  =  train {one.get('train')}   ({one.get('kind')})" for one in audit["leaks"]],
    )
    _list("remarks", [str(text) for text in audit.get("remarks") or []])


def _show_findings(findings: list[dict[str, Any]]) -> None:
    if findings:
        rows = [
            [
                one["name"],
                f"{one['count']:,}",
                one["samples"][0] if one["samples"] else "",
                f"{one['advice']}: {one['flag']}" if one["flag"] else one["advice"],
            ]
            for one in findings
        ]
        say()
        print_table(["finding", "samples", "example", "what to do"], rows, right=["samples"])
        _list("seen", [f"{one['name']} ({one['severity']}): {one['text']}." for one in findings])


def _show_labels(found: dict[str, Any]) -> None:
    suspects = found["suspects"]
    say(
        f"\nlabels: about {found['estimated']:.1%} of {found['samples']:,} are estimated to be wrong, by models on "
        f"{found['features']} that had not seen the sample and agree with {found['accuracy']:.1%} of the labels"
    )
    if found["conflicting"]:
        say(f"{found['conflicting']:,} are equal pictures with different labels, of which some are wrong for certain")
    for text in found["notes"]:
        say(text)
    right = [one for one in suspects if one["label"] == one["suggested"]]
    wrong = [one for one in suspects if one["label"] != one["suggested"]]
    _show_suspects("likely wrong", wrong)
    _show_suspects("likely right, its equal has another label", right)
    say(f"all {len(suspects):,} are in {found['file']}: correct its column `label`, and give it back with --relabel")


def _show_suspects(title: str, suspects: list[dict[str, Any]]) -> None:
    if suspects:
        rows = [[one["path"], one["label"], one["suggested"], f"{one['confidence']:.0%}"] for one in suspects[:LISTED]]
        print_table([title, "label", "suggested", "sure"], rows, right=["sure"])
    if len(suspects) > LISTED:
        say(f"… and {len(suspects) - LISTED:,} more")


def _show_classes(classes: dict[str, int]) -> None:
    if classes:
        total = max(1, sum(classes.values()))
        ordered = sorted(classes.items(), key=lambda entry: (-entry[1], entry[0]))
        rows = [[name, f"{count:,}", f"{100 * count / total:.1f} %"] for name, count in ordered[: 2 * LISTED]]
        say()
        print_table(["class", "samples", "share"], rows, right=["samples", "share"])
        if len(ordered) > len(rows):
            say(f"… and {len(ordered) - len(rows):,} more classes")


def _show_pixels(shares: dict[str, float], pictures: dict[str, int]) -> None:
    if shares:
        ordered = sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))
        rows = [[name, f"{100 * share:.2f} %", f"{pictures[name]:,}"] for name, share in ordered[: 2 * LISTED]]
        say()
        print_table(["class", "of the pixels", "in pictures"], rows, right=["of the pixels", "in pictures"])
        if len(ordered) > len(rows):
            say(f"… and {len(ordered) - len(rows):,} more classes")


def _show_targets(summary: dict[str, dict[str, Any]]) -> None:
    if summary:
        names = list(dict.fromkeys(name for column in summary.values() for name in column))
        rows = [[target, *(figure(column.get(name)) for name in names)] for target, column in summary.items()]
        say()
        print_table(["target", *names], rows, right=names)


def _show_boxes(boxes: dict[str, Any]) -> None:
    if not boxes:
        return
    rows: list[list[object]] = [["boxes", f"{boxes['boxes']:,}"], ["… of each class", _flat(boxes["by_class"])]]
    rows.append(["dropped, as they are none", f"{boxes['dropped']:,}"])
    pictures = {name.replace("_", " "): count for name, count in boxes["pictures"].items()}
    rows.append(["pictures", _flat(pictures)])
    for name, words in _OF_BOXES.items():
        if name in boxes:
            rows.append([words, _flat(boxes[name])])
    for count, told in boxes.get("anchors", {}).items():
        sizes = "  ".join(f"{width:.0f}×{height:.0f}" for width, height in told["sizes"])
        rows.append([f"{count} sizes that stand for all", f"{sizes}   (mean overlap {told['mean_iou']:.3f})"])
    say()
    print_table(["of boxes", "found"], rows)


def _list(title: str, lines: list[str]) -> None:
    if lines:
        say(f"\n{title}")
        for line in lines[:LISTED]:
            say(f"  {line}")
        if len(lines) > LISTED:
            say(f"  … and {len(lines) - LISTED:,} more (all of them with --json)")


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) else f"{value:.3f}"
    return str(value)
