"""Where the project and its shared test data are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's root folder."""

SHARED = ROOT.parent / "shared"
"""COCO images and recorded samples for tests; absent for most users."""
