"""What distinguishes detector families is in `sampler.families` alone."""

import re

from tests.support.paths import ROOT

PACKAGES = ("sampler", "service", "client", "saccade_sampler", "benchmarks")

FAMILY_WORDS = re.compile(r"config\.kind (==|!=|in|not in) |\b(tl|br)_[a-z]|\battentions_")
"""A comparison with a config's kind, or the name of a family's array."""

ALLOWED = {
    "client/batches/training_arrays.py": "typed attributes of a batch of corner targets",
    "benchmarks/peers/plain_route.py": "the code that people write for one family",
    "benchmarks/peers/trainer.py": "checks what that code makes",
}
"""Files outside `sampler/families` that may have such words, and why."""


def test_no_other_code_branches_on_the_family_or_spells_its_arrays() -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not (name := path.relative_to(ROOT).as_posix()).startswith("sampler/families/") and name not in ALLOWED
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if FAMILY_WORDS.search(line)
    ]
    assert not found


def test_every_exception_is_still_needed() -> None:
    for name in ALLOWED:
        assert FAMILY_WORDS.search((ROOT / name).read_text()), name
