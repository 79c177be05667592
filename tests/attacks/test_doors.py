"""The other ways in, over HTTP: rows, files, pages, lookups, CKAN's datastore, the rows behind a figure."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import openpyxl
import pyarrow.parquet as pq
import pytest

from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.lake import lake_of
from sanqu.sharing.interfaces import Interface, switch_on
from sanqu.sharing.mirror import catch_up

from .attempts import Attempt, Who
from .county import EVERYONE, ROAD_LABELS, ROAD_METRES, SHOP_SECRETS, officer, public, stranger, town_officer
from .hall import Hall, texts_in

N = EVERYONE[9]
OUT = ROAD_LABELS[2]
# The longest road of all lies out of the town's scope: whether one is longer must not be told.
AMONG = max(ROAD_METRES[n] for n in range(30) if n % 3)
CODED = re.compile(r"[A-Za-z0-9_-]{16,}={0,2}")


@dataclass(frozen=True)
class Request(Attempt):
    """A request in place of a query; `asks` is method and path."""

    json: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    other: Any = field(default=None)


def get(name: str, path: str, who: Who = officer, twin: str = "", **headers: str) -> Request:
    """An attempt by GET; for a purpose of its own, `_purpose` stands in the path."""
    said = tuple((key.replace("_", "-"), value) for key, value in headers.items())
    return Request(name, (f"GET {path}",), who, twin=(f"GET {twin}",) if twin else (), headers=said)


def post(name: str, path: str, body: Any, who: Who = officer, other: Any = None) -> Request:
    """An attempt by POST; with `other` a twin with another body."""
    return Request(name, (f"POST {path}",), who, json=body, twin=(f"POST {path}",) if other else (), other=other)


def cursor(*values: object) -> str:
    """A cursor as an attacker would make it."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


R, P = "/api/open/residents", "_purpose=relief"
ATTEMPTS: list[Attempt] = [
    get("rows", f"{R}?{P}&limit=1000"),
    get("rows without a purpose", f"{R}?limit=10"),
    get("rows by a purpose in a header", f"{R}?limit=10", X_Sanqu_Purpose="relief"),
    get("rows by a stranger", f"{R}?{P}", stranger),
    get("rows by the public", f"{R}?{P}", public),
    *(get(f"rows: item {item}", f"{R}?{P}&items={item}") for item in ("note", "income", "id", "rank", "diagnosis", "*", "NOTE", "name,note", '"note"', "rowid", "_sanqu_0")),
    *(get(f"rows: filter on {item}", f"{R}?{P}&{item}={right}", twin=f"{R}?{P}&{item}={wrong}") for item, right, wrong in (
        ("note", N.note, "NOTE000000000"), ("income", N.income, 1.5), ("id", N.id, "IDX0000000000"), ("rank", N.rank, 5),
        ("diagnosis", N.diagnosis, "DX9"), ("income__gt", 0, 99999999), ("savings__isnull", "true", "false"), ("note__startswith", N.note[:6], "XOTE00"),
    )),
    *(get(f"rows: sort by {item}", f"{R}?{P}&limit=3&sort={item}") for item in ("note", "-income", "id", "rank", "diagnosis", "rowid", "name,note", "phone", "-badge")),
    get("rows: filter on the number behind a mask", f"{R}?{P}&phone={N.phone}", twin=f"{R}?{P}&phone=13900000000"),
    get("rows: begin of the number behind a mask", f"{R}?{P}&phone__startswith={N.phone[:5]}", twin=f"{R}?{P}&phone__startswith=13999"),
    get("rows: the badge behind a token", f"{R}?{P}&badge={N.badge}", twin=f"{R}?{P}&badge=BDG000000000"),
    get("rows: compare with the number behind a mask", f"{R}?{P}&phone__gt={N.phone}&count=exact", twin=f"{R}?{P}&phone__gt=13950000000&count=exact"),
    get("rows: a cursor over a masked item", f"{R}?{P}&limit=2&sort=phone"),
    get("rows: a cursor over a token", f"{R}?{P}&limit=2&sort=badge"),
    get("rows: a cursor of one's own", f"{R}?{P}&limit=2&sort=name&after={cursor(1, 'person 8', 8)}"),
    get("rows: a cursor with a closed key", f"{R}?{P}&limit=2&after={cursor(1, N.id)}", twin=f"{R}?{P}&limit=2&after={cursor(1, 'IDX0000000000')}"),
    get("rows: a cursor that is SQL", f"{R}?{P}&limit=2&sort=name&after={cursor(1, '1 OR 1=1', '0')}"),
    get("rows: an old snapshot", f"{R}?{P}&snapshot=1"),
    get("rows: each snapshot", f"{R}?{P}&snapshot=8&items=name"),
    get("rows: text as arrow", f"{R}?{P}&format=arrow"),
    get("rows: CSV", f"{R}?{P}&format=csv"),
    get("rows: counted", f"{R}?{P}&count=exact&age=27"),
    get("rows: an item that is SQL", f"{R}?{P}&items=name%22%2C%22note"),
    get("rows: a sort that is SQL", f"{R}?{P}&sort=name%20UNION%20SELECT%20note"),
    get("rows: a filter name that is SQL", f"{R}?{P}&name%22%20OR%20note=x"),
    get("rows out of scope", "/api/open/roads?limit=100", town_officer),
    get("rows out of scope by filter", f"/api/open/roads?label={OUT}", town_officer, twin="/api/open/roads?label=ROAD000000000"),
    get("rows out of scope by town", "/api/open/roads?town=330803001&count=exact", town_officer),
    get("rows out of scope counted", f"/api/open/roads?count=exact&metres__gt={AMONG - 1}", town_officer, twin=f"/api/open/roads?count=exact&metres__gt={AMONG + 1}"),
    get("rows out of scope by cursor", f"/api/open/roads?limit=2&sort=no&after={cursor(3, 1)}", town_officer),
    get("rows out of scope at a snapshot", "/api/open/roads?snapshot=6", town_officer),
    get("rows out of scope as CSV", "/api/open/roads?format=csv&limit=100", town_officer),
    get("rows of the public out of scope", "/api/open/roads", public),
    *(get(f"a file as {kind}", f"/open/residents.{kind}?{P}") for kind in ("csv", "json", "parquet", "xlsx")),
    *(get(f"a file of rows out of scope as {kind}", f"/open/roads.{kind}", town_officer) for kind in ("csv", "json", "parquet", "xlsx")),
    get("a file at a snapshot", f"/open/residents.csv?{P}&snapshot=1"),
    get("a file without a purpose", "/open/residents.csv"),
    get("a file by a stranger", f"/open/residents.csv?{P}", stranger),
    get("a file of an open dataset", "/open/shops.csv", public),
    get("a page", "/datasets/residents", officer),
    get("a page for the town", "/datasets/roads", town_officer),
    get("a page for the public", "/datasets/shops", public),
    get("a page sorted by a closed item", "/datasets/shops?sort=secret", public),
    get("a page filtered by a closed item", f"/datasets/shops?secret={SHOP_SECRETS[0]}", public, twin="/datasets/shops?secret=SHOP000000000"),
    get("a lookup of a closed key", f"/api/share/residents/{N.id}?{P}", twin=f"/api/share/residents/IDX0000000000?{P}"),
    get("a lookup out of scope", "/api/share/roads/2", town_officer, twin="/api/share/roads/200"),
    get("a lookup in scope", "/api/share/roads/0?items=plan", town_officer),
    get("a lookup of an open dataset", "/api/share/shops/1", public),
    get("a lookup's interface", "/api/share/roads/openapi.json", town_officer),
    get("a lookup's uses", "/api/share/roads/uses", town_officer),
    post("a batch out of scope", "/api/share/roads", {"keys": [[1], [2], [4], [5]]}, town_officer),
    post("a batch of closed keys", f"/api/share/residents?{P}", {"keys": [[N.id]]}),
    *(get(f"a hidden dataset: {path}", path.format("vault"), who, twin=path.format("vauld")) for who in (public, officer) for path in (
        "/api/open/{}", "/open/{}.csv", "/datasets/{}", "/api/share/{}/1", "/api/catalog/datasets/{}", "/api/catalog/datasets/{}/quality",
        "/api/catalog/datasets/{}/quality/rows?measure=completeness&item=deed", "/api/3/action/package_show?id={}",
        "/api/3/action/datastore_search?resource_id={}", "/dataset/{}.ttl", "/datasets/{}/law", "/api/share/{}/openapi.json",
        "/api/grants?dataset={}",
    )),
    get("datastore", "/api/3/action/datastore_search?resource_id=shops&limit=100", public),
    get("datastore for the town", "/api/3/action/datastore_search?resource_id=roads&limit=100", town_officer),
    get("datastore of residents", "/api/3/action/datastore_search?resource_id=residents"),
    get("datastore: fields", "/api/3/action/datastore_search?resource_id=shops&fields=secret", public),
    get("datastore: filter", f"/api/3/action/datastore_search?resource_id=shops&filters=%7B%22secret%22%3A%22{SHOP_SECRETS[0]}%22%7D", public,
        twin="/api/3/action/datastore_search?resource_id=shops&filters=%7B%22secret%22%3A%22SHOP000000000%22%7D"),
    get("datastore: words", f"/api/3/action/datastore_search?resource_id=shops&q={SHOP_SECRETS[0]}", public,
        twin="/api/3/action/datastore_search?resource_id=shops&q=SHOP000000000"),
    get("datastore: words in an item", f"/api/3/action/datastore_search?resource_id=shops&q=%7B%22secret%22%3A%22{SHOP_SECRETS[0]}%22%7D", public,
        twin="/api/3/action/datastore_search?resource_id=shops&q=%7B%22secret%22%3A%22SHOP000000000%22%7D"),
    get("datastore: words out of scope", f"/api/3/action/datastore_search?resource_id=roads&q={OUT}", town_officer,
        twin="/api/3/action/datastore_search?resource_id=roads&q=ROAD000000000"),
    get("datastore: sort", "/api/3/action/datastore_search?resource_id=shops&sort=secret", public),
    get("datastore: distinct", "/api/3/action/datastore_search?resource_id=shops&distinct=true&fields=secret", public),
    get("datastore: SQL", "/api/3/action/datastore_search_sql?sql=SELECT%20*%20FROM%20shops", public),
    get("datastore: info", "/api/3/action/datastore_info?id=shops", public),
    get("datastore: dump", "/datastore/dump/shops?format=json", public),
    get("datastore: dump for the town", "/datastore/dump/roads?format=csv", town_officer),
    get("datastore: dump of residents", "/datastore/dump/residents"),
    *(get(f"rows behind {measure} of {item}", f"/api/catalog/datasets/{name}/quality/rows?measure={measure}&item={item}", who)
      for measure in ("completeness", "validity", "uniqueness")
      for name, item, who in (("residents", "savings", officer), ("residents", "note", officer), ("shops", "secret", public), ("roads", "plan", town_officer), ("roads", "label", town_officer))),
    get("quality of residents", "/api/catalog/datasets/residents/quality"),
    get("quality page", "/datasets/residents/quality"),
    get("the law's page", "/datasets/residents/law"),
    get("the law's page by the public", "/datasets/shops/law", public),
    get("grants of a dataset", "/api/grants?dataset=residents"),
    get("grants of one's own", "/api/grants"),
    get("the ledger", "/ledger", public),
    get("the catalogue's entry", "/api/3/action/package_show?id=residents"),
    get("the data package", "/dataset/shops/datapackage.json", public),
    get("search for a value", f"/api/catalog/search?q={N.name}", public),
    post("SQL as JSON", "/api/ask", {"sql": "SELECT * FROM residents", "purpose": "relief"}),
    post("SQL as CSV", "/api/ask", {"sql": "SELECT * FROM residents", "purpose": "relief", "format": "csv"}),
    post("SQL as Arrow", "/api/ask", {"sql": "SELECT note FROM residents", "purpose": "relief", "format": "arrow"}),
    post("SQL by a stranger", "/api/ask", {"sql": "SELECT * FROM residents", "purpose": "relief"}, stranger),
    post("SQL with a list for a parameter", "/api/ask", {"sql": "SELECT $x", "params": {"x": ["a"]}}),
    post("SQL with the secret for a parameter", "/api/ask", {"sql": "SELECT badge, $_sanqu_secret_1 FROM residents", "purpose": "relief", "params": {}}),
    post("SQL with a purpose of spaces", "/api/ask", {"sql": "SELECT name FROM residents", "purpose": "  "}),
    post("SQL with a purpose in another case", "/api/ask", {"sql": "SELECT name, note FROM residents", "purpose": "Relief"}),
    post("explain", "/api/explain", {"sql": f"SELECT name FROM residents WHERE note = '{N.note}'", "purpose": "relief"},
         other={"sql": "SELECT name FROM residents WHERE note = 'NOTE000000000'", "purpose": "relief"}),
    post("explain of a hidden dataset", "/api/explain", {"sql": "SELECT * FROM vault"}, other={"sql": "SELECT * FROM vauld"}),
    post("explain of a plan", "/api/explain", {"sql": "SELECT badge FROM residents", "purpose": "relief"}),
    post("a grant for oneself", "/api/grants", {"dataset": "residents", "assignee": "user:1", "purposes": ["relief"], "items": [{"item": "note", "uses": ["group"]}]}),
]  # fmt: skip


@pytest.fixture(scope="session")
def keys(hall: Hall, site: httpx.Client) -> dict[Who, tuple[Asker, str]]:
    """An account and a key for everyone who asks over HTTP; lookups are switched on."""
    places = {officer: "330802", town_officer: "330802001", stranger: "330803"}
    made = {}
    with hall.city.db.connection() as conn:
        for who, unit in places.items():
            person = add_person(conn, SYSTEM, f"one-of-{unit}", "某人", [("officer", unit)])
            made[who] = (who(person), make_key(conn, SYSTEM, person, "attack"))
        for dataset in ("shops", "roads", "residents"):
            switch_on(conn, SYSTEM, dataset, lake_of(hall.city).contract(dataset), Interface())
    catch_up(hall.city)
    return made


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda made: made.name)
def test_no_other_way_says_more(
    hall: Hall, site: httpx.Client, keys: dict[Callable[[int], Asker], tuple[Asker, str]], attempt: Request
) -> None:
    asker, key = keys.get(attempt.who, (public(0), ""))
    answer = send(site, key, attempt, attempt.asks[0], attempt.json)
    leak = leak_in(hall, asker, answer, attempt.asks[0] + json.dumps(attempt.json))
    assert leak is None, f"{attempt.name}: {leak} came out: {answer.status_code} {answer.text[:300]}"
    if attempt.twin:
        other = send(site, key, attempt, attempt.twin[0], attempt.other)
        assert shape(answer, attempt.asks[0]) == shape(other, attempt.twin[0]), attempt.name


def send(site: httpx.Client, key: str, attempt: Request, ask: str, body: Any) -> httpx.Response:
    method, path = ask.split(" ", 1)
    headers = dict(attempt.headers) | ({"Authorization": f"Bearer {key}"} if key else {})
    return site.request(method, path, headers=headers, json=body)


def shape(answer: httpx.Response, ask: str) -> tuple[int, str]:
    """What two requests are compared by; the words of the request that stand in the answer, and links, are left out."""
    words = sorted(set(re.findall(r"[\w.%-]{4,}", ask)), key=len, reverse=True)
    text = re.sub(r'"(next|start|url|href|instance|query|digest)": ?"[^"]*"', "", answer.text)
    for word in words:
        text = text.replace(word, "…").replace(httpx.URL(f"/{word}").path[1:], "…")
    return answer.status_code, re.sub(r"vaul[td]|(ROAD|NOTE|SHOP)\d+", "…", text)


def leak_in(hall: Hall, asker: Asker, answer: httpx.Response, asked: str) -> str | None:
    kind = answer.headers.get("content-type", "")
    said: list[Any] = [answer.text, dict(answer.headers)]
    if "parquet" in kind:
        said.append(pq.read_table(io.BytesIO(answer.content)).to_pylist())
    elif "sheet" in kind:
        book = openpyxl.load_workbook(io.BytesIO(answer.content), read_only=True)
        said.append([list(row) for sheet in book.worksheets for row in sheet.iter_rows(values_only=True)])
    said.append([_decoded(found) for found in CODED.findall(" ".join(texts_in(said)))[:2000]])
    rows = [row for row in (_json(answer).get("rows") or ()) if isinstance(row, dict)]
    texts = "\n".join(texts_in(said))
    for one in EVERYONE:
        for figure in (one.income, one.savings, one.rank):
            if figure is not None and str(figure) in texts and str(figure) not in asked:
                return f"the figure {figure}"
    return hall.leak_in([*said], asker, asked) or hall.leak_in([{"rows": rows}], asker, asked)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "replace")
    except ValueError:
        return ""
