"""Affairs across cities: partner cities, what they offer, letters sent and taken, certificates that they sign."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"

TABLES = """
-- A city that matters are handled for or by (跨省通办), with the key that an administrator pinned.
CREATE TABLE affairs_partner (
    code       text PRIMARY KEY,
    title_zh   text NOT NULL,
    title_en   text NOT NULL,
    address    text NOT NULL,
    suite      text NOT NULL,
    key        bytea NOT NULL,
    active     boolean NOT NULL DEFAULT true,
    added      timestamptz NOT NULL DEFAULT now(),
    -- When what is kept of its catalogue was signed there, when it was asked last, and why that failed.
    offered    timestamptz,
    fetched    timestamptz,
    cause      jsonb
);

-- A matter that a partner offers; those it offers no more stay for the filings that name them.
CREATE TABLE affairs_offer (
    partner    text NOT NULL REFERENCES affairs_partner (code),
    code       text NOT NULL,
    position   int NOT NULL,
    body       jsonb NOT NULL,
    active     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (partner, code)
);

-- Letters to partners. The text goes once it was taken: it holds what the form asked.
CREATE TABLE affairs_letter (
    number     text PRIMARY KEY,
    position   bigint GENERATED ALWAYS AS IDENTITY,
    partner    text NOT NULL REFERENCES affairs_partner (code),
    filing     text NOT NULL REFERENCES affairs_filing (number),
    kind       text NOT NULL,
    letter     text,
    made       timestamptz NOT NULL,
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','taken','refused')),
    tries      int NOT NULL DEFAULT 0,
    next_try   timestamptz NOT NULL,
    settled    timestamptz,
    cause      jsonb
);
CREATE INDEX affairs_letter_waiting ON affairs_letter (position) WHERE state = 'waiting';
CREATE INDEX affairs_letter_filing ON affairs_letter (filing, position);

-- Letters of partners, each done once; the same letter is answered the same.
CREATE TABLE affairs_taken (
    sender     text NOT NULL,
    number     text NOT NULL,
    kind       text NOT NULL,
    digest     text NOT NULL,
    answer     text,
    at         timestamptz NOT NULL,
    PRIMARY KEY (sender, number)
);

-- Certificates that a partner issued for filings of ours.
CREATE TABLE affairs_certificate_away (
    partner    text NOT NULL REFERENCES affairs_partner (code),
    number     text NOT NULL,
    filing     text NOT NULL REFERENCES affairs_filing (number),
    code       text NOT NULL,
    text       text NOT NULL,
    signature  bytea NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (partner, number)
);
CREATE INDEX affairs_certificate_away_filing ON affairs_certificate_away (filing);

-- Its number in the city that handles it; the city that sent it here, and its number there.
ALTER TABLE affairs_filing
    ADD COLUMN city_number text NOT NULL DEFAULT '',
    ADD COLUMN origin text NOT NULL DEFAULT '',
    ADD COLUMN origin_number text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX affairs_filing_origin ON affairs_filing (origin, origin_number) WHERE origin <> '';
"""
NAMES = ("certificate_away", "taken", "letter", "offer", "partner")


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Take them away."""
    op.execute("ALTER TABLE affairs_filing DROP COLUMN city_number, DROP COLUMN origin, DROP COLUMN origin_number")
    op.execute(";".join(f"DROP TABLE affairs_{name}" for name in NAMES))
