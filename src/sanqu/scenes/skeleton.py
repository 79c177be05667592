"""The skeleton of a scene (场景骨架): small, whole, and true; an author changes it until it is theirs."""

from __future__ import annotations

import json
from pathlib import Path

from sanqu.ground.errors import Conflict
from sanqu.ground.i18n import Text

PACKAGE = {
    "name": "{name}",
    "resources": [{
        "name": "{name}-readings", "title": {"zh": "读数", "en": "Readings"},
        "schema": {
            "primaryKey": ["id"],
            "fields": [
                {"name": "id", "type": "integer", "title": {"zh": "编号", "en": "number"}, "constraints": {"required": True}},
                {"name": "station", "type": "string", "title": {"zh": "站点", "en": "station"}, "constraints": {"required": True}},
                {"name": "day", "type": "date", "title": {"zh": "日期", "en": "day"}},
                {"name": "value", "type": "number", "title": {"zh": "读数", "en": "value"}, "constraints": {"minimum": 0}},
            ],
        },
        "sanqu": {"grade": "L1", "sharing": "unconditional", "opening": "unconditional"},
    }],
}  # fmt: skip
FILES: dict[str, str] = {
    "scene.toml": '''name = "{name}"
version = "0.1.0"
title = {{ zh = "我的场景", en = "My scene" }}
about = {{ zh = "一句话说清楚它为谁做什么。", en = "One sentence: what it does for whom." }}
sample = true
answers = []

[needs]
''',
    "samples/{name}-readings.sql": """-- Rows that are made up, the same each time (样例).
SELECT i AS id, 'S' || (i % 5) AS station, DATE '2026-01-01' + (i % 60)::INTEGER AS day, (hash(i) % 1000) / 10.0 AS value
FROM range(300) AS rows(i)
""",
    "models/by_station.sql": """-- title.zh: 各站点的读数
-- title.en: Readings by station
SELECT station, count(*) AS days, round(avg(value), 2) AS mean, max(value) AS highest FROM {table} GROUP BY station
""",
    "rules/rules.toml": '''[[rule]]
name = "too-high"
title = {{ zh = "读数过高", en = "Reading too high" }}
sql = "SELECT station, day, value FROM {table} WHERE value >= 99"
key = ["station", "day"]
severity = "warning"
message = {{ zh = "{{station}} 在 {{day}} 的读数 {{value}}", en = "{{station}} read {{value}} on {{day}}" }}
''',
    "tests/expect.toml": '''[[expect]]
name = "every sample row is there"
sql = "SELECT count(*) FROM {table}"
value = 300

[[expect]]
name = "five stations"
sql = "SELECT count(*) FROM by_station"
value = 5

[[expect]]
name = "high readings raise alarms"
rule = "too-high"
least = 1
''',
    "pages/overview.md": '''+++
title = {{ zh = "概览", en = "Overview" }}
+++

```figure value=value
sql = "SELECT count(*) AS value FROM {table}"
title = {{ zh = "读数", en = "Readings" }}
```

```bar
sql = "SELECT station, mean FROM by_station ORDER BY station"
x = "station"
y = "mean"
title = {{ zh = "各站点平均读数", en = "Mean by station" }}
```

```table
sql = "SELECT * FROM by_station ORDER BY station"
title = {{ zh = "各站点", en = "By station" }}
```
''',
}  # fmt: skip


def make_skeleton(folder: Path, name: str) -> list[Path]:
    """Write the skeleton of a scene; gives its files. Raises `Conflict` where something stands there already."""
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("scenes.there", Text(zh="文件夹里已有东西", en="Something is in the folder already"), Text(zh="换一个名字", en="Choose another name"), str(folder))
    made: list[Path] = []
    table = f"{name}-readings".replace("-", "_")
    texts = {file: text.format(name=name, table=table) for file, text in FILES.items()}
    texts["datapackage.json"] = json.dumps(PACKAGE, ensure_ascii=False, indent=2).replace("{name}", name) + "\n"
    for file, text in texts.items():
        path = folder / file.format(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        made.append(path)
    return sorted(made)
