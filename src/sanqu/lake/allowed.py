"""What a query may be made of: an allow-list of clauses, operators, functions and types. What is not on it is refused."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

DIALECT = "duckdb"
# Names that begin so are the rewrite's own.
OWN = "_sanqu"
LONGEST, DEEPEST, MOST_NODES = 100_000, 60, 20_000

CLAUSES: frozenset[type[exp.Expr]] = frozenset({
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset,
    exp.Distinct, exp.With, exp.CTE, exp.TableAlias, exp.Subquery, exp.Union, exp.Except, exp.Intersect, exp.Table,
    exp.Identifier, exp.Column, exp.Alias, exp.Star, exp.Paren, exp.Tuple, exp.Values, exp.Window, exp.WindowSpec, exp.Qualify,
    exp.Filter, exp.WithinGroup, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Unnest, exp.Literal, exp.Boolean, exp.Null,
    exp.Var, exp.Interval, exp.Placeholder, exp.Parameter, exp.DataType, exp.DataTypeParam, exp.Lateral, exp.IgnoreNulls,
    exp.RespectNulls,
})  # fmt: skip
OPERATORS: frozenset[type[exp.Expr]] = frozenset({
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow, exp.Neg, exp.DPipe, exp.And, exp.Or, exp.Not, exp.Xor,
    exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.In,
    exp.Between, exp.Case, exp.If, exp.Exists, exp.Any, exp.All, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot,
    exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.Bracket, exp.Slice, exp.Cast, exp.TryCast, exp.SimilarTo, exp.RegexpLike,
    exp.Escape,
})  # fmt: skip
FUNCTIONS: frozenset[type[exp.Expr]] = frozenset({
    # numbers
    exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Sqrt, exp.Cbrt, exp.Exp, exp.Ln, exp.Log, exp.Sign, exp.Greatest, exp.Least,
    exp.Rand, exp.IsNan, exp.Acos, exp.Asin, exp.Atan, exp.Atan2, exp.Cos, exp.Sin, exp.Tan, exp.Cot, exp.Degrees, exp.Radians, exp.Pi,
    exp.Trunc, exp.WidthBucket,
    # text
    exp.Lower, exp.Upper, exp.Length, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Concat, exp.ConcatWs, exp.Replace,
    exp.Reverse, exp.StrPosition, exp.StartsWith, exp.Contains, exp.RegexpReplace, exp.RegexpExtract, exp.SplitPart, exp.Initcap,
    exp.Split, exp.Levenshtein, exp.JarowinklerSimilarity, exp.Unicode, exp.Chr, exp.Pad, exp.Repeat, exp.EndsWith, exp.Translate, exp.RegexpILike,
    # dates
    exp.CurrentDate, exp.CurrentTimestamp, exp.DateTrunc, exp.TimestampTrunc, exp.DateBin, exp.DateDiff, exp.DateAdd, exp.DateSub, exp.Extract,
    exp.Year, exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second, exp.Quarter, exp.Week, exp.DayOfWeek, exp.DayOfMonth, exp.DayOfYear,
    exp.WeekOfYear, exp.DayOfWeekIso, exp.LastDay, exp.TimeToStr, exp.StrToTime, exp.DateFromParts, exp.TsOrDsToDate, exp.Date, exp.Timestamp, exp.TimeToUnix,
    exp.UnixToTime, exp.MonthsBetween, exp.Dayname, exp.Monthname,
    # choices
    exp.Coalesce, exp.Nullif,
    # aggregates
    exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Median, exp.Mode, exp.Quantile, exp.PercentileCont, exp.PercentileDisc,
    exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr, exp.CovarPop, exp.CovarSamp, exp.AnyValue,
    exp.First, exp.Last, exp.ArgMax, exp.ArgMin, exp.GroupConcat, exp.ArrayAgg, exp.LogicalAnd, exp.LogicalOr, exp.ApproxDistinct,
    exp.ApproxQuantile, exp.Grouping, exp.BitwiseAndAgg, exp.BitwiseOrAgg, exp.Skewness, exp.Kurtosis,
    # windows
    exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue,
    exp.LastValue, exp.NthValue,
    # shapes
    exp.StPoint, exp.StDistance,
    # lists, structs, tables made on the spot
    exp.Array, exp.Struct, exp.PropertyEQ, exp.ArraySize, exp.ArrayContains, exp.GenerateSeries, exp.GenerateDateArray,
    exp.StructExtract, exp.ArrayMin, exp.ArrayMax,
})  # fmt: skip
# Functions that the parser has no class for, by DuckDB's name.
NAMED_FUNCTIONS = frozenset({
    "range", "generate_series", "list_value", "list_sum", "list_avg", "list_min", "list_max", "list_sort", "list_distinct", "len",
    "epoch", "epoch_ms", "make_date", "make_timestamp", "year", "month", "day", "hour", "minute", "second", "dayofweek", "isodow",
    "weekofyear", "yearweek", "century", "decade", "monthname", "dayname", "today", "now", "date_part", "datepart", "datesub",
    "date_sub", "age", "to_days", "to_months", "to_years", "to_hours", "to_minutes", "strlen", "starts_with", "ends_with", "prefix",
    "suffix", "instr", "printf", "format", "bar", "strip_accents", "jaccard", "jaro_similarity", "jaro_winkler_similarity", "hamming",
    "damerau_levenshtein", "isfinite", "isinf", "isnan", "even", "gcd", "lcm", "factorial", "log2", "log10", "sum_no_overflow",
    "fsum", "favg", "kahan_sum", "product", "geomean", "geometric_mean", "entropy", "mad", "sem", "histogram", "count_star", "bool_and",
    "bool_or", "regr_slope", "regr_intercept", "regr_count", "regr_r2", "approx_count_distinct", "quantile_cont",
    "quantile_disc", "max_by", "min_by", "list", "string_agg", "group_concat", "first", "last", "any_value", "array_agg", "var_samp",
    "var_pop", "stddev_samp", "stddev_pop", "skewness", "kurtosis", "kurtosis_pop", "weighted_avg", "lpad", "rpad", "ltrim", "rtrim",
    "regexp_matches", "regexp_full_match", "string_split", "str_split", "list_aggregate", "list_contains", "list_extract",
    "list_concat", "list_count", "list_slice", "array_slice", "struct_pack", "struct_extract", "map", "map_keys", "map_values",
    "cardinality", "row", "bit_count", "nullif", "ifnull", "typeof", "time_bucket", "last_day", "md5", "unicode", "ord", "chr",
    "translate", "fdiv", "fmod", "trunc", "signbit", "date_diff", "datediff", "strptime", "try_strptime", "to_seconds", "count_if",
    # The moment and the day as the city has them: rows carry no zone.
    "city_now", "city_today",
    # Shapes (DuckDB spatial), lengths and areas on the ellipsoid in metres; none of those that read files.
    "st_geomfromtext", "st_geomfromgeojson", "st_asgeojson", "st_astext", "st_makeline", "st_makepolygon", "st_makeenvelope", "st_area",
    "st_area_spheroid", "st_length", "st_length_spheroid", "st_perimeter", "st_distance_sphere", "st_distance_spheroid", "st_dwithin",
    "st_dwithin_spheroid", "st_intersection", "st_intersects", "st_contains", "st_containsproperly", "st_covers", "st_coveredby", "st_within", "st_touches", "st_overlaps",
    "st_crosses", "st_disjoint", "st_equals", "st_union", "st_union_agg", "st_intersection_agg", "st_collect", "st_difference",
    "st_buffer", "st_centroid", "st_pointonsurface", "st_convexhull", "st_envelope", "st_simplify", "st_x", "st_y", "st_isvalid", "st_isempty", "st_issimple",
    "st_makevalid", "st_npoints", "st_geometrytype", "st_startpoint", "st_endpoint", "st_linelocatepoint", "st_flipcoordinates",
})  # fmt: skip
TYPES = frozenset({
    "TINYINT", "SMALLINT", "INT", "BIGINT", "INT128", "UTINYINT", "USMALLINT", "UINT", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL",
    "VARCHAR", "TEXT", "CHAR", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "INTERVAL", "ARRAY", "LIST", "TIMESTAMP_S",
    "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPNTZ", "NULL", "DATETIME",
})  # fmt: skip
TABLE_ARGS = frozenset({"this", "alias", "joins", "laterals"})
# What the generator writes as it stands: words (a unit of time, a side of a join, a parameter's name), never marks.
WORD, NUMBER = re.compile(r"[^\W\d]\w*(?: [^\W\d]\w*)*|\d{1,9}"), re.compile(r"\d*\.?\d*(?:[eE][+-]?\d+)?")


def refused(what_zh: str, what_en: str, thing: str = "") -> BadInput:
    """The refusal of a query that is made of something not allowed."""
    return BadInput(
        "sql.not-allowed",
        Text(zh=f"查询里不能用：{what_zh}", en=f"A query may not use: {what_en}"),
        Text(
            zh="一条 SELECT，用 docs/rooms/sharing.md 列出的语法和函数",
            en="Write one SELECT with the clauses and functions that docs/rooms/sharing.md lists",
        ),
        thing[:120],
    )


def parse_query(sql: str) -> exp.Query:
    """The one SELECT that `sql` holds; raises `BadInput` for anything that is not on the allow-list."""
    if len(sql) > LONGEST or "\0" in sql:
        raise refused("过长或含 NUL 的文本", "a text that is too long or holds NUL")
    try:
        statements = sqlglot.parse(sql, dialect=DIALECT)
    except (SqlglotError, RecursionError) as fault:
        raise _unparsable(fault) from fault
    if len(statements) != 1 or statements[0] is None:
        raise refused("几条语句", "anything but one statement")
    query = statements[0]
    if not isinstance(query, exp.Query):
        raise refused(f"{query.key.upper()} 语句", f"a {query.key.upper()} statement")
    check_allowed(query)
    return query


def _unparsable(fault: Exception) -> BadInput:
    errors = getattr(fault, "errors", None) or [{}]
    first = errors[0]
    place = f"{first.get('line', '?')}:{first.get('col', '?')}"
    said = str(first.get("description") or "")
    return BadInput(
        "sql.syntax",
        Text(zh=f"读不懂这条 SQL（{place}）{said}", en=f"This SQL cannot be read ({place}) {said}"),
        Text(zh="改正这一处；方言是 DuckDB", en="Mend this place; the dialect is DuckDB's"),
        place,
    )


def check_allowed(query: exp.Expr) -> None:
    """Raise `BadInput` naming the first thing in `query` that is not on the allow-list."""
    for count, node in enumerate(query.walk()):
        if count > MOST_NODES or (count % 64 == 0 and node.depth > DEEPEST):
            raise refused("过大的查询", "a query as large as this")
        _check_node(node)


def _check_node(node: exp.Expr) -> None:
    kind = type(node)
    _check_words(node)
    if kind is exp.Anonymous:
        name = str(node.this).lower()
        if name not in NAMED_FUNCTIONS:
            raise refused(f"函数 {name}", f"the function {name}", name)
    elif kind not in CLAUSES and kind not in OPERATORS and kind not in FUNCTIONS:
        shown = node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
        raise refused(shown, shown, shown)
    elif kind is exp.DataType:
        _check_type(node)
    elif kind is exp.Table:
        _check_table(node)
    elif kind is exp.Identifier or kind is exp.Placeholder:
        if str(node.this or "").lower().startswith(OWN):
            raise refused(f"以 {OWN} 开头的名称", f"a name that begins with {OWN}", str(node.this))
    elif kind is exp.Column and (node.args.get("db") or node.args.get("catalog")):
        raise refused("库名或目录名", "a name of a schema or catalogue", node.sql(DIALECT))
    elif kind is exp.Star:
        _check_star(node)
    elif kind is exp.Join and (str(node.args.get("method") or "").upper() in ("NATURAL", "POSITIONAL")):
        raise refused(f"{node.args['method']} JOIN", f"{node.args['method']} JOIN")


def _check_words(node: exp.Expr) -> None:
    """Nothing that the generator does not quote may hold anything but words: it would become SQL of the asker's own."""
    if isinstance(node, exp.Identifier) or (isinstance(node, exp.Literal) and node.is_string):
        return
    for value in node.args.values():
        for word in value if isinstance(value, list) else (value,):
            fits = NUMBER if isinstance(node, exp.Literal) else WORD
            if isinstance(word, str) and word and not fits.fullmatch(word):
                raise refused("这里的引号或符号", "quotes or marks in this place", word)


def _check_star(star: exp.Expr) -> None:
    """A star stands for the readable items of a table, or counts rows; inside anything else nothing would expand it."""
    if star.args.get("rename") or star.args.get("rename_"):
        raise refused("* RENAME", "* RENAME")
    held = star.parent if isinstance(star.parent, exp.Column) else star
    above = held.parent
    counted = isinstance(above, exp.Count) and held is star and above.this is star
    if not counted and not (isinstance(above, exp.Select) and held.arg_key == "expressions"):
        raise refused("表达式里的 *", "* inside an expression")


def _check_type(node: exp.Expr) -> None:
    named = node.this
    name = named.value if isinstance(named, exp.DataType.Type) else str(named)
    if name.upper() not in TYPES:
        raise refused(f"类型 {name}", f"the type {name}", name)


def _check_table(node: exp.Expr) -> None:
    extra = {key for key, value in node.args.items() if value} - TABLE_ARGS
    if extra or not isinstance(node.this, exp.Identifier | exp.GenerateSeries | exp.Anonymous):
        shown = node.sql(DIALECT)
        raise refused("这样的表", "a table like this", shown)
    if isinstance(node.this, exp.Anonymous) and str(node.this.this).lower() not in ("range", "generate_series"):
        raise refused("这个表函数", "this table function", str(node.this.this))
