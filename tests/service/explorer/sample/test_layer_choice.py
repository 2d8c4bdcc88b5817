"""Which layers a page shows, as its URL and its links say it."""

from service.explorer.sample.layer_choice import layers_of_text, text_of_layers, toggled


def test_layers_are_shown_and_hidden() -> None:
    shown = toggled(("crop", "boxes"), "input")
    assert shown == ("crop", "boxes", "input")
    assert toggled(shown, "input") == ("crop", "boxes")


def test_a_parameter_names_layers() -> None:
    assert layers_of_text("crop,,crop") == ("crop",)
    for layers in (None, (), ("crop",), ("input", "tl_heats")):
        assert layers_of_text(text_of_layers(layers)) == layers
