"""What a city may be told before it starts: `sanqu.toml`, then `SANQU_…` in the environment, then flags."""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text


class Settings(BaseModel):
    """Every setting of a city; each field is a row of the table in `docs/operating.md`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(Path("city"), description="数据文件夹 · the folder that holds everything the city keeps")
    city: str = Field("quzhou", description="城市包 · name or path of the city pack to load")
    host: str = Field("127.0.0.1", description="监听地址 · address the web pages listen on")
    port: int = Field(8000, ge=0, le=65535, description="端口 · port of the web pages; 0 takes a free one")
    public_url: str = Field("", description="对外网址 · address that people and harvesters use; empty: host and port")
    database_url: str = Field("", description="PostgreSQL · the city's own server; empty: started as a child")
    nats_url: str = Field("", description="NATS · the city's own server; empty: started as a child")
    mqtt_listen: str = Field("127.0.0.1:-1", description="MQTT 监听 · where NATS takes MQTT devices, host:port; port -1 takes a free one")
    lake_url: str = Field("", description="数据湖位置 · folder for Parquet files, shared by all machines; empty: inside home")
    memory_limit: str = Field("2GB", description="内存上限 · memory DuckDB may take in one process")
    threads: int = Field(0, ge=0, description="线程 · threads of DuckDB in one process; 0: one a core")
    query_processes: int = Field(
        2, ge=1, le=64, description="查询进程 · processes that run askers' SQL at once; they start when needed"
    )
    query_memory: str = Field("1GB", description="查询内存 · memory DuckDB may take in each of those")
    query_seconds: float = Field(30, gt=0, le=3600, description="查询时限 · seconds one query may take")
    embed_origins: str = Field("", description="可嵌入的网站 · sites that may show blocks of pages in frames, such as https://www.example.gov.cn")
    query_rows: int = Field(10_000, ge=1, le=1_000_000, description="查询行数 · most rows one query gives")
    worker: bool = Field(True, description="后台 · start a background worker with `sanqu up`")
    live: bool = Field(True, description="实时专线 · start a process for live lines with `sanqu up`")
    live_backlog_mb: int = Field(2048, ge=1, description="积压上限 · how much one live line may have waiting, in MB; then pushes are put off (429)")
    subscription_tries: int = Field(12, ge=1, le=100, description="推送次数 · tries of one delivery to a subscriber, then it is a dead letter")
    subscription_pause: float = Field(5, gt=0, le=600, description="推送间隔 · seconds before the second try; doubled each time, ten minutes at most")
    subscription_timeout: float = Field(15, gt=0, le=120, description="推送时限 · seconds a subscriber may take to answer")
    worker_concurrency: int = Field(2, ge=1, le=64, description="并行任务 · background jobs at once")
    apply_check_days: int = Field(2, ge=1, le=60, description="核对时限 · working days to check an application for data")
    apply_answer_days: int = Field(
        5, ge=1, le=60, description="答复时限 · working days to decide on an application or an objection"
    )
    apply_amend_days: int = Field(10, ge=1, le=60, description="补正时限 · working days an applicant has to amend")
    work_hours: str = Field("08:30-12:00,13:30-17:30", min_length=11, description="工作时间 · working hours in which `4wh` counts")
    work_hours_summer: str = Field("08:30-12:00,14:00-17:30", description="夏季工作时间 · working hours from May to September; empty: as above")
    session_hours: int = Field(12, ge=1, description="登录时长 · hours a session lasts without use")
    rate_per_minute: int = Field(6000, ge=0, description="限流 · open API requests a minute per address; 0: no limit")
    rate_per_minute_key: int = Field(60000, ge=0, description="密钥限流 · open API requests a minute per key; 0: none")
    max_line_mb: int = Field(8, ge=1, le=1024, description="行长上限 · longest line of a text source, in MB")
    max_download_mb: int = Field(4096, ge=1, description="下载上限 · largest source fetched over HTTP, in MB")
    otlp_url: str = Field("", description="OpenTelemetry · collector that takes traces by OTLP/HTTP, such as http://localhost:4318; empty: none (needs sanqu[telemetry])")
    openlineage_url: str = Field("", description="OpenLineage · where events of runs are sent (POST); empty: nowhere")
    closed_networks: str = Field("", description="关闭的网段 · networks that stewards' lines may not reach, such as 10.1.0.0/24")
    keep_snapshots_days: int = Field(30, ge=1, description="快照保留 · days a snapshot can be travelled to")
    ledger_suite: str = Field("ed25519-sha256", description="账本算法 · ed25519-sha256, or sm2-sm3; chosen at the first start")
    trust_proxy: bool = Field(False, description="信任代理 · take the address of an asker from X-Forwarded-For")
    log_level: str = Field("info", description="日志级别 · debug, info, warning, error")

    @field_validator("closed_networks")
    @classmethod
    def _are_networks(cls, said: str) -> str:
        for one in said.replace(",", " ").split():
            ip_network(one, strict=False)
        return said

    @field_validator("work_hours", "work_hours_summer")
    @classmethod
    def _are_hours(cls, said: str) -> str:
        ends = said.replace(" ", "").replace("-", ",").split(",") if said else []
        if any(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", one) is None for one in ends) or len(ends) % 2 or ends != sorted(set(ends)):
            raise ValueError("hours such as 08:30-12:00,13:30-17:30 are needed")
        return said

    @property
    def lake_folder(self) -> str:
        """Where Parquet files go, as DuckLake wants it: a path with a slash at the end."""
        return (self.lake_url or str(self.home.resolve() / "lake")).rstrip("/") + "/"


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise BadInput(
            "settings.unreadable",
            Text(zh=f"设置文件读不懂：{fault}", en=f"The settings file cannot be read: {fault}"),
            Text(zh="改正这一行后再启动", en="Mend that line and start again"),
            str(file),
        ) from fault


def load_settings(flags: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> Settings:
    """Settings from `sanqu.toml` (in the home folder, else here), the environment, then `flags`.

    `flags` holds what the command line said, `None` for what it left open. Raises `BadInput` naming the setting.
    """
    environ = dict(os.environ) if environ is None else environ
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    said = {name: environ[f"SANQU_{name.upper()}"] for name in Settings.model_fields if environ.get(f"SANQU_{name.upper()}")}
    home = Path(given.get("home") or said.get("home") or "city")
    file = next((path for path in (home / "sanqu.toml", Path("sanqu.toml")) if path.is_file()), None)
    merged = (_from_file(file) if file else {}) | said | given
    try:
        return Settings.model_validate(merged)
    except ValidationError as fault:
        first = fault.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            "settings.invalid",
            Text(zh=f"设置 {name} 不合规：{first['msg']}", en=f"The setting {name} does not fit: {first['msg']}"),
            Text(zh="见 docs/operating.md 的设置表", en="See the table of settings in docs/operating.md"),
            str(file or name),
        ) from fault
