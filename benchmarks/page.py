"""The page that shows what was measured."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def put_into(page: Path, section: str, text: str) -> None:
    """Replace the text between a page's comments `<!-- section -->` and `<!-- /section -->`.

    Raises ValueError if the page has no such comments.
    """
    start, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    before = page.read_text(encoding="utf-8")
    place = re.compile(rf"(?<={start}\n).*?(?={end})", re.DOTALL)
    if not place.search(before):
        raise ValueError(f"{page}: add the lines {start} and {end} where the section belongs")
    page.write_text(place.sub(lambda _: text, before), encoding="utf-8")
