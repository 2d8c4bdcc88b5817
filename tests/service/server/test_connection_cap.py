"""The number of connections follows from the descriptors of the process."""

import pytest

from service.server.connection_cap import MOST_CONNECTIONS, connection_cap
from service.settings.load import SettingsError


def test_the_default_leaves_descriptors_for_the_server_and_its_workers() -> None:
    assert 800 < connection_cap(None, 2, 1024) < 1024 - 64
    assert connection_cap(None, 20, 1024) < connection_cap(None, 2, 1024)


def test_the_default_is_bounded_where_descriptors_are_plenty() -> None:
    assert connection_cap(None, 8, 65536) == MOST_CONNECTIONS


def test_a_number_that_is_asked_for_is_taken_or_refused() -> None:
    assert connection_cap(5000, 8, 65536) == 5000
    with pytest.raises(SettingsError, match="SAMPLER_MAX_CONNECTIONS = 1000: this process may open 1024 files"):
        connection_cap(1000, 2, 1024)


def test_a_process_without_descriptors_is_told_to_raise_the_limit() -> None:
    with pytest.raises(SettingsError, match=r"^this process may open 64 files.* raise the limit \(ulimit -n"):
        connection_cap(None, 1, 64)
