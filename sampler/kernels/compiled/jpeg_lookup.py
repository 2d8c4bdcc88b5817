"""Lookup tables of Huffman codes, compiled: how far the next bits of a scan reach, several symbols at a time.

A table of a file is (272,) uint8: the number of codes of each length from 1 to 16, then the symbols in the order of
their codes.
"""

import numpy as np
from numpy.typing import NDArray

from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.jpeg_words import (
    INT,
    LONG,
    SHORT,
    Bytes,
    Integers,
    load_byte,
    load_int,
    load_long,
    load_short,
)

INDEX_BITS = 12
"""Bits that a lookup sees. Longer codes are rare; they are decoded one by one."""

MAX_CODE, TABLE = 16, 272
"""Bits of the longest code, and bytes of a table."""

BITS, ADVANCE, END = 0xFF, 8, 1 << 16
FIRST_BITS, FIRST_ADVANCE, FIRST_END = 17, 22, 1 << 27
"""Parts of an entry for coefficients. All symbols that the index holds: their bits (0–7), how many coefficients they
cover (8–15), whether the last one ends the block. The first symbol alone: its bits (17–21), its coefficients (22–26),
whether it ends the block. 0 if no symbol's code fits into the index."""

INDEX_SHIFT, CODE_SHIFT = np.uint64(64 - INDEX_BITS), np.uint64(64 - MAX_CODE)

Lookup = NDArray[np.uint32]
Symbols = NDArray[np.uint16]
Addresses = tuple[int, int, int, int]
"""Of the entries, symbols and first codes of all tables, and of the tables themselves."""


@njit(nogil=True)
def fill_lookups(tables: Bytes, entries: Lookup, symbols: Symbols, codes: Integers) -> None:
    """Fill (t, 4096) entries for coefficients, (t, 4096) symbols and (t, 17, 2) first codes of (t, 272) tables."""
    for n in range(tables.shape[0]):
        _fill_codes(tables[n], codes[n])
        _fill_symbols(tables[n], codes[n], symbols[n])
        _fill_entries(symbols[n], entries[n])


@njit(nogil=True)
def _fill_codes(table: Bytes, codes: Integers) -> None:
    """Fill (17, 2) with the first code of each length, and the number of symbols with shorter codes."""
    code = symbols = 0
    for length in range(1, MAX_CODE + 1):
        code <<= 1
        codes[length, 0], codes[length, 1] = code, symbols
        code += table[length - 1]
        symbols += table[length - 1]


@njit(nogil=True)
def _fill_symbols(table: Bytes, codes: Integers, symbols: Symbols) -> None:
    """Fill (4096,) with symbol · 32 + length of its code for the codes that fit into an index, 0 for others."""
    symbols[:] = 0
    for length in range(1, INDEX_BITS + 1):
        spread = 1 << (INDEX_BITS - length)
        for number in range(table[length - 1]):
            low = (codes[length, 0] + number) * spread
            symbol = np.int64(table[MAX_CODE + codes[length, 1] + number]) * 32 + length
            for index in range(low, min(low + spread, symbols.shape[0])):
                symbols[index] = np.uint16(symbol)


@njit(nogil=True)
def _fill_entries(symbols: Symbols, entries: Lookup) -> None:
    """Fill (4096,) entries for coefficients from the symbols of the same codes."""
    for index in range(1 << INDEX_BITS):
        entry = used = advance = np.int64(0)
        while used < INDEX_BITS:
            found = np.int64(symbols[(index << used) & ((1 << INDEX_BITS) - 1)])
            length = found & 31
            if length == 0 or length > INDEX_BITS - used:
                break
            if used == 0:
                entry = _alone(found)
            used += length + ((found >> 5) & 15)
            if _ends(found):
                entry |= END
                break
            advance += (found >> 9) + 1
        entries[index] = np.uint32(entry | advance << ADVANCE | used)


@njit(nogil=True)
def _ends(found: int) -> bool:
    """Return whether a symbol ends its block: no size, and not a run of 16 zeros."""
    return (found >> 5) & 15 == 0 and found >> 9 < 15


@njit(nogil=True)
def _alone(found: int) -> int:
    """Return the part of an entry that is about its first symbol. found: symbol · 32 + length of its code."""
    used, advance = (found & 31) + ((found >> 5) & 15), (found >> 9) + 1
    return used << FIRST_BITS | (FIRST_END if _ends(found) else advance << FIRST_ADVANCE)


@njit(nogil=True)
def entry_of(lookup: Addresses, n: int, word: np.uint64) -> int:
    """Return the entry for the coefficients that a word begins with, in table n; 0 if its first code is long."""
    entry: int = load_int(lookup[0] + INT * ((n << INDEX_BITS) + np.int64(word >> INDEX_SHIFT)))
    return entry


@njit(nogil=True)
def long_entry_of(lookup: Addresses, n: int, word: np.uint64) -> int:
    """Return the entry for the first symbol of a word alone, in table n; 0 if there is no such code."""
    found = _long_symbol(lookup, n, word)
    entry: int = _alone(found) if found >= 0 else 0
    return entry


@njit(nogil=True)
def symbol_of(lookup: Addresses, n: int, word: np.uint64) -> int:
    """Return the symbol that a word begins with, in table n, as symbol · 32 + length of its code; −1 for no code."""
    found = load_short(lookup[1] + SHORT * ((n << INDEX_BITS) + np.int64(word >> INDEX_SHIFT)))
    symbol: int = found if found else _long_symbol(lookup, n, word)
    return symbol


@njit(nogil=True)
def _long_symbol(lookup: Addresses, n: int, word: np.uint64) -> int:
    bits, table = np.int64(word >> CODE_SHIFT), lookup[3] + TABLE * n
    for length in range(1, MAX_CODE + 1):
        codes = lookup[2] + 2 * LONG * ((MAX_CODE + 1) * n + length)
        number = (bits >> (MAX_CODE - length)) - load_long(codes)
        if 0 <= number < load_byte(table + length - 1):
            symbol: int = load_byte(table + MAX_CODE + load_long(codes + LONG) + number) * 32 + length
            return symbol
    return -1
