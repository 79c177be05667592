"""Who may know of a dataset: as tokens that a query filters by, never as a question per row."""

from __future__ import annotations

from sanqu.catalog.records import Opening, Sharing, State
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

ADMIN = "admin"
PUBLIC = "public"
STAFF = "staff"


def audience_of(state: State, opening: Opening, sharing: Sharing, unit_path: str) -> list[str]:
    """The tokens of those who may know of a dataset.

    What is published and opens (even on conditions) is known to all; what does not open but is shared, to the city's
    staff; all else (drafts, the withdrawn, what is neither opened nor shared) to the steward's unit and those above it
    on `unit_path`. What is deleted only administrators still see.
    """
    if state == "deleted":
        return [ADMIN]
    line = [f"u:{code}" for code in unit_path.strip("/").split("/") if code]
    if state != "published" or (opening == "none" and sharing == "none"):
        return [ADMIN, *line]
    if opening == "none":
        return [ADMIN, *line, STAFF]
    return [ADMIN, *line, STAFF, PUBLIC]


def tokens_of(asker: Asker) -> list[str]:
    """The tokens an asker holds; one in common with a dataset's audience lets the asker know of it."""
    if asker.is_admin:
        return [ADMIN]
    held = sorted({f"u:{role.unit}" for role in asker.held})
    return [PUBLIC, *([STAFF] if asker.is_staff else []), *held]


def check_steward(asker: Asker, unit_path: str, thing: str) -> None:
    """Raise `Refused` unless the asker answers for data of the unit at `unit_path`."""
    if not asker.may_steward(unit_path):
        raise Refused(
            "catalog.not-steward",
            Text(zh="您不是这个数据集的责任单位", en="You do not answer for this dataset"),
            Text(
                zh="请责任单位的数据管理员操作，或申请该单位的“数据管理员”角色",
                en="Ask a steward of its unit, or for the role of steward there",
            ),
            thing,
            status=403 if asker.signed_in else 401,
        )
