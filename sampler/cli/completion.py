"""Values that shells complete. Where a function gives none, the shell completes names of files."""

from collections.abc import Callable, Iterable


def one_of(values: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a completion for an option: the values that begin with what was typed."""
    known = tuple(values)

    def complete(incomplete: str) -> list[str]:
        return [value for value in known if value.startswith(incomplete)]

    return complete
