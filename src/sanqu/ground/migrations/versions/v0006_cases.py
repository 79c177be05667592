"""Processes, cases, their tasks and their history: the tables of whatever people do step by step."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
-- One row a version; running cases stay on theirs. `spec` is what the engine made of the XML, kept here once and not
-- in every case; `steps` is what we read from it: who acts, with which form, until when.
CREATE TABLE case_process (
    name       text NOT NULL,
    version    int NOT NULL,
    title_zh   text NOT NULL,
    title_en   text NOT NULL DEFAULT '',
    bpmn       text NOT NULL,
    spec       jsonb NOT NULL,
    steps      jsonb NOT NULL,
    actor      text NOT NULL,
    created    timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE SEQUENCE case_number;
CREATE TABLE case_case (
    id         uuid PRIMARY KEY,
    number     text NOT NULL UNIQUE,
    process    text NOT NULL,
    version    int NOT NULL,
    title      text NOT NULL,
    subject    text NOT NULL DEFAULT '',
    applicant  text NOT NULL,
    unit       text REFERENCES org_unit (code),
    data       jsonb NOT NULL DEFAULT '{}',
    -- Where the process stands, without its description and without the case's data.
    engine     jsonb NOT NULL,
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open','done','withdrawn')),
    outcome    text NOT NULL DEFAULT '',
    created    timestamptz NOT NULL,
    closed     timestamptz,
    FOREIGN KEY (process, version) REFERENCES case_process (name, version)
);
CREATE INDEX case_case_created ON case_case (created DESC, id);
CREATE INDEX case_case_applicant ON case_case (applicant, created DESC);
CREATE INDEX case_case_unit ON case_case (unit, created DESC);
CREATE INDEX case_case_subject ON case_case (subject, created DESC) WHERE subject <> '';

CREATE TABLE case_task (
    id         uuid PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES case_case (id) ON DELETE CASCADE,
    name       text NOT NULL,
    title_zh   text NOT NULL,
    title_en   text NOT NULL DEFAULT '',
    role       text NOT NULL DEFAULT '',
    -- The unit that must act; or, for what the applicant must do, no unit and the applicant as assignee.
    unit       text REFERENCES org_unit (code),
    assignee   text,
    form       jsonb NOT NULL DEFAULT '[]',
    state      text NOT NULL CHECK (state IN ('waiting','ready','done','cancelled')),
    due        timestamptz,
    -- False where the holidays of the year were not announced yet when the deadline was counted.
    due_sure   boolean NOT NULL DEFAULT true,
    remind_at  timestamptz,
    reminded   timestamptz,
    overdue    timestamptz,
    escalate_at timestamptz,
    escalated  timestamptz,
    escalated_to text REFERENCES org_unit (code),
    made       timestamptz NOT NULL,
    done_at    timestamptz,
    done_by    text,
    result     jsonb,
    -- Who has taken it on, so that two colleagues do not do it both; anyone who may act may still.
    claimed_by text,
    claimed    timestamptz,
    CHECK (unit IS NOT NULL OR assignee IS NOT NULL)
);
CREATE INDEX case_task_case ON case_task (case_id);
CREATE INDEX case_task_unit ON case_task (unit, due) WHERE state = 'ready';
CREATE INDEX case_task_assignee ON case_task (assignee, due) WHERE state = 'ready' AND assignee IS NOT NULL;
CREATE INDEX case_task_escalated_to ON case_task (escalated_to, due) WHERE state = 'ready' AND escalated_to IS NOT NULL;
CREATE INDEX case_task_remind ON case_task (remind_at) WHERE state = 'ready' AND reminded IS NULL;
CREATE INDEX case_task_due ON case_task (due) WHERE state = 'ready' AND overdue IS NULL;
CREATE INDEX case_task_escalate ON case_task (escalate_at) WHERE state = 'ready' AND escalated IS NULL;

CREATE TABLE case_step (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES case_case (id) ON DELETE CASCADE,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    what       text NOT NULL,
    task       uuid,
    facts      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX case_step_case ON case_step (case_id, id);

-- What people say in a case; the history and the ledger only hold that something was said.
CREATE TABLE case_comment (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES case_case (id) ON DELETE CASCADE,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    text       text NOT NULL
);
CREATE INDEX case_comment_case ON case_comment (case_id, id);

-- What one person is told; the person is named as in `case_case.applicant`.
CREATE TABLE case_notice (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person     text NOT NULL,
    at         timestamptz NOT NULL,
    zh         text NOT NULL,
    en         text NOT NULL,
    link       text NOT NULL,
    read_at    timestamptz
);
CREATE INDEX case_notice_person ON case_notice (person, id DESC);
CREATE INDEX case_notice_unread ON case_notice (person) WHERE read_at IS NULL;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
