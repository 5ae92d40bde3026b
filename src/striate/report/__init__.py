"""The report: reads the files of Runs and writes one offline HTML page; computes no score of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from striate.core.artifacts import write_text
from striate.core.run import RunFolder
from striate.report.beside import beside
from striate.report.diagram import write_diagram
from striate.report.facts import Facts, Figure, read_facts
from striate.report.page import audit_page, page

__all__ = ["Facts", "page", "read_facts", "write_audit", "write_beside", "write_diagram", "write_report"]


def write_report(run: RunFolder) -> Path:
    """Write `report.html` from the Run's files; what is missing is said on the page.

    Args:
        run: a Run, finished or not.

    Returns:
        The report's path.
    """
    write_text(run.report, page(read_facts(run)))
    return run.report


def write_audit(
    path: Path, data: Path, audit: dict[str, Any], folder: Path, figures: Sequence[Mapping[str, str]]
) -> Path:
    """Write what an audit found as a page of its own.

    Args:
        path: the page.
        data: what was audited; its name is the heading.
        audit: what `Audit.to_dict` gives.
        folder: where the figures are, which the page then holds.
        figures: as `figures/index.json` lists them.

    Returns:
        the page's path.
    """
    drawn = [Figure(folder / one["file"], one["caption"], one["section"]) for one in figures]
    empty: dict[str, Any] = {}
    facts = Facts(
        name=data.name,
        path=data,
        metrics=empty,
        audit=audit,
        history=[],
        decisions={},
        environment=empty,
        split=[],
        predictions=[],
        figures=drawn,
        missing={},
        range_test=empty,
        diagnosis=empty,
        weights=empty,
    )
    write_text(path, audit_page(facts))
    return path


def write_beside(runs: Sequence[RunFolder], out: Path) -> Path:
    """Write one page that holds several Runs side by side, with links to the report of each.

    Args:
        runs: two or more, in the order in which they are shown.
        out: the page's path.

    Returns:
        that path.
    """
    links = [
        quote(os.path.relpath(run.report.resolve(), out.parent.resolve())) if run.report.exists() else None
        for run in runs
    ]
    write_text(out, beside([read_facts(run) for run in runs], links))
    return out
