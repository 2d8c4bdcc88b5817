"""The check whether this host's clock is synchronised."""

from pathlib import Path

from saccade_sampler.doctor.finding import Finding, ok, skipped

CHECK = "clock of this host"
MARKER = Path("run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file once the clock is synchronised."""


def check_synchronised(root: Path = Path("/")) -> Finding:
    """Check the clock, as far as the system tells. root: of the files that the system describes itself with."""
    if (root / MARKER).exists():
        return ok(CHECK, "synchronised by systemd-timesyncd")
    return skipped(CHECK, "the system does not say whether it is synchronised; it is compared with that of servers")
