"""Plans of inspection (抽查计划), and the lists that a draw is made from: targets through the door, inspectors, exclusions."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import ValidationError

from sanqu.cases.records import person_label
from sanqu.cases.rights import reach_of
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import quote_ident
from sanqu.sharing.door import Question, ask
from sanqu.supervision.draw import VERSION, opaque
from sanqu.supervision.records import UNRATED, Credit, Plan, Rules, Targets, plan_from
from sanqu.supervision.registers import COLUMNS as INSPECTOR_COLUMNS
from sanqu.supervision.registers import Avoidance, Inspector, avoidances, check_runs, find_items, inspector_from

MOST_TARGETS = 200_000
YEAR = timedelta(days=365)

NUMBER = "SELECT nextval('supervision_plan_number') AS n"
ADD = """
INSERT INTO supervision_plan (number, title, unit, units, rules, creator, created, sample)
VALUES (%(number)s, %(title)s, %(unit)s, %(units)s, %(rules)s, %(creator)s, %(created)s, %(sample)s)
"""
COLUMNS = "p.number, p.title, p.unit, p.rules, p.creator, p.created, p.sample"
ONE = f"SELECT {COLUMNS} FROM supervision_plan p WHERE p.number = %s"
WANTED = "(%(text)s::text IS NULL OR p.title ILIKE %(like)s OR p.number ILIKE %(like)s)"
LIST = f"SELECT {COLUMNS} FROM supervision_plan p WHERE {WANTED} ORDER BY p.created DESC, p.number DESC LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n FROM supervision_plan p WHERE {WANTED}"
IN_UNITS = f"SELECT {INSPECTOR_COLUMNS} FROM supervision_inspector s WHERE s.unit = ANY(%s) ORDER BY s.certificate"
# Offices of a department in a county end as the department does, and those below it in the tree are its own.
OFFICES = """
SELECT u.code FROM org_unit u JOIN org_unit top ON top.code = %(unit)s
WHERE u.path LIKE top.path || '%%' OR (position('-' IN top.code) > 0 AND u.kind = 'department' AND split_part(u.code, '-', 2) = split_part(top.code, '-', 2))
"""
# Whoever is drawn has been bothered, whether or not the visit was made yet; what was void was not.
VISITED = "SELECT target, count(*) AS n FROM supervision_inspection WHERE drawn >= %s AND state <> 'void' GROUP BY target"


@dataclass(frozen=True)
class Target:
    """One firm as the datasets tell of it."""

    id: str
    name: str
    county: str
    kind: str
    grade: str


@dataclass(frozen=True)
class Lists:
    """What a draw is made from, and what stands behind its opaque numbers: `{"targets": [{number, id, salt, name, …}], …}`."""

    lists: dict[str, Any]
    names: dict[str, list[dict[str, str]]]


def make_plan(city: City, asker: Asker, title: str, rules: Mapping[str, Any] | Rules, *, sample: bool = False, at: datetime | None = None) -> Plan:
    """Make a plan; raises `BadInput` naming the rule that does not fit, `Refused` for others than stewards, `NotFound` for units."""
    at = at or now()
    if not 0 < len(title.strip()) <= 120:
        raise BadInput("supervision.title", Text(zh="计划要有名称", en="The plan needs a title"), Text(zh="至多 120 个字符", en="At most 120 characters"), title[:80])
    read = read_rules(rules)
    with city.db.connection() as conn:
        check_runs(conn, asker, read.lead)
        find_items(conn, read.items)
        for unit in read.partners:
            offices_of(conn, unit)
        row = conn.execute(NUMBER).fetchone()
        number = f"SJ{at.astimezone(CITY_ZONE):%Y}-{int(row['n']) if row else 0:04d}"
        plan = Plan(number, title.strip(), read.lead, read, person_label(asker), at, sample)
        units = list(dict.fromkeys([read.lead, *read.partners]))
        conn.execute(ADD, {**plan.__dict__, "units": units, "rules": Jsonb(read.model_dump())})
        append(conn, kind="supervision.plan", actor=asker.label, subject=f"plan:{number}", facts={"unit": read.lead, "items": list(read.items)})
    return plan


def read_rules(said: Mapping[str, Any] | Rules) -> Rules:
    """The rules of a plan as forms and programs send them; raises `BadInput` naming the one that does not fit."""
    try:
        rules = Rules.model_validate(said)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            "supervision.rules", Text(zh=f"计划的 {place} 不合规：{first['msg']}", en=f"{place} of the plan does not fit: {first['msg']}"),
            Text(zh="改正这一项", en="Mend it"), place,
        ) from fault  # fmt: skip
    if len({team.unit for team in rules.teams}) < len(rules.teams):
        raise BadInput("supervision.teams", Text(zh="同一单位写了两次", en="A unit stands twice among the teams"), Text(zh="每个单位写一次", en="Name each unit once"))
    if not rules.each and not any(rules.quota.values()):
        raise BadInput("supervision.quota", Text(zh="没有名额", en="There is no quota"), Text(zh="写明每组抽几户", en="Say how many are drawn of each group"))
    return rules


def find_plan(city: City, asker: Asker, number: str) -> Plan:
    """A plan, for whoever works for the city; raises `NotFound`, `Refused`."""
    require_staff(asker)
    row = city.db.one(ONE, (number,))
    if row is None:
        raise not_found(Text(zh="抽查计划", en="plan of inspection"), number[:40])
    return plan_from(row)


def list_plans(city: City, asker: Asker, text: str | None = None, limit: int = 50, offset: int = 0) -> tuple[list[Plan], int]:
    """A page of plans, the newest first, and how many there are."""
    require_staff(asker)
    wanted: dict[str, Any] = {"text": text or None, "like": f"%{text or ''}%"}
    counted = city.db.one(COUNT, wanted)
    return [plan_from(row) for row in city.db.all(LIST, {**wanted, "limit": limit, "offset": offset})], int(counted["n"]) if counted else 0


def require_staff(asker: Asker) -> None:
    """Raise `Refused` for one who works nowhere."""
    if not asker.is_staff:
        raise Refused(
            "supervision.staff", Text(zh="这给在机构任职的人", en="This is for those who hold a role at a unit"),
            Text(zh="抽查结果和抽取记录公开在 /inspections", en="Results and draws are public at /inspections"),
        )  # fmt: skip


def sees_all_of(conn: Connection, asker: Asker) -> dict[str, Any]:
    """The parameters by which a query shows the inspections that the asker may see."""
    reach = reach_of(conn, asker)
    return {"reach": reach["reach"], "everywhere": reach["everywhere"]}


def offices_of(conn: Connection, unit: str) -> set[str]:
    """The units whose inspectors are of a unit's team; raises `NotFound`."""
    found = {str(row["code"]) for row in conn.execute(OFFICES, {"unit": unit})}
    if not found:
        raise not_found(Text(zh="机构", en="unit"), unit[:64])
    return found


def read_targets(city: City, asker: Asker, rules: Rules) -> list[Target]:
    """The targets that a plan is about with their newest credit grade, as far as the asker may read them; raises as the door does."""
    told = fact(city, "supervision", {})
    if not told.get("targets"):
        raise Conflict(
            "supervision.targets", Text(zh="城市包没有写明检查对象来自哪个数据集", en="The city pack does not say which dataset targets come from"),
            Text(zh="在 supervision.toml 的 [targets] 里写明", en="Say it under [targets] in supervision.toml"),
        )  # fmt: skip
    source, credit = Targets.model_validate(told["targets"]), Credit.model_validate(told["credit"]) if told.get("credit") else None
    rows = _read(city, asker, rules, source.dataset, {"id": source.id, "name": source.name, "county": source.county, "kind": source.kind})
    grades = _grades(city, asker, rules, credit) if credit else {}
    targets = [
        Target(str(row["id"]), str(row["name"]), str(row["county"] or ""), str(row["kind"] or ""), grades.get(str(row["id"]), UNRATED)) for row in rows
    ]
    return [one for one in targets if _is_meant(one, rules)]


def _is_meant(target: Target, rules: Rules) -> bool:
    return (not rules.counties or target.county in rules.counties) and (not rules.kinds or target.kind.startswith(rules.kinds))


def _read(city: City, asker: Asker, rules: Rules, dataset: str, items: Mapping[str, str]) -> list[dict[str, Any]]:
    columns = ", ".join(f"{quote_ident(item)} AS {name}" for name, item in items.items())
    answer = ask(city, asker, Question(f"SELECT {columns} FROM {quote_ident(dataset)}", rules.purpose, rows=MOST_TARGETS, via="supervision"))
    if answer.more:
        raise Conflict(
            "supervision.too-many", Text(zh=f"{dataset} 的行数超过上限或您的授权限额", en=f"{dataset} has more rows than the limit or your grant allows"),
            Text(zh=f"至多 {MOST_TARGETS} 行；分县做计划，或扩大授权", en=f"At most {MOST_TARGETS} rows: plan by county, or ask for a wider grant"), dataset,
        )  # fmt: skip
    rows: list[dict[str, Any]] = answer.table.to_pylist()
    return rows


def _grades(city: City, asker: Asker, rules: Rules, credit: Credit) -> dict[str, str]:
    rows = _read(city, asker, rules, credit.dataset, {"id": credit.id, "grade": credit.grade, "newest": credit.newest})
    # What is rated later stands for the firm; of two at once, the worse.
    rows.sort(key=lambda row: (str(row["newest"]), str(row["grade"])))
    return {str(row["id"]): str(row["grade"]) for row in rows if row["grade"] is not None}


def prepare(city: City, conn: Connection, asker: Asker, plan: Plan, at: datetime) -> Lists:
    """The lists of a draw as they stand now; raises `Conflict` where nobody can be drawn or too few may go, and as the door does."""
    targets = read_targets(city, asker, plan.rules)
    visits = Counter({str(row["target"]): int(row["n"]) for row in conn.execute(VISITED, (at - YEAR,))})
    left_out = [one for one in targets if visits[one.id] >= plan.rules.most_visits]
    eligible = [one for one in targets if visits[one.id] < plan.rules.most_visits]
    quota = quota_of(plan.rules, eligible)
    if not any(quota.values()):
        raise Conflict(
            "supervision.nobody", Text(zh="没有可抽的对象", en="There is nobody to draw"),
            Text(zh="看名额、县、行业的条件，以及是否都到了年度检查次数上限", en="Look at quotas, counties and kinds, and whether all were visited as often as they may be"), plan.number,
        )  # fmt: skip
    # Whatever is in the list must be there: quotas of groups that have nobody would say nothing.
    teams = _teams(conn, plan.rules, at.astimezone(CITY_ZONE).date())
    avoided = _avoided(conn, teams)
    _check_enough(plan, teams, avoided, [one for one in eligible if quota.get(group_of(plan.rules, one), 0)])
    return _opaque_lists(plan, eligible, left_out, quota, teams, avoided)


def group_of(rules: Rules, target: Target) -> str:
    """The group by which a target's quota goes."""
    return {"county": target.county, "kind": target.kind, "all": "all"}[rules.group]


def quota_of(rules: Rules, targets: Iterable[Target]) -> dict[str, int]:
    """How many are drawn of each group, never more than there are."""
    sizes = Counter(group_of(rules, one) for one in targets)
    return {group: min(rules.quota.get(group, rules.each), size) for group, size in sorted(sizes.items())}


def _teams(conn: Connection, rules: Rules, on: date) -> dict[str, list[Inspector]]:
    """Who may go, by unit; nobody goes for two units at once."""
    teams: dict[str, list[Inspector]] = {}
    taken: set[str] = set()
    for team in rules.teams:
        rows = conn.execute(IN_UNITS, (sorted(offices_of(conn, team.unit)),))
        teams[team.unit] = [one for one in map(inspector_from, rows) if one.may_go(on, rules.items) and one.certificate not in taken]
        taken |= {one.certificate for one in teams[team.unit]}
    return teams


def _avoided(conn: Connection, teams: Mapping[str, Sequence[Inspector]]) -> dict[str, set[str]]:
    """The targets that each inspector must avoid, by certificate."""
    noted: list[Avoidance] = avoidances(conn)
    return {
        one.certificate: {each.target for each in noted if each.inspector == one.certificate or each.unit == one.unit}
        for members in teams.values() for one in members
    }  # fmt: skip


def _check_enough(plan: Plan, teams: Mapping[str, Sequence[Inspector]], avoided: Mapping[str, set[str]], targets: Iterable[Target]) -> None:
    """A draw that could fail after its commitment would be a draw that somebody may wish to repeat: it is refused before."""
    marked = {target for all_of in avoided.values() for target in all_of}
    asked = [None, *(one.id for one in targets if one.id in marked)]
    for team in plan.rules.teams:
        for target in asked:
            able = [one for one in teams[team.unit] if target is None or target not in avoided[one.certificate]]
            if len(able) < team.count:
                raise Conflict(
                    "supervision.too-few",
                    Text(zh=f"{team.unit} 可派的执法人员不足 {team.count} 名", en=f"{team.unit} has fewer than {team.count} inspectors who may go"),
                    Text(zh="补充执法人员、核对证件、请假和回避，或减少每组人数", en="Add inspectors, look at certificates, leave and avoidances, or send fewer"),
                    target or plan.number,
                )  # fmt: skip


def _opaque_lists(
    plan: Plan, targets: Sequence[Target], left_out: Sequence[Target], quota: Mapping[str, int], teams: Mapping[str, Sequence[Inspector]],
    avoided: Mapping[str, set[str]],
) -> Lists:  # fmt: skip
    """Names and firms leave the room as numbers only: weights tell of credit grades, avoidances of families."""
    named = {"targets": [_numbered(one.id) for one in [*targets, *left_out]], "inspectors": [_numbered(one.certificate) for all_of in teams.values() for one in all_of]}
    known = {one["id"]: one["number"] for one in named["targets"]}
    staff = {one["id"]: one["number"] for one in named["inspectors"]}
    for target, entry in zip([*targets, *left_out], named["targets"], strict=True):
        entry.update(name=target.name, county=target.county, kind=target.kind, grade=target.grade)
    weights = plan.rules.weights
    lists = {
        "v": VERSION, "plan": plan.number,
        "targets": sorted(
            ({"id": known[one.id], "group": group_of(plan.rules, one), "weight": weights.get(one.grade, weights[UNRATED])} for one in targets),
            key=lambda one: one["id"],
        ),
        "left_out": sorted(known[one.id] for one in left_out),
        "inspectors": sorted(
            (
                {"id": staff[one.certificate], "team": unit, "avoids": sorted(known[t] for t in avoided[one.certificate] if t in known)}
                for unit, members in teams.items() for one in members
            ),
            key=lambda one: str(one["id"]),
        ),
        "quota": dict(quota), "teams": [team.model_dump() for team in plan.rules.teams], "most": plan.rules.most_each,
        "rules": plan.rules.model_dump(include={"items", "group", "weights", "most_visits", "counties", "kinds"}, mode="json"),
    }  # fmt: skip
    return Lists(lists, named)


def _numbered(name: str) -> dict[str, str]:
    salt = secrets.token_hex(16)
    return {"id": name, "salt": salt, "number": opaque(salt, name)}
