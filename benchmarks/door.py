"""The door: how long a decision takes, and what the rewrite costs TPC-H beside the same queries on the bare tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import duckdb

from benchmarks.cities import scratch_city, scratch_home
from benchmarks.table import Row
from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lake.engine import extension_file
from sanqu.sharing.decide import Decisions, decide
from sanqu.sharing.door import Question, _statements
from sanqu.sharing.grants import Grant, ItemGrant, add_grant
from sanqu.sharing.runner import Statement, runners_of

SCALE = 1
ROUNDS = 5
OFFICER = Asker(name="bench", user_id=1, held=(Role("officer", "3308", "/3308/"),))
PURPOSE = "statistics"
TYPES = {"BIGINT": "integer", "INTEGER": "integer", "DATE": "date", "VARCHAR": "string"}
MASKS = {
    "c_phone": ({"kind": "keep", "first": 2, "last": 0},),
    "c_name": ({"kind": "hash"},),
    "c_address": ({"kind": "drop"},),
}
FIVE_TABLES = """
SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
FROM customer, orders, lineitem, supplier, nation
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey AND c_nationkey = s_nationkey
  AND s_nationkey = n_nationkey AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01' AND l_tax < {n}
GROUP BY n_name ORDER BY revenue DESC
"""


def fill(city: City) -> list[str]:
    """Publish the eight tables; everything is open but the customers, who are read under a grant with masks. The queries."""
    duck = duckdb.connect(config={"autoinstall_known_extensions": False})
    duck.execute(f"LOAD '{extension_file('tpch')}'")
    duck.execute(f"CALL dbgen(sf={SCALE})")
    for (name,) in duck.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall():
        columns = duck.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [name]).fetchall()
        fields = [{"name": column, "type": TYPES.get(kind, "number")} for column, kind in columns]
        closed = {"grade": "L3", "opening": "none", "sharing": "conditional"} if name == "customer" else {}
        said = {"name": name, "title": {"zh": name}, "steward": "3308", "fields": fields} | closed
        contract = Contract.from_descriptor(said)
        register_contract(city, contract, "bench", state="published")
        casts = ", ".join(f"CAST({field.name} AS {field.lake_type}) AS {field.name}" for field in contract.fields)
        file = city.settings.home / f"{name}.parquet"
        duck.execute(f"COPY (SELECT {casts} FROM {name}) TO '{file}' (FORMAT parquet)")
        with lake_of(city).engine() as lake:
            lake_of(city).append(name, f"SELECT * FROM read_parquet('{file}')", Commit("bench"), duck=lake)
        file.unlink()
    given(city)
    return [str(row[0]) for row in duck.execute("SELECT query FROM tpch_queries() ORDER BY query_nr").fetchall()]


def given(city: City) -> None:
    """The officer's grant on the customers."""
    contract = lake_of(city).contract("customer")
    items = tuple(ItemGrant(item=name, masks=MASKS.get(name, ())) for name in contract.names)
    with city.db.connection() as conn:
        add_grant(conn, SYSTEM, Grant(dataset="customer", assignee="user:1", items=items, purposes=(PURPOSE,)), contract, "3308")


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def queries_both_ways(city: City, queries: list[str]) -> tuple[float, float]:
    """Seconds for all queries through the law and on the bare tables, in the same sealed process, taken in turns."""
    ruled, bare = [0.0] * len(queries), [0.0] * len(queries)
    for number, sql in enumerate(queries):
        sql = sql.rstrip().rstrip(";")
        question = Question(sql, PURPOSE, rows=100_000)
        decision, snapshots = decide(city, OFFICER, PURPOSE, sql)
        if not decision.allowed:
            raise SystemExit(f"query {number + 1}: {decision.refusal()}")
        lawful = _statements(city, question, decision, snapshots, 100_000)
        raw = [Statement(_bare(city, sql, [table.dataset for table in decision.tables], snapshots), {}, 100_000)]
        pairs = [(_run(city, lawful), _run(city, raw)) for _ in range(ROUNDS)]
        ruled[number] = statistics.median(pair[0] for pair in pairs)
        bare[number] = statistics.median(pair[1] for pair in pairs)
    return sum(ruled), sum(bare)


def _bare(city: City, sql: str, tables: list[str], snapshots: dict[str, int]) -> str:
    views = ", ".join(
        f"{name} AS NOT MATERIALIZED (SELECT * FROM {lake_of(city).at_snapshot(name, snapshots[name])})" for name in tables
    )
    return f"WITH {views} SELECT * FROM ({sql})"


def _run(city: City, statements: list[Statement]) -> float:
    return timed(lambda: runners_of(city).run(statements, 120))


def run() -> list[Row]:
    """The table."""
    with scratch_home() as home, scratch_city(home) as city:
        city.settings = city.settings.model_copy(update={"query_memory": "4GB", "query_processes": 1})
        queries = fill(city)
        warm = FIVE_TABLES.format(n=9)
        decide(city, OFFICER, PURPOSE, warm)
        again = [timed(lambda: decide(city, OFFICER, PURPOSE, warm)) for _ in range(2000)]
        cold = []
        for n in range(200):
            city.part(Decisions, Decisions)._kept.clear()
            cold.append(timed(lambda n=n: decide(city, OFFICER, PURPOSE, FIVE_TABLES.format(n=10 + n))))  # type: ignore[misc]
        lawful, raw = queries_both_ways(city, queries)
    p50, p99 = statistics.median(again) * 1e3, statistics.quantiles(again, n=100)[98] * 1e3
    middle, slow = statistics.median(cold) * 1e3, statistics.quantiles(cold, n=100)[98] * 1e3
    return [
        Row("decision known before, p50", f"{p50:.2f} ms", "—", "—", "< 1 ms", p50 < 1),
        Row("decision known before, p99", f"{p99:.2f} ms", "—", "—", "< 3 ms", p99 < 3),
        Row("first decision, join of five tables, p50", f"{middle:.1f} ms", "—", "—", "< 15 ms", middle < 15),
        Row("first decision, join of five tables, p99", f"{slow:.1f} ms", "—", "—", "< 15 ms", slow < 15),
        Row(
            "22 queries of TPC-H, SF1, customers masked",
            f"{lawful:.2f} s",
            f"{raw:.2f} s",
            f"{lawful / raw:.2f} ×",
            "≤ 1.15 ×",
            lawful / raw <= 1.15,
        ),
    ]
