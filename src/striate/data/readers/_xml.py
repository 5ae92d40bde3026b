"""XML from others, read without harm: no document type, hence no entities to expand or to fetch; and no huge file."""

from __future__ import annotations

import os
from functools import partial
from typing import cast
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from striate.core.errors import DataError
from striate.core.records import Source
from striate.data.store import Store, printable

MAX_BYTES = 16 * 1024**2
"""The annotation of one picture takes kilobytes."""


def read_xml(store: Store, source: Source) -> Element:
    """The root of a file or member; see `parse_xml`. A file that is too large is not read."""
    name = printable(str(source))
    if source.kind == "file" and os.path.isfile(source.path):
        _check_size(os.path.getsize(source.path), name)
    return parse_xml(cast(bytes, store.read(source)), name)


def parse_xml(content: bytes, name: str) -> Element:
    """The root of a document.

    Args:
        name: of the file, for messages.

    Raises:
        DataError: cut off or otherwise no XML, too large, or with a document type, by which entities are declared.

    >>> parse_xml(b"<a><b>7</b></a>", "a.xml").findtext("b")
    '7'
    """
    _check_size(len(content), name)
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = partial(_refuse, name)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        said = expat.errors.messages[error.code]
        cut = said in (expat.errors.XML_ERROR_NO_ELEMENTS, expat.errors.XML_ERROR_UNCLOSED_TOKEN)
        raise DataError(
            f"{name} {'is cut off' if cut else 'is no XML'}: {said} at line {error.lineno}, column {error.offset + 1}",
            fix="fetch or write it again; leave the file out to have its picture without annotation",
        ) from error
    except (LookupError, ValueError) as error:
        raise DataError(f"{name} is no XML that can be read: {error}", fix="save it as UTF-8") from error
    return builder.close()


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise DataError(
            f"{name} has {size:,} bytes; at most {MAX_BYTES:,} are read for the annotation of one picture",
            fix="check that it is one, or give one file for each picture",
        )


def _refuse(name: str, *_: object) -> None:
    raise DataError(
        f"{name} declares a document type, by which XML can be made to grow without end or to read other files",
        fix="do not trust it; where it is sound, take its <!DOCTYPE …> out",
    )
