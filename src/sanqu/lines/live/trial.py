"""Rows through a live line's checks and steps without its stream (专线试行): samples, and whoever tries what a line makes of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.lake import Commit, Hand, lake_of
from sanqu.lines import keeping
from sanqu.lines.live.portion import Portion, Row, Told, Work, open_shape
from sanqu.lines.live.positions import Position
from sanqu.lines.live.standing import COUNTED, end_run
from sanqu.lines.records import Line


def carry_rows(city: City, line: Line, rows: Sequence[Mapping[str, Any]], author: str) -> Told:
    """Take rows the way of the line, in one commit; where the line stands does not change, and time in its windows begins anew.

    Rows that do not fit go to quarantine. Raises `BadInput` where line and contracts do not fit.
    """
    lake = lake_of(city)
    with lake.engine() as duck, city.db.own_connection() as conn:
        shape = open_shape(city, line, duck)
        portion = Portion(shape, Position(), Position(epoch=author))
        portion.rows = [Row(0, number, "put", row, shape.matcher) for number, row in enumerate(rows, 1)]
        run = keeping.start_run(conn, line, author, None, 0)
        work = Work(city, duck, portion, run)
        told: Told | None = None
        fault: SanquError | None = None
        try:
            work.check()

            def write(hand: Hand) -> Told:
                return work.write(hand)

            keyed = [contract.name for contract in (shape.target, *shape.beside) if contract.primaryKey]
            told = lake.together(Commit(author, line.name), keyed, write, duck=duck, conn=conn).result
            return told
        except SanquError as broke:
            fault = broke
            raise
        finally:
            work.close()
            end_run(city, run, {name: int(getattr(told, name)) for name in COUNTED} if told is not None else {}, fault)
