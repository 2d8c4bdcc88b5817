"""The losses of CornerNet and CornerNet-Saccade, restated from the papers for a network with one stack.

- CornerNet: H. Law and J. Deng, "CornerNet: Detecting Objects as Paired Keypoints", ECCV 2018, arXiv:1808.01244,
  equations (1) to (6).
- CornerNet-Saccade: H. Law, Y. Teng, O. Russakovsky and J. Deng, "CornerNet-Lite: Efficient Keypoint Based Object
  Detection", arXiv:1904.08900, section 3.

Targets are the `ys` of a batch. B is the number of samples, C of categories, M of rows for objects; H×W is the output
size.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, smooth_l1_loss

SCORE_LIMIT = 1e-4
"""Scores are kept this far from 0 and 1, so that their logarithms are finite."""

COUNT_EPSILON = 1e-4
"""Added to numbers of objects that are divided by."""

TAG_WEIGHT = 0.1
"""Weight of the pull and the push loss, α and β of equation (6). The others have weight 1."""


@dataclass(frozen=True)
class Predictions:
    """What a network says of B images.

    Attributes:
        tl_heats: (B, C, H, W), logits of top-left corners.
        br_heats: the same for bottom-right corners.
        tl_tags: (B, 1, H, W), embeddings of top-left corners.
        br_tags: the same for bottom-right corners.
        tl_offsets: (B, 2, H, W), x and y of top-left corners in their cells.
        br_offsets: the same for bottom-right corners.
        attentions: (B, 1, a, a) logits of each attention map; empty for CornerNet.
    """

    tl_heats: Tensor
    br_heats: Tensor
    tl_tags: Tensor
    br_tags: Tensor
    tl_offsets: Tensor
    br_offsets: Tensor
    attentions: list[Tensor]


class Losses(NamedTuple):
    """The terms of the loss, weighted."""

    focal: Tensor
    pull: Tensor
    push: Tensor
    offset: Tensor
    attention: Tensor

    @property
    def total(self) -> Tensor:
        """The sum, which training minimises."""
        return torch.stack(self).sum()


def detection_losses(found: Predictions, targets: list[Any]) -> Losses:
    """Return the losses of a batch: equation (6) of CornerNet and, if the targets have them, attention maps.

    Args:
        found: by the network.
        targets: `ys` of a batch of CornerNet, CornerNet-Squeeze or CornerNet-Saccade.
    """
    tl_heats, br_heats, masks, tl_regrs, br_regrs, tl_cells, br_cells, *saccade = targets
    tl_valids, br_valids, attentions = saccade or (None, None, [])
    objects = masks.bool()
    pull, push = tag_losses(at_cells(found.tl_tags, tl_cells), at_cells(found.br_tags, br_cells), objects)
    tl_offset = offset_loss(at_cells(found.tl_offsets, tl_cells), tl_regrs, objects)
    br_offset = offset_loss(at_cells(found.br_offsets, br_cells), br_regrs, objects)
    return Losses(
        focal=focal_loss(found.tl_heats, tl_heats, tl_valids) + focal_loss(found.br_heats, br_heats, br_valids),
        pull=TAG_WEIGHT * pull,
        push=TAG_WEIGHT * push,
        offset=tl_offset + br_offset,
        attention=attention_loss(found, attentions),
    )


def focal_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the focal loss of a map, equation (1) with α = 2 and β = 4.

    Args:
        logits: (B, C, H, W).
        target: of the same shape: 1 at corners, less around them.
        valid: of the same shape, 0 where cells do not count, because an ignored box has its corner there. Only
            CornerNet-Saccade has it.
    """
    scores = logits.sigmoid().clamp(SCORE_LIMIT, 1 - SCORE_LIMIT)
    corners = target == 1
    at_corners = (1 - scores) ** 2 * scores.log()
    elsewhere = (1 - target) ** 4 * scores**2 * (1 - scores).log()
    cells = torch.where(corners, at_corners, elsewhere)
    if valid is not None:
        cells = cells * valid
    return -cells.sum() / corners.sum().clamp(min=1)


def attention_loss(found: Predictions, targets: list[Tensor]) -> Tensor:
    """Return the focal losses of all attention maps together; 0 on the device of the predictions if there are none.

    Args:
        found: by the network.
        targets: (B, 1, a, a) each, 1 at the cells of objects.
    """
    maps = (focal_loss(*pair) for pair in zip(found.attentions, targets, strict=True))
    return sum(maps, found.tl_heats.new_zeros(()))


def offset_loss(offsets: Tensor, target: Tensor, objects: Tensor) -> Tensor:
    """Return the smooth L1 loss of corner offsets, equation (3).

    Args:
        offsets: (B, M, 2), found at the corners.
        target: (B, M, 2), equation (2).
        objects: (B, M) bool, the rows that hold an object.
    """
    return smooth_l1_loss(offsets[objects], target[objects], reduction="sum") / (objects.sum() + COUNT_EPSILON)


def tag_losses(tl_tags: Tensor, br_tags: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pull and the push loss, equations (4) and (5) with Δ = 1, summed over the images.

    Args:
        tl_tags: (B, M, 1), embeddings at the top-left corners.
        br_tags: the same at the bottom-right corners.
        objects: (B, M) bool, the rows that hold an object.
    """
    pairs = torch.cat([tl_tags, br_tags], dim=2)
    means = pairs.mean(dim=2)
    counts = objects.sum(dim=1, keepdim=True)
    spread = ((pairs - means.unsqueeze(2)) ** 2).sum(dim=2) / (counts + COUNT_EPSILON)
    pull = spread[objects].sum()

    # The published code also compares each object with itself, and subtracts 1/N from every term to make up for it.
    # An image with one object thus adds a constant.
    counts = counts.unsqueeze(2)
    close = relu(1 - (means.unsqueeze(1) - means.unsqueeze(2)).abs()) - 1 / (counts + COUNT_EPSILON)
    both = objects.unsqueeze(1) & objects.unsqueeze(2)
    push = (close / (counts * (counts - 1) + COUNT_EPSILON))[both].sum()
    return pull, push


def at_cells(maps: Tensor, cells: Tensor) -> Tensor:
    """Return the values of maps at cells, (B, M, K).

    Args:
        maps: (B, K, H, W).
        cells: (B, M) int64, y · W + x.
    """
    rows = cells.unsqueeze(1).expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, rows).transpose(1, 2)
