"""Settings: file, environment, flags, in that order; each mistake named; each documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanqu.ground.errors import BadInput
from sanqu.ground.settings import Settings, load_settings

DOCS = Path(__file__).parents[2] / "docs" / "operating.md"


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "sanqu.toml").write_text('port = 1000\nmemory_limit = "1GB"\nrate_per_minute = 5\n')
    found = load_settings({"home": tmp_path, "port": 3000, "host": None}, {"SANQU_PORT": "2000", "SANQU_RATE_PER_MINUTE": "6"})
    assert (found.port, found.rate_per_minute, found.memory_limit, found.host) == (3000, 6, "1GB", "127.0.0.1")


@pytest.mark.parametrize(("content", "named"), [("port = 'many'", "port"), ("ports = 1", "ports"), ("port = ", "sanqu.toml")])
def test_a_setting_that_does_not_fit_is_named(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "sanqu.toml").write_text(content)
    with pytest.raises(BadInput) as refused:
        load_settings({"home": tmp_path}, {})
    assert named in str(refused.value)


def test_every_setting_stands_in_the_docs() -> None:
    table = DOCS.read_text("utf-8")
    missing = [name for name in Settings.model_fields if f"`{name}`" not in table or f"`SANQU_{name.upper()}`" not in table]
    assert missing == []
