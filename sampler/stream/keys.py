"""Names of samples."""

from dataclasses import dataclass

from sampler.checks import require_integer

SEED_LIMIT = 1 << 64
EPOCH_LIMIT = 1 << 63
INDEX_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True, order=True)
class SampleKey:
    """The name of one sample.

    Attributes:
        seed: 0 … 2⁶⁴−1.
        epoch: 0 … 2⁶³−1.
        index: position of the image in the dataset, 0 … 2⁶³−1.

    Raises:
        InvalidRequestError: a value is no integer in its range.
    """

    seed: int
    epoch: int
    index: int

    def __post_init__(self) -> None:
        seed, epoch, index = self.seed, self.epoch, self.index
        if type(seed) is type(epoch) is type(index) is int and (
            0 <= seed < SEED_LIMIT and 0 <= epoch < EPOCH_LIMIT and 0 <= index < INDEX_LIMIT
        ):
            return  # the usual case, made fast: a client makes a key for each sample
        for field, limit in (("seed", SEED_LIMIT), ("epoch", EPOCH_LIMIT), ("index", INDEX_LIMIT)):
            object.__setattr__(self, field, require_integer(field, getattr(self, field), 0, limit - 1))

    def as_dict(self) -> dict[str, int]:
        """Return the fields by name, as they are encoded on the wire."""
        return {"seed": self.seed, "epoch": self.epoch, "index": self.index}
