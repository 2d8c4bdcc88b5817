"""Which layers a page shows: the parameter `layers` of its URL, the same on all pages that show samples in layers."""

from service.explorer.sample.contents import PictureName

BOXES = "boxes"
"""Name of the layer of boxes, which is drawn in the page."""

CROP: PictureName = "crop"
"""The picture whose layers are shown, and the name of the layer at its bottom."""

INPUT = "input"


def layers_of_text(text: str | None) -> tuple[str, ...] | None:
    """Return the layers that a parameter names; None without the parameter."""
    return None if text is None else tuple(dict.fromkeys(name for name in text.split(",") if name))


def text_of_layers(layers: tuple[str, ...] | None) -> str | None:
    """Return the parameter that names layers; None for the usual ones of a page."""
    return None if layers is None else ",".join(layers)


def toggled(layers: tuple[str, ...], layer: str) -> tuple[str, ...]:
    """Return layers with one of them shown or hidden."""
    return tuple(one for one in layers if one != layer) if layer in layers else (*layers, layer)
