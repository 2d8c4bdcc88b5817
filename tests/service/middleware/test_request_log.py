"""Requests cannot forge log lines."""

from service.middleware.request_log import printable


def test_log_lines_cannot_be_forged_by_a_request_path() -> None:
    assert printable("/a\nINFO fake") == "/a\\nINFO fake"
    assert len(printable("x" * 10_000)) == 401
