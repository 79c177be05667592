"""Pages and screens as pictures and PDF, made by a browser that waits for the charts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from sanqu.ground.errors import BadInput
from sanqu.scenes.showing.shot import BROWSERS, Shot, take
from sanqu.web.app import make_app
from tests.scenes.hall import Hall


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium on this machine: apt-get install chromium")
def test_a_screen_is_a_picture_and_a_page_a_pdf(hall: Hall, tmp_path: Path) -> None:
    take(hall.city, make_app, Shot("gallery", "all", tmp_path / "one.png", screen=1))
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (1920, 1080)
        # Dark ground, and the colours of charts on it.
        colours = {colour for _count, colour in picture.convert("RGB").resize((192, 108)).getcolors(99_999) or ()}
        assert min(sum(one) for one in colours) < 80 < 300 < max(sum(one) for one in colours) and len(colours) > 200
    take(hall.city, make_app, Shot("gallery", "inside", tmp_path / "inside.pdf", lang="en"), hall.steward)
    assert (tmp_path / "inside.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(BadInput, match=r"401|did not open"):
        take(hall.city, make_app, Shot("gallery", "inside", tmp_path / "no.png"))
    with pytest.raises(BadInput, match="ending"):
        take(hall.city, make_app, Shot("gallery", "all", tmp_path / "all.gif"))
