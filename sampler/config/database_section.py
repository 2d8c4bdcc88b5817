"""Reading the `db` section of a config file: which of its keys set which fields of a sampler config."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sampler.checks import require_number
from sampler.config.published import KEYS_WITHOUT_EFFECT, SCALE_RANGE
from sampler.config.scale_range import ScaleRange
from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.errors import ConfigError

DIRECT_KEYS = (
    "rand_crop", "rand_center", "rand_color", "lighting", "gaussian_bump", "gaussian_iou", "gaussian_radius",
    "min_scale", "border", "categories", "max_objects", "keep_crowd",
)  # fmt: skip
"""Keys that are fields of `SamplerConfig` under the same name. The last two are this project's own."""

SIZE_KEYS = ("input_size", "output_sizes")
ATTENTION_KEYS = ("att_sizes", "att_ratios", "att_ranges")


@dataclass(frozen=True, slots=True)
class Base:
    """What a config file starts from.

    Attributes:
        preset: The first preset of the file's detector family.
        defaults: Values that replace the preset's, by field.
        published: Whether the file is CornerNet-Lite's. Otherwise it names a family by import path.
        fixed: Fields that the file cannot set.
    """

    preset: SamplerConfig
    defaults: Mapping[str, Any]
    published: bool
    fixed: frozenset[str]

    def default(self, field: str) -> Any:
        """Return the value of a field that the file does not set."""
        return self.defaults.get(field, getattr(self.preset, field))


@dataclass(frozen=True, slots=True)
class Section:
    """A `db` section.

    Attributes:
        fields: The values that it sets, by field, not checked yet.
        ignored: Keys that no sample depends on, and parts of lists, such as "output_sizes[1:]", in ascending order.
        meant: By ignored key, the key that was probably meant.
    """

    fields: dict[str, Any]
    ignored: tuple[str, ...]
    meant: dict[str, str]


def read_section(db: dict[str, Any], base: Base) -> Section:
    """Return what a `db` section sets. Raises `ConfigError` for values of a wrong form."""
    fields = {key: db[key] for key in DIRECT_KEYS if key in db and key not in base.fixed}
    used = {*SIZE_KEYS, "rand_scales", *(key for key in DIRECT_KEYS if key not in base.fixed)}
    if not base.published and "gaussian_rad" in db:  # the earlier name of the key, for families by import path
        fields["gaussian_radius"] = db["gaussian_rad"]
        used.add("gaussian_rad")
    if _uses_range(db, base):
        used |= set(SCALE_RANGE)
    if "attention" not in base.fixed:
        fields |= _attention(db, base)
        used |= set(ATTENTION_KEYS)
    fields |= _scales(db, base) | _sizes(db)
    unused = set(db) - used
    parts = _unused_parts(db, fields)
    return Section(fields, tuple(sorted([*unused, *parts])), _meant(unused, used - set(db)))


def _uses_range(db: dict[str, Any], base: Base) -> bool:
    """Whether the scales are a range: if `rand_scales` is null. A family by import path may leave the null out."""
    return db.get("rand_scales") is None and ("rand_scales" in db or not base.published)


def _scales(db: dict[str, Any], base: Base) -> dict[str, Any]:
    if db.get("rand_scales") is not None:
        scales = db["rand_scales"]
        return {"rand_scales": tuple(scales) if isinstance(scales, list) else scales}
    given = {key: db[key] for key in SCALE_RANGE if key in db}
    if not _uses_range(db, base) or not (base.published or given):
        return {}
    if not base.published and len(given) < len(SCALE_RANGE):
        raise ConfigError(f"{', '.join(given)}: expected rand_scale_min, rand_scale_max and rand_scale_step together")
    return {"rand_scales": _range({**SCALE_RANGE, **given})}


def _range(bounds: dict[str, Any]) -> tuple[float, ...]:
    return ScaleRange(*(require_number(key, bounds[key], error=ConfigError) for key in SCALE_RANGE)).scales()


def _sizes(db: dict[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    if "input_size" in db:
        sizes["input_size"] = _pair("input_size", db["input_size"])
    if "output_sizes" in db:
        outputs = db["output_sizes"]
        if not isinstance(outputs, list) or not outputs:
            raise ConfigError(f"output_sizes = {outputs!r}: expected a list of [height, width]; the first is used")
        sizes["output_size"] = _pair("output_sizes[0]", outputs[0])
    return sizes


def _pair(key: str, value: object) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise ConfigError(f"{key} = {value!r}: expected [height, width]")
    return value[0], value[1]


def _attention(db: dict[str, Any], base: Base) -> dict[str, Any]:
    given = {key: db[key] for key in ATTENTION_KEYS if key in db}
    if not given:
        return {}
    maps: tuple[AttentionMap, ...] = base.default("attention")
    columns: dict[str, Any] = {
        "att_sizes": [list(one.size) for one in maps],
        "att_ratios": [one.ratio for one in maps],
        "att_ranges": [list(one.longest) for one in maps],
    }
    columns |= given
    for key, column in columns.items():
        if not isinstance(column, list):
            raise ConfigError(f"{key} = {column!r}: expected a list, one entry for each map")
    count = len(columns["att_sizes"])
    if any(len(column) < count for column in columns.values()):
        lengths = ", ".join(f"{key} has {len(column)}" for key, column in columns.items())
        raise ConfigError(f"{lengths}: expected a ratio and a range for each size")
    rows = zip(*(columns[key] for key in ATTENTION_KEYS), strict=False)  # entries beyond the sizes have no map
    return {
        "attention": tuple(
            AttentionMap(_pair(f"att_sizes[{i}]", size), ratio, _pair(f"att_ranges[{i}]", longest))
            for i, (size, ratio, longest) in enumerate(rows)
        )
    }


def _unused_parts(db: dict[str, Any], fields: dict[str, Any]) -> list[str]:
    """Return the parts of lists that are beyond those that samples depend on."""
    lengths = {"output_sizes": 1}
    if "attention" in fields:
        lengths |= dict.fromkeys(("att_ratios", "att_ranges"), len(fields["attention"]))
    return [f"{key}[{length}:]" for key, length in lengths.items() if key in db and len(db[key]) > length]


def _meant(unused: set[str], missing: set[str]) -> dict[str, str]:
    """Return the key that was probably meant by each unused key that nobody published."""
    unknown = unused - KEYS_WITHOUT_EFFECT - {*DIRECT_KEYS, *SCALE_RANGE, *ATTENTION_KEYS}
    close = {key: difflib.get_close_matches(key, sorted(missing), n=1, cutoff=0.85) for key in sorted(unknown)}
    return {key: matches[0] for key, matches in close.items() if matches}
