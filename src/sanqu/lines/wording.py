"""Says in both languages why a row was refused."""

from __future__ import annotations

from sanqu.ground.i18n import Text

TYPES = {
    "integer": Text(zh="整数", en="a whole number"),
    "number": Text(zh="数", en="a number"),
    "boolean": Text(zh="是或否", en="yes or no"),
    "date": Text(zh="日期", en="a date"),
    "time": Text(zh="时间", en="a time of day"),
    "datetime": Text(zh="日期时间", en="a date and time"),
    "year": Text(zh="年份", en="a year"),
    "yearmonth": Text(zh="年月", en="a year and month"),
    "object": Text(zh="JSON 对象", en="a JSON object"),
    "array": Text(zh="JSON 数组", en="a JSON array"),
    "geojson": Text(zh="GeoJSON", en="GeoJSON"),
    "geopoint": Text(zh="经纬度（经度,纬度）", en="a point (longitude,latitude)"),
}

RULES: dict[str, Text] = {
    "type": Text(zh="“{value}”不是{want}", en="“{value}” is not {want}"),
    "required": Text(zh="必填，但是空的", en="It must be given, but is empty"),
    "minimum": Text(zh="{value} 小于最小值 {want}", en="{value} is below the minimum of {want}"),
    "maximum": Text(zh="{value} 大于最大值 {want}", en="{value} is above the maximum of {want}"),
    "minLength": Text(zh="短于 {want} 个字符", en="It is shorter than {want} characters"),
    "maxLength": Text(zh="长于 {want} 个字符", en="It is longer than {want} characters"),
    "pattern": Text(zh="“{value}”不合格式 {want}", en="“{value}” does not match {want}"),
    "format": Text(zh="“{value}”不是 {want} 的写法", en="“{value}” is not written as {want}"),
    "enum": Text(zh="“{value}”不在允许的值里：{want}", en="“{value}” is none of the allowed values: {want}"),
    "unique": Text(zh="“{value}”已出现在 {want}", en="“{value}” already stands at {want}"),
    "control-character": Text(zh="含有控制字符（如 NUL）", en="It holds control characters (such as NUL)"),
    "encoding": Text(zh="有字节无法按文件的编码解读", en="Some bytes cannot be read in the file's encoding"),
    "key-duplicate": Text(zh="主键 {value} 已出现在 {want}，而其他内容不同", en="The key {value} already stands at {want} with other content"),
    "foreign-key": Text(zh="“{value}”在 {want} 里找不到", en="“{value}” is not found in {want}"),
    "columns": Text(zh="列数不对：{want}", en="The number of columns is wrong: {want}"),
    "quotes": Text(zh="引号没有配对：{want}", en="A quote is not closed: {want}"),
    "line-size": Text(zh="这一行太长：{want}", en="The line is too long: {want}"),
    "json": Text(zh="不是有效的 JSON 对象", en="It is not a valid JSON object"),
    "unreadable": Text(zh="读不出来：{want}", en="It cannot be read: {want}"),
}


def word_fault(rule: str, value: str | None, want: str) -> Text:
    """The broken `rule` as a sentence; long values are cut."""
    said = RULES.get(rule, Text(zh=rule, en=rule))
    shown = (value or "").replace("\x00", "␀")
    shown = shown if len(shown) <= 60 else shown[:60] + "…"
    kind = TYPES.get(want) if rule == "type" else None
    wanted = kind or Text(zh=want, en=want)
    return Text(
        zh=_fill(said.zh, shown, wanted.zh),
        en=_fill(said.en, shown, wanted.en),
    )


def _fill(template: str, value: str, want: str) -> str:
    return template.replace("{want}", "\0").replace("{value}", value).replace("\0", want)
