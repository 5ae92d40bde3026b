"""JSON too large to be held: the elements of the lists at its top, one after another, in memory for one of them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator
from typing import IO, Any

from striate.core.errors import DataError

CHUNK = 1 << 20
MAX_ELEMENT = 64 * 1024**2
"""Characters of one value: the longest outline takes a few million."""

_SPACE = " \t\r\n"
_GOES_ON = (".", "e", "E")  # after the digits of a number
_BEGUN = re.compile(r"[\w.+-]{0,9}\s*\Z")  # a number or a word that may have gone on


def stream_lists(file: IO[bytes], name: str, wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Each element of the wanted lists of a JSON object, with the list's key, in the file's order.

    Args:
        file: open to read, at its start.
        name: of the file, for messages.
        wanted: keys; what stands under others is passed over.

    Raises:
        DataError: cut off, no JSON, no object, a key that stands twice, or something else than a list under a wanted
            key.

    >>> import io
    >>> list(stream_lists(io.BytesIO(b'{"info": {"a": 1}, "images": [{"id": 7}, {"id": 8}]}'), "a.json", ["images"]))
    [('images', {'id': 7}), ('images', {'id': 8})]
    """
    text = _Text(file, name)
    if text.next() != "{":
        raise text.wrong("an object, which begins with '{', was expected")
    seen: set[str] = set()
    if text.next() == "}":
        return
    text.back()
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise text.wrong("a key in quotes was expected")
        if key in seen:
            raise text.wrong(f"the key {key!r} stands twice")
        seen.add(key)
        if text.next() != ":":
            raise text.wrong(f"a ':' was expected after the key {key!r}")
        if text.next() == "[":
            for element in _elements(text):
                if key in wanted:
                    yield key, element
        else:
            text.back()
            text.value()
            if key in wanted:
                raise text.wrong(f"a list was expected under {key!r}")
        mark = text.next()
        if mark == "}":
            return
        if mark != ",":
            raise text.wrong("a ',' or '}' was expected")


def _elements(text: _Text) -> Iterator[Any]:
    if text.next() == "]":
        return
    text.back()
    while True:
        yield text.value()
        mark = text.next()
        if mark == "]":
            return
        if mark != ",":
            raise text.wrong("a ',' or ']' was expected")


class _Text:
    """A file's characters, of which a window is held."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.file = file
        self.name = name
        self.decode = codecs.getincrementaldecoder("utf-8-sig")("strict").decode
        self.window = ""
        self.place = 0
        self.before = 0
        self.ended = False
        self.decoder = json.JSONDecoder()

    def next(self) -> str:
        """The next character that is no space."""
        while True:
            while self.place < len(self.window) and self.window[self.place] in _SPACE:
                self.place += 1
            if self.place < len(self.window):
                self.place += 1
                return self.window[self.place - 1]
            if self.ended:
                raise self._cut()
            self._more(CHUNK)

    def back(self) -> None:
        """As if the last character had not been taken."""
        self.place -= 1

    def value(self) -> Any:
        """The next value, whole."""
        self.next()
        self.back()
        while True:
            fault: json.JSONDecodeError | None = None
            try:
                value, end = self.decoder.raw_decode(self.window, self.place)
                if len(self.window) - end > 2 or self.ended:  # a number may go on: "1", then "e+5"
                    if self.window[end : end + 1] in _GOES_ON and _BEGUN.match(self.window, end):
                        raise self._cut()
                    self.place = end
                    return value
            except json.JSONDecodeError as error:
                fault = error
            except RecursionError as error:
                raise self.wrong("it is nested too deeply") from error
            held = len(self.window) - self.place
            if self.ended or held > MAX_ELEMENT:
                assert fault is not None or held > MAX_ELEMENT
                at_end = fault is None or "Unterminated" in fault.msg or _BEGUN.match(self.window, fault.pos)
                if self.ended and at_end:
                    raise self._cut()
                self.place = fault.pos if fault is not None else self.place
                raise self.wrong(fault.msg if fault is not None else "one value takes too much")
            self._more(max(CHUNK, held))  # doubled, so that a long value is not parsed over and over

    def _more(self, size: int) -> None:
        self.before += self.place
        self.window = self.window[self.place :]
        self.place = 0
        content = self.file.read(size)
        self.ended = not content
        try:
            self.window += self.decode(content, self.ended)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.name} is not UTF-8: {error.reason}", fix="save it as UTF-8") from error

    def wrong(self, what: str) -> DataError:
        """An error about what stands here."""
        found = self.window[max(0, self.place - 1) : self.place + 20].strip()
        return DataError(
            f"{self.name} is no JSON of the kind that is needed: {what}, near character "
            f"{self.before + self.place:,}, {found!r}",
            fix="correct it, or write it again",
        )

    def _cut(self) -> DataError:
        return DataError(
            f"{self.name} is cut off: it ends after {self.before + len(self.window):,} characters, in the middle",
            fix="fetch or write it again",
        )
