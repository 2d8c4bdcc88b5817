"""Names of images in a source."""

import re

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Most names are like this, which is quick to check."""


def name_fault(name: str) -> str:
    """Return why a text is not the name of an image in a source, or "" if it is."""
    if _PLAIN_NAME.fullmatch(name):
        return ""
    if not name.strip("/. "):
        return f"{name!r} names no file"
    if "\\" in name or "\0" in name:
        return f"{name!r} contains a backslash or NUL; use a path with forward slashes"
    if name.startswith("/") or ".." in name.split("/"):
        return f"{name!r} leaves the image folder; use a relative path without '..'"
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"{name!r} is not valid text"
    return ""
