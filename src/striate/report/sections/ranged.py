"""The range test: the loss against the rate, and the rate that was read from it."""

from __future__ import annotations

import math

from striate.report.charts import Line, line_chart
from striate.report.facts import Facts
from striate.report.html import Html, join, number, prose, tag


def range_curve(facts: Facts) -> Html | None:
    """The curve with the chosen rate marked; None where no range test was run."""
    curve, rate = facts.range_test.get("curve"), facts.range_test.get("rate")
    if not isinstance(curve, list):
        return None
    points = [
        (math.log10(point[0]), float(point[1]) if isinstance(point[1], int | float) else None)
        for point in curve
        if isinstance(point, list) and len(point) == 2 and isinstance(point[0], int | float) and point[0] > 0
    ]
    rate = rate if isinstance(rate, int | float) and rate > 0 else None
    mark = None if rate is None else (math.log10(rate), f"chosen: {rate:.3g}")
    chart = line_chart(
        "Range test: smoothed loss at rising rates",
        [Line("loss", points, "first")],
        x_name="learning rate",
        mark=mark,
        powers=True,
    )
    because = facts.range_test.get("because")
    words = ["The rate is ", number(rate), ": ", prose(str(because)), "."] if rate is not None and because else []
    return join([tag("div", chart, class_="grid one"), tag("p", *words, class_="note") if words else None])
