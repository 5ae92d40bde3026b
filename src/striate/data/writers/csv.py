"""A table of boxes: `boxes.csv` with a row for each, and a row without edges for a picture that has none."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from striate.core.records import Box
from striate.data.writers import WRITERS, Scene, number, too_thin

HEADER = ("path", "width", "height", "x1", "y1", "x2", "y2", "label", "difficult", "crowd", "area", "split")


class Csv:
    """See `Writer`."""

    keeps = frozenset({"difficult", "crowd", "area"})

    def picture(self, scene: Scene) -> str:
        """See `Writer`."""
        return f"images/{scene.file}"

    def refuses(self, box: Box, size: tuple[int, int]) -> str | None:
        """See `Writer`."""
        return too_thin(box)

    def files(self, scenes: Sequence[Scene], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See `Writer`."""
        buffer = io.StringIO(newline="")
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(HEADER)
        for scene in scenes:
            height, width = scene.size
            start, split = [self.picture(scene), width, height], scene.split or ""
            for box in scene.boxes:
                area = "" if box.area is None else number(box.area)
                edges = [number(edge) for edge in box.corners]
                table.writerow([*start, *edges, box.label, int(box.difficult), int(box.crowd), area, split])
            if not scene.boxes:
                table.writerow([*start, "", "", "", "", "", "", "", "", split])
        yield "boxes.csv", buffer.getvalue().encode("utf-8", "surrogateescape")


WRITERS.register("csv")(Csv())
