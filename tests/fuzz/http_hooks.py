"""Hooks of schemathesis, which loads this module: they keep valid requests small."""

from typing import Any

import schemathesis

STEPS = 2
"""Steps of a valid stream; without `stop`, a stream is endless."""


SAMPLES = 20
"""Samples of a page with statistics."""

VALID_COUNTS = frozenset(map(str, range(1, 20_001)))
"""The numbers of samples that such a page accepts."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Let a stream end soon, unless its start or stop is not a number anyway, and survey few samples."""
    query = dict(case.query or {})
    samples = str(query.get("samples", SAMPLES))
    if case.operation.path == "/stats" and samples in VALID_COUNTS:
        case.query = query | {"samples": str(min(int(samples), SAMPLES))}
    if case.operation.path != "/v1/stream":
        return
    start, stop = str(query.get("start", 0)), str(query.get("stop", 1 << 62))
    if start.isdecimal() and stop.isdecimal() and int(stop) > int(start) + STEPS:
        case.query = query | {"stop": str(int(start) + STEPS)}
