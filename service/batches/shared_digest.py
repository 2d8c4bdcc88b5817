"""The digest of a batch that several responses send: each byte is digested once."""

from sampler.wire.messages import PayloadDigest


class SharedDigest:
    """Digests the bytes that the furthest of all responses has sent."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._digest = PayloadDigest()
        self._digested = 0

    def update(self, start: int, piece: bytes | memoryview) -> None:
        """Digest those bytes of a piece that no response has sent before.

        start: its place in the batch. Each response passes all bytes of the batch in order; so those before `start`
        are digested.
        """
        known = self._digested - start
        if known < len(piece):
            self._digest.update(memoryview(piece)[known:])
            self._digested = start + len(piece)

    def further(self, other: "SharedDigest") -> "SharedDigest":
        """Return the one that has digested more of the same batch."""
        return other if other._digested > self._digested else self

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far."""
        return self._digest.hexdigest()
