"""The blocks of a JPEG scan, compiled: where each begins, without decoding its coefficients.

The loop is bound by the time from one lookup to the next. It therefore has no branch that depends on the data, except
for rare ones: also at the end of a block, whose place no CPU predicts.
"""

import numpy as np

from sampler.kernels.compiled.intrinsics import store
from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.jpeg_lookup import (
    ADVANCE,
    COEFFICIENTS,
    COVERED,
    ENDS,
    MAX_DC,
    USED,
    Symbols,
    entry_at,
    is_last,
    symbol_of,
)
from sampler.kernels.compiled.jpeg_words import LONG, load_long, load_word

PADDING = 64
"""Bytes behind the data that may be read."""

BAD_CODE, BAD_RUN, BAD_DC, BAD_RESTART, BAD_END = -1, -2, -3, -4, -5
"""What is wrong with the data: a code that no table has, more than 64 coefficients in a block, a DC difference of more
than 11 bits, restart markers in other places than expected, data that ends too early or too late."""

BLOCK = 3 * LONG
"""Bytes of what is known of a block of an MCU: three int64, see `find_blocks`."""

State = tuple[int, int, int, int, int, int]
"""Coefficients of the current block that are covered, blocks that are done, number of the block in its MCU. Addresses
of the entries for the next lookup, for a later one in this block, and for the first one in the next block."""

Stream = tuple[int, np.uint64, int]
"""Position of the next byte, a word whose highest bits are those before it that were not used yet, and their number."""


@njit(nogil=True)
def find_blocks(
    bits: int,
    position: int,
    stop: int,
    blocks: tuple[int, int],
    entries: int,
    lookup: Symbols,
    starts: int,
    count: int,
) -> int:
    """Write where each of some blocks begins; return the bit position behind the last one, or a fault.

    Args:
        bits: Address of the data, without stuffed zeros and with padding.
        position: Bit where the first block begins.
        stop: Byte where the data ends.
        blocks: Address of the numbers about the blocks of an MCU (component, row of the DC table, row of the other
            table), and how many blocks there are.
        entries: Address of two addresses for each block of an MCU, and once more for the first: of the entries for the
            symbols from the DC value on, and for later ones.
        lookup: For single symbols.
        starts: Address of (count + 1) int64, which get the positions in bits: of each block, and behind the last one.
        count: The number of blocks.
    """
    at, held = (position >> 3) + 7, 56 - (position & 7)
    word = load_word(bits + (position >> 3)) << np.uint64(position & 7)
    state = 0, 0, 0, load_long(entries), load_long(entries + LONG), load_long(entries + 2 * LONG)
    store(starts, position)
    while state[1] < count:
        if at > stop + LONG:
            return BAD_END
        at, word, held = _refill(bits, at, word, held)
        entry = entry_at(state[3], word)
        if _covered(state, entry) < COEFFICIENTS:
            word, held = word << np.uint64(entry & USED), held - (entry & USED)
            state = _after(state, entry, 8 * at - held, blocks[1], entries, starts)
            if state[1] == count:
                break
            # The first entry used 27 bits at most, so that at least 29 are left.
            entry = entry_at(state[3], word)
            if _covered(state, entry) < COEFFICIENTS:
                word, held = word << np.uint64(entry & USED), held - (entry & USED)
                state = _after(state, entry, 8 * at - held, blocks[1], entries, starts)
                continue
            at, word, held = _refill(bits, at, word, held)
        entry = _one_symbol(blocks[0] + BLOCK * state[2], lookup, word, state[0])
        if entry < 0:
            fault: int = entry
            return fault
        word, held = word << np.uint64(entry & USED), held - (entry & USED)
        state = _after(state, entry, 8 * at - held, blocks[1], entries, starts)
    after: int = load_long(starts + LONG * count)
    return after


@njit(nogil=True)
def _covered(state: State, entry: int) -> int:
    """Return how many coefficients of the block are covered after the symbols of an entry."""
    return state[0] + ((entry >> ADVANCE) & COVERED)


@njit(nogil=True)
def _after(state: State, entry: int, position: int, blocks: int, entries: int, starts: int) -> State:
    """Return the state after the symbols of an entry, which end at a position."""
    covered, done, block, current, later, fresh = state
    ends = entry >> ENDS
    # The block's end, unless more symbols follow.
    store(starts + LONG * (done + 1), position)
    covered = (covered + ((entry >> ADVANCE) & COVERED)) & (ends - 1)
    current = fresh if ends else later
    block += ends
    block &= (block - blocks) >> 63
    place = entries + 2 * LONG * block
    return covered, done + ends, block, current, load_long(place + LONG), load_long(place + 2 * LONG)


@njit(nogil=True)
def _refill(bits: int, at: int, word: np.uint64, held: int) -> Stream:
    """Fill the word of a stream so that at least 56 bits are valid."""
    word |= load_word(bits + at) >> np.uint64(held)
    return at + ((63 - held) >> 3), word, held | 56


@njit(nogil=True)
def _one_symbol(block: int, lookup: Symbols, word: np.uint64, covered: int) -> int:
    """Return the entry for one symbol, or a fault: for one with a long code, or for the last one of a full block."""
    found = symbol_of(lookup, load_long(block + (2 * LONG if covered else LONG)), word)
    if covered == 0:
        return 1 << ADVANCE | (found & 31) + (found >> 5) if found >= 0 and found >> 5 <= MAX_DC else BAD_DC
    if found < 0:
        return BAD_CODE
    run = 0 if is_last(found) else (found >> 9) + 1
    ends = 1 if run == 0 or covered + run == COEFFICIENTS else 0
    used = (found & 31) + ((found >> 5) & 15)
    return ends << ENDS | run << ADVANCE | used if covered + run <= COEFFICIENTS else BAD_RUN
