"""Runs rewritten queries in processes of their own, sealed off, with limits of memory, time and rows."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Busy, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lake import sealed
from sanqu.lake.engine import sealed_opening

log = logging.getLogger(__name__)

# A process that nobody asked for so long gives its memory back; the last one waits longer, for whoever comes next would wait for it.
IDLE_SECONDS, LAST_IDLE_SECONDS = 60.0, 900.0
# How long an asker waits for a process to come free.
WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class Statement:
    """One SELECT to run: its text, its named parameters, the most rows wanted of it; `tables` are those that stand as marks in it."""

    sql: str
    params: Mapping[str, Any]
    rows: int
    tables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """What a statement gave; `more` when there were more rows than wanted."""

    table: pa.Table
    more: bool


class _Process:
    """One sealed child."""

    def __init__(self, city: City) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-I", sealed.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            # Nothing of the parent's environment is the child's business.
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LANG": "C.UTF-8"},
        )  # fmt: skip
        self.used = time.monotonic()
        self._asked = 0
        self._send(asdict(sealed_opening(city.settings, city.db.url)))
        kind, body = self._receive()
        if kind != b"R":
            self.kill()
            raise Unavailable(
                "sql.engine",
                Text(zh=f"查询引擎没能启动：{body.decode()}", en=f"The query engine could not start: {body.decode()}"),
                Text(zh="检查数据库与数据湖文件夹", en="Check the database and the folder of the lake"),
            )

    def run(self, statements: Sequence[Statement], seconds: float) -> list[Ran]:
        """Run statements one after another at one moment of the lake; raises what `_fault` makes of a failure."""
        overdue = threading.Timer(seconds + 2.0, self.kill)
        overdue.start()
        try:
            self._send({
                "seconds": seconds,
                "statements": [{"sql": s.sql, "params": dict(s.params), "rows": s.rows, "tables": dict(s.tables)} for s in statements],
            })  # fmt: skip
            # All of them, even where the first says that it failed: what is left in the pipe would answer the next asker.
            said = [self._receive() for _ in statements]
        finally:
            overdue.cancel()
            self.used = time.monotonic()
        if any(kind == b"F" and json.loads(body)["kind"] == "broken" for kind, body in said):
            # An engine that broke off answers nothing any more.
            self.kill()
        return [_ran(kind, body) for kind, body in said]

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._child.stdin is not None
        self._asked += 1
        try:
            sealed.write(self._child.stdin, b"Q", self._asked, json.dumps(message, default=str).encode())
        except OSError as fault:
            self.kill()
            raise _gone() from fault

    def _receive(self) -> tuple[bytes, bytes]:
        assert self._child.stdout is not None
        head = self._child.stdout.read(sealed.HEAD.size)
        kind, number, size = sealed.HEAD.unpack(head) if len(head) == sealed.HEAD.size else (b"", 0, 0)
        body = self._child.stdout.read(size)
        if number != self._asked or len(body) < size:
            self.kill()
            raise _gone()
        return kind, body

    @property
    def alive(self) -> bool:
        """Whether it can take another statement."""
        return self._child.poll() is None

    def kill(self) -> None:
        """End it now."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _ran(kind: bytes, body: bytes) -> Ran:
    if kind == b"F":
        raise _fault(json.loads(body))
    return Ran(pa.ipc.open_stream(pa.py_buffer(body)[:-1]).read_all(), bool(body[-1]))


def _gone() -> SanquError:
    return Unavailable(
        "sql.limit",
        Text(zh="查询超出了时间或内存的上限，已停止", en="The query went past its limit of time or memory and was stopped"),
        Text(zh="缩小范围，或先汇总再连接", en="Ask for less, or add up before joining"),
        status=422,
    )


FAULTS: dict[str, tuple[str, Text, Text]] = {
    "time": (
        "sql.time", Text(zh="查询超时，已停止", en="The query took too long and was stopped"),
        Text(zh="缩小范围，或先汇总再连接", en="Ask for less, or add up before joining"),
    ),
    "memory": (
        "sql.memory", Text(zh="查询用完了给它的内存", en="The query used up the memory it is given"),
        Text(zh="缩小范围，或先汇总再连接", en="Ask for less, or add up before joining"),
    ),
    "size": (
        "sql.size", Text(zh="结果太大", en="The result is too large"),
        Text(zh="少选几列，或下载整个数据集", en="Choose fewer columns, or download the dataset"),
    ),
    "value": (
        "sql.value", Text(zh="有的值不能这样转换或计算", en="Some value cannot be converted or computed like this"),
        Text(zh="用 try_cast，或先筛选", en="Use try_cast, or filter first"),
    ),
    "broken": (
        "sql.broken", Text(zh="查询引擎在这条查询上中断了", en="The query engine broke off at this query"),
        Text(zh="换一种写法再试", en="Try again, written another way"),
    ),
    "shape": (
        "sql.shape", Text(zh="引擎不接受这样的查询：类型或函数的参数不合", en="The engine does not take this query: a type or an argument does not fit"),
        Text(zh="核对各列的类型和函数的参数", en="Check the types of the columns and the arguments of functions"),
    ),
}  # fmt: skip


def _fault(said: Mapping[str, str]) -> SanquError:
    # The engine's own words hold the rewritten text and, at times, values: they are for the log's reader only.
    log.info("a query failed in the engine: %s", said["kind"])
    code, what, todo = FAULTS[said["kind"]]
    return BadInput(code, what, todo, status=422)


class Runners:
    """The sealed processes of this process; as many as the settings say, started when needed."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._most = threading.BoundedSemaphore(city.settings.query_processes)
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._closing = threading.Event()
        self._sweeper: threading.Thread | None = None
        self._starting = threading.Lock()

    def run(self, statements: Sequence[Statement], seconds: float | None = None) -> list[Ran]:
        """Run statements in one process, one after another.

        Raises `Busy` when none comes free, `BadInput` (422) when a limit is reached or a value cannot be computed.
        """
        try:
            return self._run(statements, seconds or self._city.settings.query_seconds)
        except BadInput as fault:
            if fault.code != FAULTS["broken"][0]:
                raise
            # Something earlier may have broken it: another one is asked, once.
            log.warning("an engine broke off and is asked anew")
            return self._run(statements, seconds or self._city.settings.query_seconds)

    def _run(self, statements: Sequence[Statement], seconds: float) -> list[Ran]:
        with self._lent() as process:
            return process.run(statements, seconds)

    @contextlib.contextmanager
    def _lent(self) -> Iterator[_Process]:
        if not self._most.acquire(timeout=WAIT_SECONDS):
            raise Busy(
                "sql.busy",
                Text(zh="查询太多，没有空闲的引擎", en="Too many queries: no engine came free"),
                Text(zh="过一会儿再试", en="Try again in a while"),
            )
        process: _Process | None = None
        try:
            process = self._take()
            yield process
        except SanquError:
            raise
        except BaseException:
            if process is not None:
                process.kill()
            raise
        finally:
            if process is not None and process.alive:
                self._idle.put(process)
            self._most.release()

    def _take(self) -> _Process:
        while True:
            try:
                process = self._idle.get_nowait()
            except queue.Empty:
                self._watch()
                return _Process(self._city)
            if process.alive:
                return process

    def _watch(self) -> None:
        with self._starting:
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="sanqu-runners", daemon=True)
                self._sweeper.start()

    def _sweep(self) -> None:
        while not self._closing.wait(IDLE_SECONDS / 4):
            idle: list[_Process] = []
            with contextlib.suppress(queue.Empty):
                while True:
                    idle.append(self._idle.get_nowait())
            idle.sort(key=lambda process: process.used)
            for place, process in enumerate(idle, 1):
                rests = LAST_IDLE_SECONDS if place == len(idle) else IDLE_SECONDS
                if process.used < time.monotonic() - rests:
                    process.kill()
                else:
                    self._idle.put(process)

    def close(self) -> None:
        """End every process."""
        self._closing.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().kill()


def runners_of(city: City) -> Runners:
    """The sealed processes that run askers' queries."""
    return city.part(Runners, Runners)
