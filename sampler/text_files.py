"""Reading UTF-8 text files; naming the format or encoding of others, and the remedy."""

import re
from pathlib import Path

from sampler.regular_files import read_regular

LARGEST = 64 << 20
"""Bytes of a text file, if its reader sets no other limit: room for millions of image ids."""

HEAD = 4096
"""Bytes from the beginning of a file that are enough to recognise its format."""

GZIP = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, which is skipped."""

_RECODE = "convert it, for example with: iconv -f {0} -t UTF-8 FILE > NEW"
_UNPACK = "unpack it and use the file inside"

_UTF16_32 = (
    (re.compile(rb"\xff\xfe\0\0|[^\0]\0\0\0", re.DOTALL), "UTF-32LE"),
    (re.compile(rb"\0\0\xfe\xff|\0\0\0[^\0]", re.DOTALL), "UTF-32BE"),
    (re.compile(rb"\xff\xfe|[^\0]\0", re.DOTALL), "UTF-16LE"),
    (re.compile(rb"\xfe\xff|\0[^\0]", re.DOTALL), "UTF-16BE"),
)
"""Text without a byte order mark is recognised by its first character, which is ASCII in JSON and TOML."""

_FORMATS = (
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer instead of the file; run: git lfs pull"),
    (re.compile(rb"[^\n]{0,4000}/annex/objects/"), "a git-annex pointer instead of the file; run: git annex get FILE"),
    (re.compile(rb"\s*(<!doctype html|<html|<head)", re.IGNORECASE),
     "an HTML page, probably an error or login page; download the file again"),
    (re.compile(rb"\s*<"), "XML instead of JSON; export the data again in COCO's JSON format"),
    (re.compile(rb"\0+\Z"), "zero bytes; the file was not written completely, so copy or download it again"),
    (re.compile(GZIP), "gzip-compressed; unpack it with gunzip"),
    (re.compile(rb"BZh[1-9]"), "bzip2-compressed; unpack it with bunzip2"),
    (re.compile(rb"\xfd7zXZ\0"), "xz-compressed; unpack it with unxz"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd-compressed; unpack it with unzstd"),
    (re.compile(rb"PK\x03\x04|PK\x05\x06"), f"a zip archive; {_UNPACK}"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), f"a 7z archive; {_UNPACK}"),
    (re.compile(rb"[^\0].{256}ustar", re.DOTALL), f"a tar archive; {_UNPACK}"),
    (re.compile(rb"\x80[\x02-\x05]"), "a Python pickle; export the data again as JSON"),
    (re.compile(rb"\xff\xd8\xff|\x89PNG\r\n"), "an image instead of text; give another file"),
    (re.compile(rb"\x89HDF\r\n"), "an HDF5 file; export the data again as JSON"),
    (re.compile(rb"PAR1"), "a Parquet file; export the data again as JSON"),
)  # fmt: skip
"""Beginnings of files, with what they are and what to do."""

_GBK_PAIRS = re.compile(rb"(?:[\x81-\xfe][\x40-\x7e\x80-\xfe])+")


def foreign_format(head: bytes) -> str:
    """Return what a file is and what to do if it begins like one that is not UTF-8 text, else "".

    head: The first `HEAD` bytes, or all of a shorter file.
    """
    if not head:
        return "the file is empty; copy, download or export it again"
    for beginning, encoding in _UTF16_32:
        if beginning.match(head):
            return f"{encoding} text, expected UTF-8; {_RECODE.format(encoding)}"
    return next((f"the file is {what}" for beginning, what in _FORMATS if beginning.match(head)), "")


def encoding_fault(data: bytes) -> tuple[int, str] | None:
    """Return the offset of the first byte that is not UTF-8, and what to do; None if there is none."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        at = error.start
        if error.reason == "unexpected end of data":
            return at, "the file ends within a character; copy, download or export it again"
        return at, f"not UTF-8: byte 0x{data[at]:02x}; {_remedy(data, at)}"
    return None


def decode_text(data: bytes) -> str:
    """Return the text of a UTF-8 file. Raises ValueError: what the file is instead, where, and what to do."""
    if foreign := foreign_format(data[:HEAD]):
        raise ValueError(foreign)
    fault = encoding_fault(data)
    if fault is not None:
        raise ValueError(f"byte {fault[0]}: {fault[1]}")
    return data.removeprefix(UTF8_MARK).decode()


def read_text(file: Path, most: int = LARGEST) -> str:
    """Return the text of a UTF-8 file. Raises what `read_regular` and `decode_text` raise. most: bytes of the file."""
    return decode_text(read_regular(file, most))


def _remedy(data: bytes, at: int) -> str:
    """Guess the encoding of text that is not UTF-8 from the bytes around a place."""
    first, last = at, at
    while first and data[first - 1] >= 0x80:
        first -= 1
    while last < len(data) and data[last] >= 0x80:
        last += 1
    pairs = _GBK_PAIRS.match(data, at)
    # Accented letters stand within words; a run of them that is longer than two bytes is rare.
    in_word = last - first <= 2 and data[max(first - 1, 0) : first].isalpha()
    if last - at > 1 and pairs is not None and pairs.end() >= last and not in_word:
        return f"probably GBK, Shift-JIS or another East Asian encoding; {_RECODE.format('GBK')}"
    return f"probably Latin-1 or another 8-bit encoding; {_RECODE.format('LATIN1')}"
