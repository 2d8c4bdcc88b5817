"""Recorded states of images: a damaged record is as good as none, and is never an error of its image."""

from contextlib import suppress
from pathlib import Path
from random import Random

from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.source import ImageStat
from sampler.dataset.images.stamps import ImageStamps
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require

STATES = tuple(ImageStat(1000 + index, f"ETag {index}") for index in range(6))
OTHER = ImageStat(1, "ETag other")


def build(folder: Path) -> Target:
    """Return the target."""
    file = folder / "states.bin"
    file.unlink(missing_ok=True)
    stamps = ImageStamps.open(file)
    for index, state in enumerate(STATES):
        stamps.record(index, state)
    sound = file.read_bytes()

    def make(rng: Random) -> bytes:
        return mutate(sound, rng, [sound])

    def run(data: bytes) -> None:
        file.write_bytes(data)
        changed = ImageStamps.open(file)
        for index, state in enumerate(STATES):
            changed.record(index, state)
        for index in range(len(STATES)):
            with suppress(DecodeError):
                changed.check(index, OTHER)
                require(False, "another state was accepted")

    return Target(make, run, ())
