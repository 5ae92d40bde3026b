"""The report: reads a Run's files and writes one offline HTML page; computes no score of its own."""

from __future__ import annotations

from pathlib import Path

from striate.core.artifacts import write_text
from striate.core.run import RunFolder
from striate.report.diagram import write_diagram
from striate.report.facts import Facts, read_facts
from striate.report.page import page

__all__ = ["Facts", "page", "read_facts", "write_diagram", "write_report"]


def write_report(run: RunFolder) -> Path:
    """Write `report.html` from the Run's files; what is missing is said on the page.

    Args:
        run: a Run, finished or not.

    Returns:
        The report's path.
    """
    write_text(run.report, page(read_facts(run)))
    return run.report
