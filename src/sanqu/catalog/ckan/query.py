"""Reads the part of Solr's query language that CKAN's clients use, into a question for our search."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sanqu.catalog.ckan.call import unsearchable

# [+-]field:value, where value is a word, "a phrase", (a OR b) or [from TO to].
CLAUSE = re.compile(r'(?P<sign>[+-]|NOT\s+)?(?P<field>[A-Za-z_][\w.]*):(?P<value>"(?:[^"\\]|\\.)*"|\([^()]*\)|[\[{][^\]}]*[\]}]|[^\s()]+)')
FACETS = {
    "organization": "unit", "owner_org": "unit", "groups": "subject", "tags": "tag", "res_format": "format",
    "license_id": "licence", "opening": "opening", "grade": "grade", "sample": "sample", "sharing": "sharing",
    "origin": "origin", "subject": "subject", "unit": "unit", "tag": "tag", "format": "format", "name": "name",
    "id": "id",
}  # fmt: skip
CKAN_STATES = {"active": "published", "draft": "draft", "deleted": "deleted", "withdrawn": "withdrawn"}
TEXT_FIELDS = frozenset({"title", "notes", "text", "description", "res_name", "res_description"})
# Every package of ours is a dataset of this site: what asks for that asks for nothing.
ALWAYS = {"dataset_type": "dataset", "type": "dataset", "capacity": "public", "site_id": None, "entity_type": "package"}
JOINERS = re.compile(r"(?:^|\s)(?:AND|&&)(?=\s|$)")


@dataclass
class Solr:
    """A query as filters (one of the values must hold), values that must not hold, free text, and time bounds."""

    text: list[str] = field(default_factory=list)
    filters: dict[str, list[str]] = field(default_factory=dict)
    without: dict[str, list[str]] = field(default_factory=dict)
    states: list[str] | None = None
    changed_from: int | None = None
    changed_to: int | None = None
    nothing: bool = False

    def read(self, query: str) -> None:
        """Take in one query; raises CKAN's Search Query Error for what we cannot read."""
        rest = CLAUSE.sub(self._clause, query)
        rest = JOINERS.sub(" ", rest).replace("*:*", " ").strip()
        if re.search(r"(?:^|\s)(?:OR|\|\|)(?:\s|$)", rest) and CLAUSE.search(query):
            raise unsearchable(f"OR between fields is not supported: {query!r}; write field:(a OR b)")
        words = rest.replace("(", " ").replace(")", " ").replace('"', " ").split()
        self.text += [word for word in words if word not in ("*", "+", "-", "OR", "AND", "NOT")]

    def _clause(self, match: re.Match[str]) -> str:
        name, value = match["field"], match["value"]
        negative = (match["sign"] or "").strip() in ("-", "NOT")
        name = name.removesuffix("_ngram").removeprefix("vocab_")
        if name in ("metadata_modified", "modified") and value[0] in "[{":
            self._bounds(value)
        elif name in TEXT_FIELDS:
            self.text.append(value.strip('"()'))
        elif value == "*" or (value[0] in "[{" and "TO" in value and value.strip("[]{} ") in ("* TO *",)):
            self.nothing = self.nothing or negative
        else:
            self._values(name, values_of(value), negative)
        return " "

    def _values(self, name: str, values: list[str], negative: bool) -> None:
        if name == "state":
            ours = [CKAN_STATES.get(value, value) for value in values]
            if not negative:
                self.states = ours
            else:
                self.without.setdefault("state", []).extend(ours)
        elif name == "private":
            self._private([value.lower() == "true" for value in values], negative)
        elif name in FACETS:
            target = self.without if negative else self.filters
            given = [v.upper() if FACETS[name] == "format" else v for v in values]
            if not negative and FACETS[name] in target:
                given = [v for v in target[FACETS[name]] if v in given]
                self.nothing = self.nothing or not given
                target[FACETS[name]] = given
            else:
                target.setdefault(FACETS[name], []).extend(given)
        elif name in ALWAYS:
            fits = ALWAYS[name] is None or ALWAYS[name] in values
            self.nothing = self.nothing or (fits == negative)
        else:
            # A field we do not know has no value anywhere.
            self.nothing = self.nothing or not negative

    def _private(self, values: list[bool], negative: bool) -> None:
        private = values[0] != negative
        (self.filters if private else self.without).setdefault("opening", []).append("none")

    def _bounds(self, value: str) -> None:
        ends = value[1:-1].split(" TO ")
        if len(ends) != 2:
            raise unsearchable(f"a range is written [from TO to]: {value!r}")
        self.changed_from, self.changed_to = (_moment(end.strip()) for end in ends)


def _moment(said: str) -> int | None:
    if said == "*":
        return None
    if said.startswith("NOW"):
        return _from_now(said)
    try:
        at = datetime.fromisoformat(said.replace("Z", "+00:00").strip('"'))
    except ValueError:
        raise unsearchable(f"not a time: {said!r}") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _from_now(said: str) -> int:
    seconds = {"HOUR": 3600, "DAY": 86_400, "MONTH": 2_629_800, "YEAR": 31_557_600, "MINUTE": 60}
    match = re.fullmatch(r"NOW(?:(?P<sign>[+-])(?P<n>\d+)(?P<unit>HOUR|DAY|MONTH|YEAR|MINUTE)S?)?(?:/\w+)?", said)
    if match is None:
        raise unsearchable(f"not a time: {said!r}")
    from sanqu.ground.clock import now

    shift = int(match["n"]) * seconds[match["unit"]] if match["n"] else 0
    return int(now().timestamp()) + (-shift if match["sign"] == "-" else shift)


def values_of(value: str) -> list[str]:
    """`a`, `"a b"` or `(a OR "b c")` as a list of values."""
    if value.startswith("("):
        return [a or b for a, b in re.findall(r'"([^"]*)"|([^\s()]+)', value) if (a or b) not in ("OR", "AND", "||")]
    return [value.strip('"').replace('\\"', '"').replace("\\", "")]
