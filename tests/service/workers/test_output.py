"""What workers write to stderr becomes lines of the log."""

import asyncio
import logging
import os

import pytest

from service.workers.output import LONGEST, WorkerOutput


def test_each_line_is_a_message_and_the_last_needs_no_end(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("saccade_sampler.workers")
    logger.addHandler(caplog.handler)

    async def scene() -> None:
        output = WorkerOutput()
        os.write(output.descriptor, b"first\n\nsec")
        await asyncio.sleep(0.01)
        os.write(output.descriptor, b"ond \xff\n" + b"x" * (2 * LONGEST) + b"\nlast")
        output.close()

    try:
        asyncio.run(scene())
    finally:
        logger.removeHandler(caplog.handler)
    messages = list(dict.fromkeys(record.getMessage() for record in caplog.records))
    assert messages[:2] == ["first", "second \\xff"]
    assert messages[-1] == "last"
    assert max(map(len, messages)) <= 2 * LONGEST
