"""Requests and file names cannot forge log lines."""

import io
import logging

from service.middleware.request_log import FORMAT, OneLineFormatter, shown


def test_log_lines_cannot_be_forged_by_a_request_path() -> None:
    assert shown("/a\nINFO fake") == "/a\\nINFO fake"
    assert len(shown("x" * 10_000)) == 401


def test_a_file_name_with_a_line_break_is_logged_as_one_line() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLineFormatter(FORMAT.replace("%(request_id)s", "-")))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning("image %s: truncated", "a.jpg\n2026-01-01 ERROR fake \x1b[2J")
    assert stream.getvalue().count("\n") == 1
    assert "a.jpg\\n2026-01-01 ERROR fake \\x1b[2J: truncated" in stream.getvalue()
