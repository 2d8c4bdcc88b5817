"""CornerNet-Lite's class defaults: the values that its code uses for keys that a config file does not give.

They are facts about the public repository princeton-vl/CornerNet-Lite, `core/dbs/detection.py`. The published config
files, which are our presets, override many of them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sampler.config_schema import AttentionMap

DEFAULTS: Mapping[str, Any] = MappingProxyType({
    "input_size": (383, 383), "output_size": (96, 96), "rand_scales": (1,), "gaussian_iou": 0.7, "gaussian_radius": -1,
    "gaussian_bump": False, "rand_crop": False, "rand_center": True, "rand_color": False, "lighting": True,
    "border": 64, "min_scale": 16,
    "attention": (
        AttentionMap(size=(16, 16), ratio=16, longest=(96, 256)),
        AttentionMap(size=(32, 32), ratio=8, longest=(32, 96)),
        AttentionMap(size=(64, 64), ratio=4, longest=(0, 32)),
    ),
})  # fmt: skip
"""By field of `SamplerConfig`. `output_size` is the first of four `output_sizes`; the samplers use no other."""

SCALE_RANGE: Mapping[str, float] = MappingProxyType(
    {"rand_scale_min": 0.8, "rand_scale_max": 1.4, "rand_scale_step": 0.2}
)
"""By key. They count only if a file gives `rand_scales: null`; without the key, `rand_scales` is [1]."""

KEYS_WITHOUT_EFFECT = frozenset({
    "data_aug", "max_scale", "view_sizes", "init_sizes", "att_scales", "att_thresholds", "att_nms_ks", "att_max_crops",
    "ref_dets", "score_threshold", "nms_threshold", "max_per_set", "max_per_image", "top_k", "ae_threshold",
    "nms_kernel", "num_dets", "nms_algorithm", "weight_exp", "merge_bbox", "test_scales", "test_flipped",
    "rand_full_crop", "height_mult", "width_mult",
})  # fmt: skip
"""Keys of the published classes and files that no training sample depends on."""
