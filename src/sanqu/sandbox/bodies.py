"""What leaves a room once it may: rows as an Arrow stream, or the parameters of a model as JSON."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass

import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.sharing.safe import safe_cell


@dataclass(frozen=True)
class Body:
    """The bytes as they are kept, how many rows they hold, and whether there were more."""

    data: bytes
    rows: int
    more: bool

    @property
    def table(self) -> pa.Table:
        """The rows, where it is a table."""
        return pa.ipc.open_stream(self.data).read_all()


def body_of(table: pa.Table, more: bool) -> Body:
    """A table as it is kept."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Body(sink.getvalue(), table.num_rows, more)


def digest_of(salt: bytes, body: Body) -> str:
    """SHA-256 over salt and body, in hex: nobody finds out what has not left by trying what gives the digest."""
    return hashlib.sha256(salt + body.data).hexdigest()


def as_csv(table: pa.Table) -> bytes:
    """A table as CSV that a spreadsheet computes nothing in."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([safe_cell(name) for name in table.column_names])
    columns = [column.to_pylist() for column in table.columns]
    writer.writerows([[safe_cell(value) for value in row] for row in zip(*columns, strict=True)])
    return out.getvalue().encode()
