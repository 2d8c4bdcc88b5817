"""The progress bar on terminals of different widths."""

import pytest

from sampler.progress_display import shown_bar


@pytest.mark.parametrize("width", [40, 60, 70, 71, 80, 200])
@pytest.mark.parametrize("total", [256, 118_287])
def test_no_number_of_a_bar_is_cut_short(
    width: int, total: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with shown_bar("recording", total, total - 1) as advance:
        advance(900_000)
    line = capsys.readouterr().err.splitlines()[-1].rstrip()
    assert f"{total}/{total}" in line
    assert line.endswith("left")
    assert "…" not in line
