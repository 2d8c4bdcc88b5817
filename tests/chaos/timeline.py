"""Which faults were injected when, and which of them a gap at the trainer is due to."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.ledger import Gap


@dataclass(slots=True)
class Fault:
    """A fault that was injected.

    kind: such as "kill worker". begin, end: of `time.monotonic`; no end while it lasts.
    """

    kind: str
    detail: str
    step: int
    begin: float = field(default_factory=time.monotonic)
    end: float | None = None

    def over(self) -> None:
        if self.end is None:
            self.end = time.monotonic()

    def __str__(self) -> str:
        return f"step {self.step}: {self.kind}{f' ({self.detail})' if self.detail else ''}"


def causes(gap: Gap, faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults that began or lasted during a gap; if there are none, the last one before it, if any.

    The trainer notices many faults only later, when it has used up what was prefetched.
    """
    during = [fault for fault in faults if fault.begin < gap.end and (fault.end is None or fault.end > gap.begin)]
    return during or [fault for fault in faults if fault.begin < gap.end][-1:]
