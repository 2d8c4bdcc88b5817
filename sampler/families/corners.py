"""What the families of corner detectors share: their target arrays and how they are drawn."""

import math

from sampler.arrays import ArrayMap, ArraySpec, Booleans, Integers
from sampler.config_schema import SamplerConfig
from sampler.families.interface import Family, TrainingOrder
from sampler.kernels.interface import Kernels
from sampler.ops.boxes import Boxes
from sampler.ops.gaussian import largest_bump
from sampler.ops.targets import CornerNames, TargetNames

HEATS = ("tl_heats", "br_heats")
VALIDS = ("tl_valids", "br_valids")


class CornerFamily(Family):
    """A family whose targets are heatmaps, offsets and tags of top-left and bottom-right corners.

    A family with ignored boxes has valid masks too. A config with attention maps has those.
    """

    def target_specs(self, config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
        table = [*self._corner_specs(config, categories, 0), *self._corner_specs(config, categories, 1)]
        rows = "1 for rows of regrs and tags that hold an object"
        table.append(ArraySpec("tag_masks", "|u1", (config.max_objects,), rows))
        for number, attention in enumerate(config.attention):
            low, high = attention.longest
            meaning = f"1 at centres of boxes whose longer side is {low:g}–{high:g} pixels"
            table.append(ArraySpec(f"attentions_{number}", "<f4", (1, *attention.size), meaning))
        return tuple(table)

    def _corner_specs(self, config: SamplerConfig, categories: int, corner: int) -> list[ArraySpec]:
        prefix, words = (("tl", "top-left"), ("br", "bottom-right"))[corner]
        height, width = config.output_size
        planes, rows = (categories, height, width), config.max_objects
        heats = f"bumps of peak 1 at {words} corners of objects, by category"
        valids = f"0 around {words} corners of ignored boxes, 1 elsewhere, by category"
        table = [
            ArraySpec(HEATS[corner], "<f4", planes, heats, sparse=f"K{corner}"),
            ArraySpec(f"{prefix}_regrs", "<f4", (rows, 2), f"x and y offset of the {words} corner in its cell, 0–1"),
            ArraySpec(f"{prefix}_tags", "<i8", (rows,), f"cell of the {words} corner, y · {width} + x"),
        ]
        if self.ignores_boxes:
            table.append(ArraySpec(VALIDS[corner], "<f4", planes, valids, background=1, sparse=f"K{corner + 2}"))
        return table

    def training_order(self, config: SamplerConfig) -> TrainingOrder:
        # The order of CornerNet-Lite.
        order: TrainingOrder = (*HEATS, "tag_masks", "tl_regrs", "br_regrs", "tl_tags", "br_tags")
        return (*order, *VALIDS, self._attentions(config)) if self.ignores_boxes else order

    def corner_names(self, config: SamplerConfig) -> TargetNames:
        valids = VALIDS if self.ignores_boxes else (None, None)
        return TargetNames(
            top_left=CornerNames(HEATS[0], "tl_regrs", "tl_tags", valids[0]),
            bottom_right=CornerNames(HEATS[1], "br_regrs", "br_tags", valids[1]),
            tag_masks="tag_masks",
            attentions=self._attentions(config),
        )

    def draw_targets(
        self, boxes: Boxes, objects: Booleans, starts: Integers, config: SamplerConfig, out: ArrayMap, kernels: Kernels
    ) -> None:
        kernels.draw_targets(boxes, objects, starts, config, self.corner_names(config), out)

    def most_sparse_values(self, config: SamplerConfig, categories: int, boxes: int) -> int:
        """Return the cells of one largest bump for each corner of each box, at most all cells.

        A box draws either into a heatmap or into a valid mask, never into both.
        """
        planes = categories * math.prod(config.output_size)
        return 2 * min(boxes * largest_bump(config), 2 * planes if self.ignores_boxes else planes)

    @staticmethod
    def _attentions(config: SamplerConfig) -> tuple[str, ...]:
        return tuple(f"attentions_{number}" for number in range(len(config.attention)))
