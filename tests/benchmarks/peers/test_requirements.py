"""The peers' packages can be installed next to those of the lock file."""

import re

from benchmarks.peers.results import DISTRIBUTIONS
from tests.support.paths import ROOT


def _pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    matches = [re.match(r"([\w-]+)(?:\[\w+\])?==(\S+)$", line) for line in lines]
    return {match[1]: match[2] for match in matches if match}


def test_every_peer_is_pinned_and_agrees_with_the_lock_file() -> None:
    peers, locked = _pins("benchmarks/peers/requirements.txt"), _pins("requirements.lock")
    assert sorted(peers) == sorted(DISTRIBUTIONS.values())
    shared = peers.keys() & locked.keys()
    assert "torch" in shared
    assert {name: peers[name] for name in shared} == {name: locked[name] for name in shared}
