"""Governance: areas on the map, matters, events, village notices and votes, households and visits."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0013"

TABLES = """
-- The outline of a unit (GeoJSON geometry, WGS 84); of some units only.
CREATE TABLE governance_area (
    unit       text PRIMARY KEY REFERENCES org_unit (code),
    kind       text NOT NULL,
    shape      jsonb NOT NULL,
    sample     boolean NOT NULL DEFAULT false
);

-- The catalogue of matters (事项清单): what may be reported, who answers for it, how soon.
CREATE TABLE governance_matter (
    code       text PRIMARY KEY,
    position   int NOT NULL,
    body       jsonb NOT NULL,
    active     boolean NOT NULL DEFAULT true
);

-- One event (事件) beside its case. Whoever reported it without an account knows the follow-up code; we know its hash.
CREATE TABLE governance_event (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number     text NOT NULL UNIQUE,
    matter     text NOT NULL REFERENCES governance_matter (code),
    urgency    text NOT NULL CHECK (urgency IN ('normal','urgent')),
    source     text NOT NULL CHECK (source IN ('grid','resident','hotline','department','sensor','open311')),
    title      text NOT NULL,
    text       text NOT NULL DEFAULT '',
    reporter   text NOT NULL,
    contact    jsonb NOT NULL DEFAULT '{}',
    code_hash  bytea,
    address    text NOT NULL DEFAULT '',
    lon        double precision,
    lat        double precision,
    grid       text REFERENCES org_unit (code),
    village    text REFERENCES org_unit (code),
    town       text REFERENCES org_unit (code),
    county     text REFERENCES org_unit (code),
    lead       text REFERENCES org_unit (code),
    partners   text[] NOT NULL DEFAULT '{}',
    state      text NOT NULL CHECK (state IN ('reported','dispatching','handling','verifying','closed','refused','merged','withdrawn')),
    reported   timestamptz NOT NULL,
    accepted   timestamptz,
    dispatched timestamptz,
    handled    timestamptz,
    closed     timestamptz,
    changed    timestamptz NOT NULL,
    due        timestamptz NOT NULL,
    outcome    text NOT NULL DEFAULT '',
    rating     smallint CHECK (rating BETWEEN 1 AND 5),
    reopened   boolean NOT NULL DEFAULT false,
    maybe      text,
    merged_into text REFERENCES governance_event (number),
    repeat_of  text REFERENCES governance_event (number),
    attributes jsonb NOT NULL DEFAULT '{}',
    -- Made by the reporter's program: the same report sent twice is one event.
    client_id  text UNIQUE,
    sample     boolean NOT NULL DEFAULT false,
    CHECK ((lon IS NULL) = (lat IS NULL))
);
CREATE INDEX governance_event_reported ON governance_event (reported DESC, id DESC);
CREATE INDEX governance_event_town ON governance_event (town, reported DESC);
CREATE INDEX governance_event_county ON governance_event (county, reported DESC);
CREATE INDEX governance_event_grid ON governance_event (grid, reported DESC) WHERE grid IS NOT NULL;
CREATE INDEX governance_event_lead ON governance_event (lead, reported DESC);
CREATE INDEX governance_event_reporter ON governance_event (reporter, reported DESC) WHERE reporter <> 'public';
CREATE INDEX governance_event_alike ON governance_event (matter, lon, lat, reported);
CREATE INDEX governance_event_followers ON governance_event (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX governance_event_open ON governance_event (due) WHERE closed IS NULL;

-- Who belongs to a village, community or park: anybody may follow one, who is confirmed may vote.
CREATE TABLE governance_member (
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    unit       text NOT NULL REFERENCES org_unit (code),
    kind       text NOT NULL CHECK (kind IN ('resident','villager','enterprise')),
    confirmed_by text,
    PRIMARY KEY (person, unit)
);
CREATE INDEX governance_member_unit ON governance_member (unit);

CREATE TABLE governance_notice (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit       text NOT NULL REFERENCES org_unit (code),
    title      text NOT NULL,
    text       text NOT NULL,
    actor      text NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX governance_notice_unit ON governance_notice (unit, id DESC);

CREATE TABLE governance_vote (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit       text NOT NULL REFERENCES org_unit (code),
    title      text NOT NULL,
    text       text NOT NULL DEFAULT '',
    choices    text[] NOT NULL,
    secret     boolean NOT NULL,
    opened     timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    closed     timestamptz,
    result     jsonb,
    actor      text NOT NULL
);
CREATE INDEX governance_vote_unit ON governance_vote (unit, id DESC);
-- Who has voted; in a secret vote nothing here or in the ledger leads to a ballot.
CREATE TABLE governance_voter (
    vote       bigint NOT NULL REFERENCES governance_vote (id),
    person     bigint NOT NULL REFERENCES person (id),
    PRIMARY KEY (vote, person)
);
CREATE TABLE governance_ballot (
    id         uuid PRIMARY KEY,
    vote       bigint NOT NULL REFERENCES governance_vote (id),
    choice     int NOT NULL,
    person     bigint REFERENCES person (id)
);
CREATE INDEX governance_ballot_vote ON governance_ballot (vote);

-- Household records (民情档案): personal data; the grid's own workers and the stewards above see them, and each look is in the ledger.
CREATE TABLE governance_household (
    id         uuid PRIMARY KEY,
    grid       text NOT NULL REFERENCES org_unit (code),
    version    int NOT NULL DEFAULT 1,
    body       jsonb NOT NULL,
    actor      text NOT NULL,
    changed    timestamptz NOT NULL,
    sample     boolean NOT NULL DEFAULT false
);
CREATE INDEX governance_household_grid ON governance_household (grid);
-- Every text of a record that was sent, also one that began from an older text than the newest: both are kept.
CREATE TABLE governance_household_text (
    id         uuid PRIMARY KEY,
    household  uuid NOT NULL REFERENCES governance_household (id) ON DELETE CASCADE,
    version    int,
    body       jsonb NOT NULL,
    actor      text NOT NULL,
    at         timestamptz NOT NULL,
    settled    boolean NOT NULL DEFAULT true
);
CREATE INDEX governance_household_text_of ON governance_household_text (household, at);
-- People who are visited by a plan (重点人员): level 1 each week, 2 each month, 3 each quarter.
CREATE TABLE governance_special (
    id         uuid PRIMARY KEY,
    household  uuid NOT NULL REFERENCES governance_household (id) ON DELETE CASCADE,
    grid       text NOT NULL REFERENCES org_unit (code),
    name       text NOT NULL,
    kind       text NOT NULL,
    level      smallint NOT NULL CHECK (level BETWEEN 1 AND 3),
    since      date NOT NULL,
    visited    date,
    due        date NOT NULL,
    reminded   date,
    ended      date
);
CREATE INDEX governance_special_due ON governance_special (grid, due) WHERE ended IS NULL;
CREATE TABLE governance_visit (
    -- Made by the worker's page: the same visit sent twice is one visit.
    id         uuid PRIMARY KEY,
    household  uuid NOT NULL REFERENCES governance_household (id) ON DELETE CASCADE,
    special    uuid REFERENCES governance_special (id) ON DELETE CASCADE,
    grid       text NOT NULL REFERENCES org_unit (code),
    on_day     date NOT NULL,
    met        boolean NOT NULL,
    reason     text NOT NULL DEFAULT '',
    text       text NOT NULL DEFAULT '',
    help       text NOT NULL DEFAULT '',
    actor      text NOT NULL,
    typed      timestamptz NOT NULL,
    arrived    timestamptz NOT NULL,
    -- What was sent under this visit's id with another text is a visit of its own beside it.
    beside     uuid REFERENCES governance_visit (id)
);
CREATE INDEX governance_visit_household ON governance_visit (household, on_day DESC);
CREATE INDEX governance_visit_special ON governance_visit (special, on_day DESC);
CREATE INDEX governance_visit_grid ON governance_visit (grid, on_day DESC);
CREATE INDEX governance_visit_beside ON governance_visit (beside) WHERE beside IS NOT NULL;
"""
NAMES = (
    "visit", "special", "household_text", "household", "ballot", "voter", "vote", "notice", "member", "event", "matter", "area",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Take them away."""
    op.execute(";".join(f"DROP TABLE governance_{name}" for name in NAMES))
