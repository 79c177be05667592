"""Affairs: the catalogue of matters and things, filings beside their cases, certificates, awards of subsidies."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"

TABLES = """
-- The catalogue (事项目录): fields of forms, matters, things.
CREATE TABLE affairs_entry (
    kind       text NOT NULL CHECK (kind IN ('item','matter','thing')),
    code       text NOT NULL,
    position   int NOT NULL,
    body       jsonb NOT NULL,
    active     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (kind, code)
);

-- One filing (申办件) beside its case. What it holds of a person is seen by the applicant, the window, and, of its own
-- matters, by each department.
CREATE TABLE affairs_filing (
    number     text PRIMARY KEY,
    thing      text NOT NULL,
    -- Another city of the nine where it is handled; empty where that is here.
    city       text NOT NULL DEFAULT '',
    channel    text NOT NULL CHECK (channel IN ('online','window')),
    applicant  text NOT NULL,
    holder     text NOT NULL,
    subject_kind text NOT NULL CHECK (subject_kind IN ('person','enterprise')),
    subject    text NOT NULL,
    form       jsonb NOT NULL,
    -- For each field: held (with its dataset), typed, or differs from what is held.
    origins    jsonb NOT NULL,
    materials  jsonb NOT NULL,
    taken_by   text,
    code_hash  bytea UNIQUE,
    client_id  text UNIQUE,
    state      text NOT NULL CHECK (state IN ('submitted','amending','handling','done','refused','withdrawn')),
    submitted  timestamptz NOT NULL,
    accepted   timestamptz,
    by_rule    boolean NOT NULL DEFAULT false,
    done       timestamptz,
    due        timestamptz NOT NULL,
    outcome    text NOT NULL DEFAULT '',
    legal_days int NOT NULL,
    visits_before int NOT NULL,
    rating     smallint CHECK (rating BETWEEN 1 AND 5),
    rating_note text NOT NULL DEFAULT '',
    rated_unit text,
    followed   timestamptz,
    reply      text NOT NULL DEFAULT '',
    rerating   smallint CHECK (rerating BETWEEN 1 AND 5)
);
CREATE INDEX affairs_filing_submitted ON affairs_filing (submitted DESC, number);
CREATE INDEX affairs_filing_applicant ON affairs_filing (applicant, submitted DESC);
CREATE INDEX affairs_filing_thing ON affairs_filing (thing, submitted DESC);

-- Certificates of result (电子证照); what is signed is the text.
CREATE TABLE affairs_certificate (
    number     text PRIMARY KEY,
    -- Stands in the address of its QR code, so it is kept as it is.
    code       text NOT NULL,
    matter     text NOT NULL,
    filing     text NOT NULL REFERENCES affairs_filing (number),
    unit       text NOT NULL REFERENCES org_unit (code),
    subject    text NOT NULL,
    text       text NOT NULL,
    signature  bytea NOT NULL,
    issued     timestamptz NOT NULL,
    until      date,
    revoked    timestamptz,
    revoked_by text,
    reason     text NOT NULL DEFAULT '',
    UNIQUE (filing, matter)
);
CREATE INDEX affairs_certificate_subject ON affairs_certificate (subject, issued DESC);
CREATE SEQUENCE affairs_certificate_number;

-- Subsidies paid without applying (免申即享): programmes and awards.
CREATE TABLE affairs_programme (
    code       text PRIMARY KEY,
    position   int NOT NULL,
    body       jsonb NOT NULL,
    drawn      timestamptz,
    candidates int,
    eligible   int,
    active     boolean NOT NULL DEFAULT true
);
CREATE TABLE affairs_award (
    number     text PRIMARY KEY,
    programme  text NOT NULL REFERENCES affairs_programme (code),
    enterprise text NOT NULL,
    name       text NOT NULL,
    amount     bigint NOT NULL CHECK (amount > 0),
    facts      jsonb NOT NULL,
    rule       int NOT NULL,
    state      text NOT NULL CHECK (state IN ('offered','published','objected','payable','paid','declined','refused')),
    offered    timestamptz NOT NULL,
    confirmed  timestamptz,
    published  timestamptz,
    settled    timestamptz,
    paid       timestamptz,
    UNIQUE (programme, enterprise)
);
CREATE INDEX affairs_award_state ON affairs_award (programme, state);
CREATE TABLE affairs_objection (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    award      text NOT NULL REFERENCES affairs_award (number),
    text       text NOT NULL,
    contact    text NOT NULL DEFAULT '',
    at         timestamptz NOT NULL,
    upheld     boolean,
    answer     text NOT NULL DEFAULT ''
);
CREATE INDEX affairs_objection_award ON affairs_objection (award);
"""
NAMES = ("objection", "award", "programme", "certificate", "filing", "entry")


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Take them away."""
    op.execute(";".join(f"DROP TABLE affairs_{name}" for name in NAMES) + "; DROP SEQUENCE affairs_certificate_number")
