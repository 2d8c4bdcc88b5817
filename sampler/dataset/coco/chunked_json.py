"""Reading the large arrays of a JSON object block by block, in pieces of complete elements.

The end of a piece is guessed and then proved. A piece begins where an element begins, so if the text up to a guessed
end parses as the content of an array, that end is between two elements, whatever brackets strings and nested values
contain. Strings and brackets are counted only if the guess fails. A file that cannot be cut this way raises
IrregularError; read it as a whole.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from sampler.text_files import UTF8_MARK

BLOCK = 1 << 20
"""Bytes read at a time: decoding is fastest if a block and its entries fit the CPU's cache."""

MAX_ELEMENT = 16 << 20
"""Most bytes of one element, or of one value that is not an array."""

Read = Callable[[int], bytes]
"""Returns up to so many bytes of a file, none at its end."""

Consumer = tuple[msgspec.json.Decoder[list[Any]], Callable[[list[Any]], object]]
"""Decodes some elements of an array, and is called with them."""

_TAIL = 1 << 14
_BLANK = re.compile(rb"[ \t\r\n]*")
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
"""A string, a bracket, or the quote of a string whose end has not been read yet."""
_KEY = re.compile(rb'"([ !#-\[\]-~]*)"')
_SCALAR = re.compile(rb'[^ \t\r\n,"\[\]{}]*')


class IrregularError(Exception):
    """The text cannot be cut into pieces. It may still be valid."""


class _Window:
    """The part of a file that is in memory. `data` from `at` on has not been consumed."""

    def __init__(self, read: Read, block: int) -> None:
        self._read = read
        self.block = block
        self.data = b""
        self.at = 0
        self.ended = False

    def more(self) -> None:
        """Read another block, or twice the text at hand if that was not enough."""
        rest = self.data[self.at :]
        if self.ended or len(rest) > MAX_ELEMENT:
            raise IrregularError
        fresh = self._read(max(self.block, len(rest)))
        self.data, self.at, self.ended = rest + fresh, 0, not fresh

    def peek(self) -> bytes:
        """Return the next byte that is not white space without consuming it; b"" at the end."""
        while True:
            blank = _BLANK.match(self.data, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self.data) or self.ended:
                return self.data[self.at : self.at + 1]
            self.more()

    def next(self, expected: bytes) -> bytes:
        """Consume and return the next byte that is not white space. It must be one of `expected`."""
        found = self.peek()
        if not found or found not in expected:
            raise IrregularError
        self.at += 1
        return found


def read_arrays(
    read: Read, consumers: dict[str, Consumer], block: int = BLOCK, on_key: Callable[[str], object] | None = None
) -> None:
    """Pass arrays of a JSON object to the consumers of their keys, in pieces of at least one element, in file order.

    `block` is the number of bytes read at a time. Raises IrregularError if the text is not proved to be one JSON object
    with each of the keys once and arrays as their values.

    If there is `on_key`, it is called with each key of the object, and any key may be there several times or not at
    all.
    """
    window = _Window(read, block)
    while len(window.data) < len(UTF8_MARK) and not window.ended:
        window.more()
    window.at = len(UTF8_MARK) if window.data.startswith(UTF8_MARK) else 0
    missing, mark = dict(consumers), window.next(b"{")
    while mark != b"}":
        name = _key(window)
        if on_key is not None:
            on_key(name)
        elif name in consumers and name not in missing:
            raise IrregularError
        if name in consumers:
            missing.pop(name, None)
            _read_array(window, consumers[name])
        else:
            _skip_value(window)
        mark = window.next(b",}")
    if (missing and on_key is None) or window.peek():
        raise IrregularError


def _key(window: _Window) -> str:
    window.peek()
    while not (found := _KEY.match(window.data, window.at)):
        window.more()
    window.at = found.end()
    window.next(b":")
    return found.group(1).decode()


def _read_array(window: _Window, consumer: Consumer) -> None:
    window.peek()
    window.next(b"[")
    mark = window.next(b"]") if window.peek() == b"]" else b","
    while mark != b"]":
        if len(window.data) - window.at < window.block // 2 and not window.ended:
            window.more()
        _read_piece(window, consumer)
        mark = window.next(b",]")


def _read_piece(window: _Window, consumer: Consumer) -> None:
    """Consume as many complete elements as are in memory, at least one."""
    while True:
        guess = _guess(window.data, window.at)
        if guess is not None and _consumed(window, guess, consumer):
            return
        counted = _count(window.data, window.at)
        if counted is not None:
            if counted == guess or not _consumed(window, counted, consumer):
                raise IrregularError
            return
        window.more()


def _consumed(window: _Window, end: int, consumer: Consumer) -> bool:
    """Consume the text up to `end` if it is complete elements. Return whether it was."""
    text = b"".join((b"[", memoryview(window.data)[window.at : end], b"]"))
    decoder, consume = consumer
    try:
        elements = decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if not elements:
        raise IrregularError
    consume(elements)
    window.at = end
    return True


def _guess(data: bytes, at: int) -> int | None:
    """Return the end of the last object near the end of the text that seems to be followed by another one."""
    starts = [between.start() for between in _BETWEEN.finditer(data, max(at, len(data) - _TAIL))]
    return starts[-1] + 1 if starts else None


def _count(data: bytes, at: int) -> int | None:
    """Return the end of the array, or else of the last element in memory that ends in a bracket."""
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


def _skip_value(window: _Window) -> None:
    """Skip a value without a consumer, but check that it is JSON."""
    first = window.peek()
    if first == b"[":
        _read_array(window, (msgspec.json.Decoder(list[msgspec.Raw]), len))
        return
    while (end := _value_end(window.data, window.at)) is None or (end == len(window.data) and not window.ended):
        window.more()
    try:
        msgspec.json.decode(memoryview(window.data)[window.at : end], type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IrregularError from error
    window.at = end


def _value_end(data: bytes, at: int) -> int | None:
    """Return the end of a value that is not an array, or None if it has not been read yet."""
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
