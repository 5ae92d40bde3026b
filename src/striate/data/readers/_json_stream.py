"""A large JSON file piece by piece: the elements of some lists at its top, without holding the text of it all."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from striate.core.errors import DataError

CHUNK = 1 << 20
LONGEST = 1 << 28
"""Bytes of one element above which the file is taken for something else."""

_SPACE = " \t\n\r"


def elements(file: BinaryIO, wanted: Collection[str], shown: str) -> Iterator[tuple[str, Any]]:
    """Each element of the wanted lists of the object in a file, with the name of its list, in the file's order.

    Args:
        file: open to read bytes, UTF-8.
        wanted: names of lists at the top; the rest is passed over.
        shown: the file's name for messages.

    Raises:
        DataError: it is no JSON object, or cut off.

    >>> import io
    >>> list(elements(io.BytesIO(b'{"a": 1, "b": [{"c": 2}, 3]}'), {"b"}, "x.json"))
    [('b', {'c': 2}), ('b', 3)]
    """
    text = _Text(file, shown)
    text.expect("{", "an object")
    if text.next_is("}"):
        return
    while True:
        key = text.value()
        text.expect(":", "a colon")
        if key in wanted and text.next_is("["):
            while not text.next_is("]"):
                yield key, text.value()
                if not text.next_is(","):
                    text.expect("]", "a comma or the end of the list")
                    break
        else:
            text.value()
        if not text.next_is(","):
            break
    text.expect("}", "a comma or the end of the object")


class _Text:
    """What is left of a file's text, of which no more is held than the element being read and a chunk.

    Args:
        file, shown: as for `elements`.
    """

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self.file, self.shown = file, shown
        self.held, self.place, self.passed = "", 0, 0
        self.ended = False
        self.decoder = json.JSONDecoder()
        self.bytes = codecs.getincrementaldecoder("utf-8-sig")()

    def next_is(self, mark: str) -> bool:
        """Whether the next character but space is this one; it is then passed."""
        found = self._peek() == mark
        self.place += found
        return found

    def expect(self, mark: str, words: str) -> None:
        """Pass a character, which must stand there."""
        if not self.next_is(mark):
            raise self._wrong(f"{words} was expected")

    def value(self) -> Any:
        """The value that begins here, whole."""
        self._peek()
        while True:
            try:
                found, end = self.decoder.raw_decode(self.held, self.place)
            except (json.JSONDecodeError, RecursionError) as error:
                if self.ended or isinstance(error, RecursionError):
                    raise self._wrong(str(getattr(error, "msg", "it is nested too deeply"))) from error
                if len(self.held) - self.place > LONGEST:
                    raise self._wrong(f"no value ends within {LONGEST:,} characters") from error
            else:
                if end < len(self.held) or self.ended:  # a number may go on in the next chunk
                    self.place = end
                    return found
            self._fill(max(CHUNK, len(self.held) - self.place))

    def _peek(self) -> str:
        """The next character but space; "" at the end."""
        while True:
            while self.place < len(self.held) and self.held[self.place] in _SPACE:
                self.place += 1
            if self.place < len(self.held):
                return self.held[self.place]
            if self.ended:
                return ""
            self._fill(CHUNK)

    def _fill(self, size: int) -> None:
        content = self.file.read(size)
        self.ended = not content
        try:
            more = self.bytes.decode(content, final=self.ended)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.shown} is not UTF-8: {error.reason}", fix="save it as UTF-8") from error
        self.passed += self.place
        self.held = self.held[self.place :] + more
        self.place = 0

    def _wrong(self, words: str) -> DataError:
        place = self.passed + self.place
        if self.ended and not self.held.rstrip().endswith("}"):
            return DataError(
                f"{self.shown} is cut off: it ends after {self.passed + len(self.held):,} characters, within what "
                f"begins at character {place:,}",
                fix="fetch it again, whole",
            )
        return DataError(f"{self.shown} is no JSON that can be read: at character {place:,}, {words}", fix="correct it")
