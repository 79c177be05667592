"""Report once: figures, their values with history, requests and what each of their cells is filled from."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"

NAMES = ("cell", "request", "value", "figure")


def upgrade() -> None:
    """Make the tables."""
    op.execute("""
CREATE TABLE reporting_figure (
    code       text PRIMARY KEY,
    body       jsonb NOT NULL,
    state      text NOT NULL CHECK (state IN ('active', 'proposed', 'refused')),
    differs    text NOT NULL DEFAULT '',
    creator    text NOT NULL,
    created    timestamptz NOT NULL
);
-- What a place reported; a correction is a further version, and the newest counts.
CREATE TABLE reporting_value (
    figure     text NOT NULL REFERENCES reporting_figure (code),
    place      text NOT NULL REFERENCES org_unit (code),
    period     text NOT NULL,
    version    integer NOT NULL,
    value      numeric NOT NULL,
    request    text NOT NULL,
    actor      text NOT NULL,
    reason     text NOT NULL DEFAULT '',
    at         timestamptz NOT NULL,
    PRIMARY KEY (figure, place, period, version)
);
CREATE SEQUENCE reporting_request_number;
CREATE TABLE reporting_request (
    number     text PRIMARY KEY,
    title      text NOT NULL,
    why        text NOT NULL,
    unit       text NOT NULL REFERENCES org_unit (code),
    period     text NOT NULL,
    figures    text[] NOT NULL,
    places     text[] NOT NULL,
    days       integer NOT NULL,
    state      text NOT NULL CHECK (state IN ('submitted', 'open', 'refused')),
    answer     text NOT NULL DEFAULT '',
    case_number text,
    creator    text NOT NULL,
    created    timestamptz NOT NULL,
    sample     boolean NOT NULL DEFAULT false
);
CREATE INDEX reporting_request_created ON reporting_request (created DESC);
-- `how`: taken from a report, awaited from another request's, read from a dataset (value and source are kept), or asked of the place.
CREATE TABLE reporting_cell (
    request    text NOT NULL REFERENCES reporting_request (number),
    figure     text NOT NULL REFERENCES reporting_figure (code),
    place      text NOT NULL REFERENCES org_unit (code),
    how        text NOT NULL CHECK (how IN ('reported', 'awaited', 'dataset', 'asked')),
    value      numeric,
    source     text NOT NULL DEFAULT '',
    PRIMARY KEY (request, figure, place)
);
CREATE INDEX reporting_cell_place ON reporting_cell (figure, place);
""")


def downgrade() -> None:
    """Drop them."""
    op.execute(";".join(f"DROP TABLE reporting_{name}" for name in NAMES) + ";DROP SEQUENCE reporting_request_number")
