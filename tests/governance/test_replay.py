"""A day of events replayed: made up, and in the shape of a file of 311 requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanqu.governance.events import Wanted, list_events
from sanqu.governance.replay import CLOSED, CREATED, replay
from sanqu.governance.scores import scores
from sanqu.ground.errors import BadInput
from tests.governance.conftest import County

FILE = Path(__file__).parents[3] / "shared" / "data" / "requests_nyc311.csv"


def quiet(_line: str) -> None: ...


def test_a_made_up_day_fills_the_scorecards(county: County) -> None:
    done = replay(county.city, 24, say=quiet)
    assert done.events == 24 and done.per_second > 0
    whole, rows = scores(county.city, county.admin, Wanted(), "grid")
    assert whole.events == 24 and whole.closed == done.closed > 12 and len(rows) == 2
    assert all(event.sample for event in list_events(county.city, county.admin, Wanted())[0])
    assert whole.rated > 0 and whole.hours is not None


@pytest.mark.skipif(not FILE.is_file(), reason="there is no file of 311 requests on this machine")
def test_a_real_day_keeps_its_hours_and_neighbours(county: County) -> None:
    done = replay(county.city, 24, FILE, say=quiet)
    assert done.events == 24
    whole, _ = scores(county.city, county.admin, Wanted(), "grid")
    assert whole.events == 24


def test_a_file_of_something_else_is_refused(county: County, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(f"a,{CREATED},{CLOSED}\n1,2,3\n", "utf-8")
    with pytest.raises(BadInput):
        replay(county.city, 5, other, say=quiet)
