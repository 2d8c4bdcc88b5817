"""The examination of a file that holds a token."""

from pathlib import Path

from saccade_sampler.doctor.files import check_token_file
from saccade_sampler.doctor.finding import Finding
from saccade_sampler.doctor.paths import readable
from sampler.access_token import read_token


def examine_token_file(file: Path) -> Finding:
    """Check that a file has a valid token that only its users can read."""
    facts = readable(file)
    try:
        if facts.error is None:
            read_token(file)
    except (OSError, ValueError) as error:
        return check_token_file(facts, f"{file}: {error}")
    return check_token_file(facts, "")
