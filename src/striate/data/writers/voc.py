"""Pascal VOC: `JPEGImages/`, an XML for each picture in `Annotations/`, and the splits in `ImageSets/Main/`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from striate.core.records import Box
from striate.data.writers import WRITERS, Scene, in_splits, number, too_thin


class Voc:
    """See `Writer`. Edges stand as they are; those that are no whole pixels have decimals, as some of VOC 2012 do.

    A score is an element `score` of its object, which readers of the format pass over.
    """

    keeps = frozenset({"difficult", "score"})

    def picture(self, scene: Scene) -> str:
        """See `Writer`."""
        return f"JPEGImages/{scene.file}"

    def refuses(self, box: Box, size: tuple[int, int]) -> str | None:
        """See `Writer`."""
        return too_thin(box)

    def files(self, scenes: Sequence[Scene], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See `Writer`."""
        for scene in scenes:
            yield f"Annotations/{scene.stem}.xml", _annotation(scene)
        for split, chosen in in_splits(scenes).items():
            if split is not None:
                lines = "".join(f"{scene.stem}\n" for scene in chosen)
                yield f"ImageSets/Main/{split}.txt", lines.encode("utf-8", "surrogateescape")


WRITERS.register("voc")(Voc())


def _annotation(scene: Scene) -> bytes:
    root = ElementTree.Element("annotation")
    _say(root, "folder", "JPEGImages")
    _say(root, "filename", scene.file)
    size = ElementTree.SubElement(root, "size")
    height, width = scene.size
    for name, value in (("width", width), ("height", height), ("depth", 3)):
        _say(size, name, str(value))
    _say(root, "segmented", "0")
    for box, score in scene.scored:
        one = ElementTree.SubElement(root, "object")
        _say(one, "name", box.label)
        _say(one, "pose", "Unspecified")
        _say(one, "truncated", "0")
        _say(one, "difficult", str(int(box.difficult)))
        if score is not None:
            _say(one, "score", repr(score))
        corners = ElementTree.SubElement(one, "bndbox")
        for name, edge in zip(("xmin", "ymin", "xmax", "ymax"), box.corners, strict=True):
            _say(corners, name, number(edge))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, "utf-8")) + b"\n"


def _say(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
