"""The JSON document of a config file: its `db` section, and the sampling function that it is for."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sampler.config.database_section import ATTENTION_KEYS, DIRECT_KEYS, SIZE_KEYS
from sampler.config.published import KEYS_WITHOUT_EFFECT, SCALE_RANGE
from sampler.errors import ConfigError
from sampler.printable import printable
from sampler.system_errors import explain
from sampler.text_files import read_text

TELLING_KEYS = frozenset(
    {*DIRECT_KEYS, *SIZE_KEYS, *ATTENTION_KEYS, "rand_scales", *SCALE_RANGE, *KEYS_WITHOUT_EFFECT, "gaussian_rad"}
) - {"categories"}
"""Keys that a `db` section has and other JSON files do not. Annotation files have `categories` too."""

SHOWN_KEYS = 3


@dataclass(frozen=True, slots=True)
class Document:
    """A config file.

    Attributes:
        function: `system.sampling_function`, not checked yet.
        assumed: Whether the file does not give `function`, so that it follows from the keys.
        db: The `db` section.
    """

    function: object
    assumed: bool
    db: dict[str, Any]


def read_json(path: Path) -> tuple[object, list[str]]:
    """Return the content of a JSON file, and the keys that one of its objects has more than once.

    Raises `ConfigError` that names the file.
    """
    repeated: list[str] = []
    try:
        return json.loads(read_text(path), object_pairs_hook=partial(_object, repeated)), repeated
    except OSError as error:
        cause = explain(error, path, "name a file that this user can read")
        raise ConfigError(f"{path}: cannot be read: {cause}") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_document(content: object) -> Document:
    """Return the document. Raises `ConfigError` for content of another form.

    A bare `db` section is accepted too. Without a sampling function, attention keys mean cornernet_saccade.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"expected an object with a `db` section, found {type(content).__name__}")
    system, db = content.get("system", {}), content.get("db", {} if "system" in content else content)
    for name, section in (("system", system), ("db", db)):
        if not isinstance(section, dict):
            raise ConfigError(f"{name} = {section!r}: expected an object")
    if db is content and db and TELLING_KEYS.isdisjoint(db):
        found = ", ".join(printable(key) for key in list(db)[:SHOWN_KEYS])
        raise ConfigError(f"expected an object with a `db` section, found the keys {found}; give a config file")
    function = system.get("sampling_function")
    if function is not None:
        return Document(function, False, db)
    return Document("cornernet" if db.keys().isdisjoint(ATTENTION_KEYS) else "cornernet_saccade", True, db)


def _object(repeated: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, and add the keys that it has more than once to `repeated`."""
    repeated += [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    return dict(pairs)
