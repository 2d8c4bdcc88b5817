"""Lookup tables of Huffman codes, compiled: how far the next bits of a scan reach, several symbols at a time.

A table of a file is (272,) uint8: the number of codes of each length from 1 to 16, then the symbols in the order of
their codes.
"""

import numpy as np
from numpy.typing import NDArray

from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.jpeg_words import LONG, SHORT, Bytes, Integers, load_byte, load_long, load_short

INDEX_BITS = 12
"""Bits that a lookup sees. Longer codes are rare; they are decoded one by one."""

MAX_CODE, TABLE = 16, 272
"""Bits of the longest code, and bytes of a table."""

COEFFICIENTS, MAX_DC = 64, 11
"""Coefficients of a block, and bits of the largest DC difference."""

USED, ADVANCE, COVERED, ENDS = 63, 8, 127, 15
"""Parts of an entry for the symbols that an index holds: their bits with those of their values (0–5), how many
coefficients they cover (8–14), and whether the last symbol ends the block (15). `COEFFICIENTS` if there is none."""

INDEX_SHIFT, CODE_SHIFT = np.uint64(64 - INDEX_BITS), np.uint64(64 - MAX_CODE)

Shorts = NDArray[np.uint16]
Symbols = tuple[int, int, int]
"""Addresses of the symbols and first codes of all tables, and of the tables themselves."""


@njit(nogil=True)
def fill_lookups(
    tables: Bytes, pairs: Integers, codes: Integers, symbols: Shorts, lookup: Symbols, later: Shorts, fresh: Shorts
) -> None:
    """Fill what lookups in (t, 272) tables need.

    Args:
        tables: The tables of a file.
        pairs: (p, 2), rows of a DC table and of the other one that are used together.
        codes: Gets (t, 17, 2): the first code of each length, and the number of symbols with shorter codes.
        symbols: Gets (t, 4096): symbol · 32 + length of its code; 0 for longer codes.
        lookup: Addresses of symbols, codes and tables.
        later: Gets (p, 4096) entries for symbols after the DC value.
        fresh: Gets (p, 4096) entries for symbols from the DC value on.
    """
    for n in range(tables.shape[0]):
        _fill_codes(tables[n], codes[n])
        _fill_symbols(tables[n], codes[n], symbols[n])
    for n in range(pairs.shape[0]):
        dc, place = symbols[pairs[n, 0]], lookup[0] + (SHORT << INDEX_BITS) * pairs[n, 1]
        for index in range(1 << INDEX_BITS):
            later[n, index] = _entry(index, 0, 0, place)
            used, size = np.int64(dc[index]) & 31, np.int64(dc[index]) >> 5
            if used == 0 or size > MAX_DC:
                fresh[n, index] = COEFFICIENTS << ADVANCE
            else:
                fresh[n, index] = _entry(index, used + size, 1, place)


@njit(nogil=True)
def _fill_codes(table: Bytes, codes: Integers) -> None:
    code = symbols = 0
    for length in range(1, MAX_CODE + 1):
        code <<= 1
        codes[length, 0], codes[length, 1] = code, symbols
        code += table[length - 1]
        symbols += table[length - 1]


@njit(nogil=True)
def _fill_symbols(table: Bytes, codes: Integers, symbols: Shorts) -> None:
    symbols[:] = 0
    for length in range(1, INDEX_BITS + 1):
        spread = 1 << (INDEX_BITS - length)
        for number in range(table[length - 1]):
            low = (codes[length, 0] + number) * spread
            symbol = np.uint16(np.int64(table[MAX_CODE + codes[length, 1] + number]) * 32 + length)
            for index in range(low, min(low + spread, symbols.shape[0])):
                symbols[index] = symbol


@njit(nogil=True)
def _entry(index: int, used: int, covered: int, symbols: int) -> int:
    """Return the entry of an index of which some bits are used already, for some coefficients.

    symbols: address of those of the table.
    """
    ends = 0
    while used < INDEX_BITS and not ends:
        found = load_short(symbols + SHORT * ((index << used) & ((1 << INDEX_BITS) - 1)))
        length, run = found & 31, (found >> 9) + 1
        last = is_last(found)
        if length == 0 or length > INDEX_BITS - used or (covered + run >= COEFFICIENTS and not last):
            break
        ends = 1 if last else 0
        used += length + ((found >> 5) & 15)
        covered += 0 if last else run
    return ends << ENDS | (covered if used else COEFFICIENTS) << ADVANCE | used


@njit(nogil=True)
def is_last(found: int) -> bool:
    """Return whether a symbol ends its block: no size, and not a run of 16 zeros. found: symbol · 32 + code length."""
    return (found >> 5) & 15 == 0 and found >> 9 < 15


@njit(nogil=True)
def entry_at(entries: int, word: np.uint64) -> int:
    """Return the entry for the symbols that a word begins with. entries: address of those of a table."""
    entry: int = load_short(entries + SHORT * np.int64(word >> INDEX_SHIFT))
    return entry


@njit(nogil=True)
def symbol_of(lookup: Symbols, n: int, word: np.uint64) -> int:
    """Return the symbol that a word begins with, in table n, as symbol · 32 + length of its code; −1 for no code."""
    found = load_short(lookup[0] + SHORT * ((n << INDEX_BITS) + np.int64(word >> INDEX_SHIFT)))
    symbol: int = found if found else _long_symbol(lookup, n, word)
    return symbol


@njit(nogil=True)
def _long_symbol(lookup: Symbols, n: int, word: np.uint64) -> int:
    bits, table = np.int64(word >> CODE_SHIFT), lookup[2] + TABLE * n
    for length in range(1, MAX_CODE + 1):
        codes = lookup[1] + 2 * LONG * ((MAX_CODE + 1) * n + length)
        number = (bits >> (MAX_CODE - length)) - load_long(codes)
        if 0 <= number < load_byte(table + length - 1):
            symbol: int = load_byte(table + MAX_CODE + load_long(codes + LONG) + number) * 32 + length
            return symbol
    return -1
