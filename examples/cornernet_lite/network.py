"""A small network with the outputs of CornerNet-Saccade or CornerNet. It shows that training works, and no more."""

from torch import Tensor, nn

from examples.cornernet_lite.losses import Predictions
from saccade_sampler import SamplerConfig

WIDTH = 32
"""Channels of the features."""

PRIOR_LOGIT = -2.19
"""Logit of a score of 0.1, with which heatmaps start: most cells are no corners."""


class SmallNetwork(nn.Module):
    """Convolutions to the output size, corner pooling, and a head for each output."""

    def __init__(self, config: SamplerConfig, categories: int) -> None:
        """Make the network for samples of a config. categories: number of category planes."""
        super().__init__()
        self._size = config.output_size
        self._attention_sizes = [one.size for one in config.attention]
        self.features = nn.Sequential(convolution(3, stride=2), convolution(WIDTH, stride=2), convolution(WIDTH))
        self.tl_heats, self.br_heats = head(categories, PRIOR_LOGIT), head(categories, PRIOR_LOGIT)
        self.tl_tags, self.br_tags = head(1), head(1)
        self.tl_offsets, self.br_offsets = head(2), head(2)
        self.attentions = nn.ModuleList([head(1, PRIOR_LOGIT) for _ in self._attention_sizes])

    def forward(self, images: Tensor) -> Predictions:
        """Return what the network says of (B, 3, S, S) images."""
        features = nn.functional.interpolate(self.features(images), self._size)
        top_left = features + top_left_pool(features)
        bottom_right = features + top_left_pool(features.flip(2, 3)).flip(2, 3)
        sizes = zip(self.attentions, self._attention_sizes, strict=True)
        return Predictions(
            tl_heats=self.tl_heats(top_left),
            br_heats=self.br_heats(bottom_right),
            tl_tags=self.tl_tags(top_left),
            br_tags=self.br_tags(bottom_right),
            tl_offsets=self.tl_offsets(top_left),
            br_offsets=self.br_offsets(bottom_right),
            attentions=[one(nn.functional.adaptive_max_pool2d(features, size)) for one, size in sizes],
        )


def convolution(channels: int, stride: int = 1) -> nn.Module:
    """Return a 3×3 convolution from `channels` to `WIDTH` channels."""
    return nn.Sequential(nn.Conv2d(channels, WIDTH, 3, stride, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())


def head(channels: int, bias: float = 0.0) -> nn.Module:
    """Return two convolutions to an output, which starts near `bias`."""
    last = nn.Conv2d(WIDTH, channels, 1)
    assert last.bias is not None  # as the constructor makes one by default
    nn.init.constant_(last.bias, bias)
    return nn.Sequential(convolution(WIDTH), last)


def top_left_pool(features: Tensor) -> Tensor:
    """Return for each cell the largest feature to its right plus the largest below it: CornerNet, section 3.3."""
    rightwards = features.flip(3).cummax(3).values.flip(3)
    downwards = features.flip(2).cummax(2).values.flip(2)
    return rightwards + downwards
