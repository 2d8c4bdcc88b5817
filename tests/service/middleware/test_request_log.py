"""Requests and file names cannot forge log lines."""

import io
import logging

from service.log_lines import FORMAT, OneLineFormatter, configure, one_word


def test_words_of_a_line_are_escaped_and_cut() -> None:
    assert one_word("/a\nINFO fake", 400) == "/a\\nINFO\\x20fake"
    assert one_word("x" * 10_000, 400) == "x" * 400 + "…"


def test_a_file_name_with_a_line_break_is_logged_as_one_line() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLineFormatter(FORMAT.replace("%(request_id)s", "-")))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning("image %s: truncated", "a.jpg\n2026-01-01 ERROR fake \x1b[2J")
    assert stream.getvalue().count("\n") == 1
    assert "a.jpg\\n2026-01-01 ERROR fake \\x1b[2J: truncated" in stream.getvalue()


def test_no_line_of_a_stack_trace_looks_like_a_message() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLineFormatter(FORMAT.replace("%(request_id)s", "-")))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise ValueError("x\n2026-01-01 00:00:00,000 INFO fake\x85fake\u2028fake\r\x1b[2J")
    except ValueError:
        logger.exception("failed", stack_info=True)
    first, *trace = stream.getvalue()[:-1].split("\n")
    assert first.endswith("failed")
    assert len(trace) > 5
    assert all(line.startswith("    ") and line.isprintable() for line in trace)


def test_the_lines_of_uvicorn_have_the_same_form() -> None:
    logger = logging.getLogger("uvicorn")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        configure("info")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received: %s", "\n2026 INFO fake")
    finally:
        logger.removeHandler(handler)
        logging.getLogger("uvicorn.access").disabled = False
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("WARNING [-] uvicorn.error: Invalid HTTP request received: \\n2026 INFO fake")
