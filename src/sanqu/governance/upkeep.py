"""Daily upkeep of events: ratings that nobody gave end unrated, so that cases do not stay open for ever."""

from __future__ import annotations

import logging
from datetime import datetime

from sanqu.cases.work import complete_task
from sanqu.governance.records import PROCESS
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import SanquError
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM

log = logging.getLogger(__name__)

UNRATED = """
SELECT t.id FROM case_task t JOIN case_case c ON c.id = t.case_id
WHERE t.state = 'ready' AND t.name = 'rate' AND c.process = %s AND t.due < %s ORDER BY t.due LIMIT 5000
"""


@job("governance.unrated", every="40 18 * * *")
def end_unrated(city: City, at: datetime | None = None) -> int:
    """End the cases whose reporter let the time to rate pass; they count as not rated, not as content. Returns how many."""
    at, ended = at or now(), 0
    for row in city.db.all(UNRATED, (PROCESS, at)):
        try:
            complete_task(city, SYSTEM, row["id"], {}, at=at)
            ended += 1
        except SanquError:
            # Rated a moment ago, or a case that needs a look; the others go on.
            log.warning("the rating task %s could not be ended", row["id"], exc_info=True)
    return ended
