"""The command `doctor`: what on this host and at its servers keeps a training from running, and what to do about it.

Facts are gathered by `host.py`, `paths.py`, `contact.py` and `packages.py`. Checks are pure functions from facts to
findings.
"""
