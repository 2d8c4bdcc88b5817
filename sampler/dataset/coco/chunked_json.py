"""The large arrays of a JSON object, read a block at a time and handed over in pieces of whole elements.

Where an array can be cut is guessed and then proved. A piece begins where an element begins, so when the text from
there up to a guessed end parses as the content of an array, that end is between two elements: a parser that has come
so far is nowhere else, whatever brackets stand inside strings or nested values. Only where the guess fails are strings
and brackets counted. What cannot be cut this way is `IrregularError`, and is for a reader of whole files.
"""

import re
from collections.abc import Callable

import msgspec

BLOCK = 1 << 20
"""Bytes read at a time: decoding is fastest while a block and its entries fit the processor's cache."""

MOST = 16 << 20
"""Bytes that one element, or one value beside the arrays, may have here."""

Read = Callable[[int], bytes]
"""Gives up to so many bytes of a file, nothing at its end."""

Take = Callable[[bytes], int]
"""Takes over the text of a JSON array and returns how many elements it has. Raises msgspec's errors."""

_TAIL = 1 << 14
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"[ \t\r\n]*")
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
"""A string, a bracket, or the quote of a string that does not end in sight."""
_KEY = re.compile(rb'"([ !#-\[\]-~]*)"')
_SCALAR = re.compile(rb'[^ \t\r\n,"\[\]{}]*')


class IrregularError(Exception):
    """The text does not fall into pieces here. It may be sound all the same."""


class _Window:
    """The part of a file that is in memory: `data` from `at` on is still to be used."""

    def __init__(self, read: Read, block: int) -> None:
        self._read = read
        self.block = block
        self.data = b""
        self.at = 0
        self.ended = False

    def more(self) -> None:
        """Read on; the more the longer nothing could be done with what there is."""
        rest = self.data[self.at :]
        if self.ended or len(rest) > MOST:
            raise IrregularError
        fresh = self._read(max(self.block, len(rest)))
        self.data, self.at, self.ended = rest + fresh, 0, not fresh

    def peek(self) -> bytes:
        """The next byte that is no white space, not yet used up; nothing at the end."""
        while True:
            blank = _BLANK.match(self.data, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self.data) or self.ended:
                return self.data[self.at : self.at + 1]
            self.more()

    def next(self, expected: bytes) -> bytes:
        """The next byte that is no white space, used up. It is one of those expected."""
        found = self.peek()
        if not found or found not in expected:
            raise IrregularError
        self.at += 1
        return found


def take_arrays(read: Read, takers: dict[str, Take], block: int = BLOCK) -> None:
    """Hand the elements of some arrays of a JSON object to their takers, in the order of the file.

    takers: for each array's key, what takes its pieces, each the text of an array of at least one element. Raises
    IrregularError when the whole text is not shown to be one JSON object that has each key once, its value an array.
    """
    window = _Window(read, block)
    while len(window.data) < len(_BYTE_ORDER_MARK) and not window.ended:
        window.more()
    window.at = len(_BYTE_ORDER_MARK) if window.data.startswith(_BYTE_ORDER_MARK) else 0
    missing, mark = dict(takers), window.next(b"{")
    while mark != b"}":
        name = _key(window)
        if name in takers:
            if name not in missing:
                raise IrregularError
            _take_array(window, missing.pop(name))
        else:
            _pass_over(window)
        mark = window.next(b",}")
    if missing or window.peek():
        raise IrregularError


def _key(window: _Window) -> str:
    window.peek()
    while not (found := _KEY.match(window.data, window.at)):
        window.more()
    window.at = found.end()
    window.next(b":")
    return found.group(1).decode()


def _take_array(window: _Window, take: Take) -> None:
    window.peek()
    window.next(b"[")
    mark = window.next(b"]") if window.peek() == b"]" else b","
    while mark != b"]":
        if len(window.data) - window.at < window.block // 2 and not window.ended:
            window.more()
        _take_piece(window, take)
        mark = window.next(b",]")


def _take_piece(window: _Window, take: Take) -> None:
    """Hand over as many whole elements as are in sight, at least one."""
    while True:
        guess = _guess(window.data, window.at)
        if guess is not None and _took(window, guess, take):
            return
        counted = _count(window.data, window.at)
        if counted is not None:
            if counted == guess or not _took(window, counted, take):
                raise IrregularError
            return
        window.more()


def _took(window: _Window, end: int, take: Take) -> bool:
    """Whether the text up to `end` is whole elements; then they are handed over."""
    text = b"".join((b"[", memoryview(window.data)[window.at : end], b"]"))
    try:
        count = take(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if not count:
        raise IrregularError
    window.at = end
    return True


def _guess(data: bytes, at: int) -> int | None:
    """After the last bracket that stands as between two objects."""
    for start in (max(at, len(data) - _TAIL), at):
        starts = [between.start() for between in _BETWEEN.finditer(data, start)]
        if starts:
            return starts[-1] + 1
    return None


def _count(data: bytes, at: int) -> int | None:
    """Before the bracket that closes the array, or else after the last element in sight that ends in a bracket."""
    depth, end = 0, None
    for found in _MARK.finditer(data, at):
        mark = found.group()
        if mark in (b"[", b"{"):
            depth += 1
        elif mark in (b"]", b"}"):
            if depth == 0:
                return found.start()
            depth -= 1
            end = found.end() if depth == 0 else end
        elif mark == b'"':
            break
    return end


def _pass_over(window: _Window) -> None:
    """Leave out a value that nobody takes, once it is shown to be JSON."""
    first = window.peek()
    if first == b"[":
        _take_array(window, _any_array)
        return
    while (end := _value_end(window.data, window.at)) is None or (end == len(window.data) and not window.ended):
        window.more()
    try:
        msgspec.json.decode(memoryview(window.data)[window.at : end], type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IrregularError from error
    window.at = end


def _any_array(text: bytes) -> int:
    return len(msgspec.json.decode(text, type=list[msgspec.Raw]))


def _value_end(data: bytes, at: int) -> int | None:
    """Where a value that is no array ends."""
    if data[at : at + 1] not in (b"{", b'"'):
        scalar = _SCALAR.match(data, at)
        return scalar.end() if scalar else None
    depth = 0
    for found in _MARK.finditer(data, at):
        mark = found.group()
        if mark == b'"':
            return None
        depth += (mark in (b"[", b"{")) - (mark in (b"]", b"}"))
        if depth == 0:
            return found.end()
    return None
