"""Findings in the JSON of an annotation file: objects with the same key twice, which parsers accept silently.

Of two equal keys the last is used. The file is read once more, piece by piece, because the parser of the index does
not see the keys.
"""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from sampler.dataset.coco.chunked_json import Consumer, IrregularError, read_arrays
from sampler.dataset.coco.json_stream import JsonStream
from sampler.dataset.verification.report import Tally
from sampler.errors import AnnotationError
from sampler.regular_files import open_regular
from sampler.system_errors import explain

_ARRAYS = ("images", "annotations", "categories", "licenses")
_MEGABYTE = 1 << 20
_STEP = 16 * _MEGABYTE
"""How often progress is reported."""


def check_keys(file: Path, tally: Tally, report: Callable[[str], None]) -> None:
    """Search an annotation file for objects with the same key twice. Raises AnnotationError."""
    try:
        with open_regular(file) as stream:
            text = JsonStream(stream, file)
            search = KeySearch(str(file), tally.examples, report)
            if not search.read_in_pieces(text):
                text.rewind()
                search = KeySearch(str(file), tally.examples, report)
                search.read_whole(text)
    except OSError as error:
        cause = explain(error, file, "use a file that this user can read")
        raise AnnotationError(file, "", f"cannot be read: {cause}") from error
    tally.count("duplicate-key", search.first, search.count)


class KeySearch:
    """Searches a JSON text. Counts the objects with repeated keys, and keeps the first ones: where and what."""

    def __init__(self, file: str, examples: int, report: Callable[[str], None]) -> None:
        self.count = 0
        self.first: list[tuple[str, str]] = []
        self._file = file
        self._examples = examples
        self._report = report
        self._repeated: list[tuple[str, int]] = []
        # Numbers stay text: they do not matter here, and Python refuses integers with thousands of digits.
        self._decoder = json.JSONDecoder(object_pairs_hook=self._look_at, strict=False, parse_int=str)

    def read_in_pieces(self, text: JsonStream) -> bool:
        """Search a text piece by piece. Return False if it cannot be cut into pieces."""
        keys: Counter[str] = Counter()
        places = dict.fromkeys(_ARRAYS, 0)

        def consumer(name: str) -> Consumer:
            def search(elements: list[msgspec.Raw]) -> None:
                self._search_elements(name, places[name], elements)
                places[name] += len(elements)

            return msgspec.json.Decoder(list[msgspec.Raw]), search

        consumers = {name: consumer(name) for name in _ARRAYS}
        try:
            read_arrays(self._reporting(text), consumers, on_key=lambda key: keys.update([key]))
        except IrregularError:
            return False
        for name, times in keys.items():
            if times > 1:
                self._add("$", name, times)
        return True

    def read_whole(self, text: JsonStream) -> None:
        """Search a text as a whole. Findings then have no place in the file."""
        self._decode(text.read())
        for name, times in self._repeated:
            self._add("an object", name, times)

    def _search_elements(self, array: str, start: int, elements: list[msgspec.Raw]) -> None:
        self._decode(b"".join((b"[", b",".join(map(bytes, elements)), b"]")))
        if not self._repeated:
            return
        for place, element in enumerate(elements, start):
            self._decode(bytes(element))
            for name, times in self._repeated:
                self._add(f"$.{array}[{place}]", name, times)
        self._repeated.clear()

    def _decode(self, text: bytes) -> None:
        self._repeated.clear()
        # The parser of the index has accepted the text, but does not look into parts that samples do not use. They may
        # not be UTF-8, or be nested too deeply for this one.
        with suppress(json.JSONDecodeError, RecursionError):
            self._decoder.decode(text.decode("utf-8-sig", errors="replace"))

    def _look_at(self, pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            times = Counter(name for name, _ in pairs)
            self._repeated += [(name, count) for name, count in times.items() if count > 1]

    def _add(self, place: str, name: str, times: int) -> None:
        self.count += 1
        if len(self.first) < self._examples:
            self.first.append((f"{self._file}: {place}", f"has the key {name!r} {times} times; the last value is used"))

    def _reporting(self, text: JsonStream) -> Callable[[int], bytes]:
        done = 0

        def read(size: int) -> bytes:
            nonlocal done
            data = text.read(size)
            if done // _STEP != (done + len(data)) // _STEP:
                self._report(f"checking JSON keys: {(done + len(data)) // _MEGABYTE:,} MB")
            done += len(data)
            return data

        return read
