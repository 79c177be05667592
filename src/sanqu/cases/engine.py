"""SpiffWorkflow as the room uses it: it moves tokens; it holds no data but loop items, reads no clock and runs no script."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

from lxml import etree
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.parser.TaskParser import TaskParser
from SpiffWorkflow.bpmn.parser.util import full_tag
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.serializer.config import DEFAULT_CONFIG
from SpiffWorkflow.bpmn.serializer.default.workflow import BpmnWorkflowConverter, TaskConverter, WorkflowConverter
from SpiffWorkflow.bpmn.specs.control import BoundaryEventSplit, BpmnStartTask
from SpiffWorkflow.bpmn.specs.defaults import (
    BoundaryEvent,
    EndEvent,
    EventBasedGateway,
    ExclusiveGateway,
    IntermediateCatchEvent,
    ManualTask,
    StartEvent,
    UserTask,
)
from SpiffWorkflow.bpmn.specs.mixins.inclusive_gateway import InclusiveGateway
from SpiffWorkflow.bpmn.specs.mixins.multiinstance_task import MultiInstanceTask
from SpiffWorkflow.bpmn.specs.mixins.parallel_gateway import ParallelGateway
from SpiffWorkflow.bpmn.specs.mixins.subworkflow_task import SubWorkflowTask
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.exceptions import WorkflowException
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from sanqu.cases.bpmn import Drawn, Loop, item_of, message_of
from sanqu.cases.conditions import value_of
from sanqu.cases.elements import MODEL, tag_of
from sanqu.ground.errors import BadInput, Conflict, SanquError
from sanqu.ground.i18n import Text

# A case that moves on further than this without anybody goes round.
MOST_STEPS = 5000
MOST_INSTANCES = 200
# How the engine calls the signals by which we tell it that a timer has run out.
GIVEN = "given-"
# What a completion condition may ask of a multi-instance, by the names of BPMN 2.0 (clause 10.3.8).
COUNTS = ("numberOfInstances", "numberOfActiveInstances", "numberOfCompletedInstances")


class Conditions(PythonScriptEngine):  # type: ignore[misc]
    """Evaluates conditions over the case's data by the room's own language; everything else of the engine's is refused."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__()
        self._names = names

    def evaluate(self, task: Any, expression: str, external_context: Any = None) -> Any:
        """What the condition on a flow, or of a multi-instance, says; loop items are seen before the case's data."""
        names = {**self._names, **task.data, **_counts(task)}
        return value_of(expression, names, f"{task.workflow.spec.name}: {task.task_spec.bpmn_id}")

    def execute(self, task: Any, script: str, external_context: Any = None) -> bool:
        """Scripts are run by the room, not by the engine."""
        raise AssertionError(f"a script at {task.task_spec.name} was let through")

    def call_service(self, task: Any, **kwargs: Any) -> Any:
        """Service tasks are done by the room, not by the engine."""
        raise AssertionError(f"a service at {task.task_spec.name} was let through")


class Parser(BpmnParser):  # type: ignore[misc]
    """The engine's parser, to whom services, scripts and decisions are what waits until the room has done it."""

    OVERRIDE_PARSER_CLASSES = {
        full_tag("serviceTask"): (TaskParser, ManualTask),
        full_tag("scriptTask"): (TaskParser, ManualTask),
        full_tag("businessRuleTask"): (TaskParser, ManualTask),
        full_tag("manualTask"): (TaskParser, UserTask),
        full_tag("task"): (TaskParser, UserTask),
    }


class Tasks(TaskConverter):  # type: ignore[misc]
    """Keeps the data of each task whole: as differences from the parent's they need an order that the database does not keep."""

    def to_dict(self, task: Any) -> dict[str, Any]:
        """A task as JSON."""
        return {
            "id": str(task.id), "parent": str(task._parent) if task.parent is not None else None,
            "children": [str(child) for child in task._children], "last_state_change": task.last_state_change,
            "state": task.state, "task_spec": task.task_spec.name, "triggered": task.triggered,
            "internal_data": self.registry.convert(task.internal_data), "data": task.data,
        }  # fmt: skip


class Workflow(BpmnWorkflow):  # type: ignore[misc]
    """The engine's workflow, which looks for what is ready or waits among all its tasks, not down its whole tree each time.

    The tree is walked where more than one is found, for its order.
    """

    def get_tasks(self, first_task: Any = None, **wanted: Any) -> list[Any]:
        """The tasks that fit, in the order of the tree."""
        state = wanted.get("state")
        if first_task is None and not self.subprocesses and state in (TaskState.READY, TaskState.WAITING) and wanted.keys() <= {"state", "manual"}:
            manual = wanted.get("manual")
            found = [one for one in self.tasks.values() if one.state == state and manual in (None, one.task_spec.manual)]
            if len(found) < 2:
                return found
        return list(super().get_tasks(first_task, **wanted))

    def update_waiting_tasks(self) -> None:
        """Let what waits look whether it still must, after each task that is done."""
        if any(one.state == TaskState.WAITING for one in self.tasks.values()):
            super().update_waiting_tasks()


class Standing(BpmnWorkflowConverter):  # type: ignore[misc]
    """Keeps where a workflow stands, without the process's description: that is kept with the process."""

    def __init__(self, target: type, registry: Any, _typename: str | None = None) -> None:
        # As the engine calls it in what was kept before.
        super().__init__(target, registry, BpmnWorkflow.__name__)

    def to_dict(self, workflow: Any) -> dict[str, Any]:
        """Where it stands, as JSON."""
        return {
            **WorkflowConverter.to_dict(self, workflow), "subprocesses": self.mapping_to_dict(workflow.subprocesses),
            "bpmn_events": self.registry.convert(workflow.bpmn_events),
        }  # fmt: skip


CONFIG = {**DEFAULT_CONFIG, Task: Tasks}
SERIALIZER = BpmnWorkflowSerializer(BpmnWorkflowSerializer.configure(CONFIG))
STANDING = BpmnWorkflowSerializer(
    BpmnWorkflowSerializer.configure({**{one: how for one, how in CONFIG.items() if one is not BpmnWorkflow}, Workflow: Standing})
)


def spec_of(drawn: Drawn, name: str) -> dict[str, Any]:
    """The engine's reading of a process as JSON; raises `BadInput` with what the engine says against it."""
    parser = Parser()
    try:
        for root in drawn.roots:
            parser.add_bpmn_xml(_for_engine(root))
        workflow = BpmnWorkflow(parser.get_spec(drawn.id), parser.get_subprocess_specs(drawn.id))
    except (ValidationException, WorkflowException) as fault:
        raise BadInput(
            "cases.process",
            Text(zh=f"流程引擎不能运行它：{fault}", en=f"The engine cannot run the process: {fault}"),
            Text(zh="用 BPMN 编辑器改正", en="Mend it with a BPMN editor"),
            name,
        ) from fault
    said = SERIALIZER.to_dict(workflow)
    return {"spec": said["spec"], "subprocess_specs": said["subprocess_specs"]}


def _for_engine(root: Any) -> Any:
    """The file as the engine is to see it: timers and messages are signals that the room gives; it collects no results."""
    root = deepcopy(root)
    signals: set[str] = set()
    for process in root.iter(f"{MODEL}process"):
        # What is only called may say that it is not to be run by itself.
        process.set("isExecutable", "true")
    for event in [one for one in root.iter(f"{MODEL}*") if tag_of(one) in ("timerEventDefinition", "messageEventDefinition")]:
        message = message_of(event)
        # A message that is thrown is caught wherever the case waits for one of that name.
        id_ = f"message-{message}" if message else f"{GIVEN}{event.getparent().get('id')}"
        if id_ not in signals:
            signals.add(id_)
            etree.SubElement(root, f"{MODEL}signal", id=id_, name=id_)
        event.getparent().replace(event, etree.Element(f"{MODEL}signalEventDefinition", signalRef=id_))
    for loop in list(root.iter(f"{MODEL}multiInstanceLoopCharacteristics")):
        for part in list(loop):
            if tag_of(part) in ("loopDataOutputRef", "outputDataItem"):
                loop.remove(part)
            elif tag_of(part) == "inputDataItem":
                # The engine keeps the item under this id.
                part.set("id", item_of(part))
    return root


@dataclass(frozen=True)
class Plan:
    """A process as the engine runs it; not to be shared by threads."""

    main: Any
    within: Mapping[str, Any]

    @classmethod
    def of(cls, spec: dict[str, Any]) -> Plan:
        """The plan in what `spec_of` made; processes deployed before there were subprocesses hold only themselves."""
        main, within = (spec["spec"], spec["subprocess_specs"]) if "subprocess_specs" in spec else (spec, {})
        return cls(SERIALIZER.from_dict(deepcopy(main)), {name: SERIALIZER.from_dict(deepcopy(one)) for name, one in within.items()})


@dataclass(frozen=True)
class Waiting:
    """What waits in a case: its number in the engine, its element's id, and what its instance of a loop says."""

    id: UUID
    name: str
    local: dict[str, Any]


class Running:
    """One case in the engine. `names` is what conditions see; it may change while the case moves.

    `collected` is told what each instance of a multi-instance said, under the name of its list.
    """

    def __init__(
        self, workflow: Any, names: Mapping[str, Any], loops: Mapping[str, Loop], collected: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._workflow = workflow
        self._names = names
        self._loops = loops
        self._lists = sorted({loop.over for loop in loops.values() if loop.over})
        self._collected = collected
        workflow.script_engine = Conditions(names)

    @classmethod
    def begun(
        cls, plan: Plan, names: Mapping[str, Any], loops: Mapping[str, Loop] = {},
        collected: Callable[[str, dict[str, Any]], None] = lambda name, said: None,
    ) -> Running:  # fmt: skip
        """A case at the start of a process."""
        return cls(Workflow(plan.main, dict(plan.within)), names, loops, collected)

    @classmethod
    def restored(
        cls, plan: Plan, state: dict[str, Any], names: Mapping[str, Any], loops: Mapping[str, Loop] = {},
        collected: Callable[[str, dict[str, Any]], None] = lambda name, said: None,
    ) -> Running:  # fmt: skip
        """A case where it stood when `saved` was called."""
        whole = {**state, "spec": plan.main, "subprocess_specs": dict(plan.within)}
        return cls(STANDING.from_dict(whole), names, loops, collected)

    def saved(self) -> dict[str, Any]:
        """Where the case stands, as JSON, without the process's description and without the case's data."""
        # What was thrown and nobody caught is gone.
        self._workflow.get_events()
        for task in self._tasks():
            for name in self._lists:
                task.data.pop(name, None)
        state: dict[str, Any] = STANDING.to_dict(self._workflow)
        return state

    def advance(self, serve: Callable[[Waiting], Mapping[str, Any]]) -> None:
        """Move on to where people must act or something must come, or to the end; what is automatic is done by `serve`.

        What `serve` returns is kept for the instance where the element is within a loop. Raises `Conflict` for a case that
        goes round without end.
        """
        left = MOST_STEPS
        with _engine_faults(self._workflow.spec.name):
            while True:
                left = self._engine_steps(left)
                service = next((task for task in self._ready() if isinstance(task.task_spec, ManualTask)), None)
                if service is None:
                    return
                said = serve(self._waiting(service))
                if _is_looped(service):
                    service.data.update(said)
                self._finish(service)

    def complete(self, task: UUID, said: Mapping[str, Any]) -> bool:
        """Mark a user task as done; True when what was `said` belongs to one instance of a loop, not to the case."""
        done = self._workflow.get_task_from_id(task)
        looped = _is_looped(done)
        if looped:
            done.data.update(said)
        with _engine_faults(self._workflow.spec.name):
            self._finish(done)
        return looped

    def is_looped(self, task: UUID) -> bool:
        """Whether a task belongs to one instance of a multi-instance."""
        return _is_looped(self._workflow.get_task_from_id(task))

    def fire(self, event: UUID) -> None:
        """Let the event come for which an element waits; `event` is its number in `events`."""
        task, definition, _ = next(one for one in self._events() if one[2].id == event)
        self._give(task)
        with _engine_faults(self._workflow.spec.name):
            task.task_spec.catch(task, BpmnEvent(definition))
            task.task_spec._update(task)

    def user_tasks(self) -> dict[UUID, Waiting]:
        """The tasks that people can do now, by their numbers."""
        return {task.id: self._waiting(task) for task in self._ready() if isinstance(task.task_spec, UserTask)}

    def events(self) -> dict[UUID, Waiting]:
        """The events for which the case waits now, by their numbers."""
        return {waiting.id: waiting for _, _, waiting in self._events()}

    def _events(self) -> Iterator[tuple[Any, Any, Waiting]]:
        """What waits in the engine, the definition of the event that it waits for, and how we call it."""
        for task in self._workflow.get_tasks(state=TaskState.WAITING):
            local = self._waiting(task).local
            if isinstance(task.task_spec, IntermediateCatchEvent | BoundaryEvent):
                yield task, task.task_spec.event_definition, Waiting(task.id, str(task.task_spec.bpmn_id), local)
            elif isinstance(task.task_spec, EventBasedGateway):
                # The engine lets the gateway wait for all that follows it; what comes is called after its element.
                gateway = task.task_spec
                for after, definition in zip(gateway.outputs, gateway.event_definition.event_definitions, strict=True):
                    name = str(after.bpmn_id)
                    yield task, definition, Waiting(uuid5(task.id, name), name, local)

    def end(self) -> str | None:
        """The id of the end event that was reached last, once the case has ended; None before."""
        if not self._workflow.completed:
            return None
        done = self._workflow.get_tasks(state=TaskState.COMPLETED, skip_subprocesses=True)
        ends = [task for task in done if isinstance(task.task_spec, EndEvent)]
        return str(max(ends, key=lambda task: task.last_state_change).task_spec.bpmn_id) if ends else ""

    def step_before(self, task: UUID, undone: Container[str] = ()) -> UUID | str:
        """The user task before `task` to which one can return; or, where one cannot, the id of the element in the way.

        What was done since is as if it had not been: the elements `undone` change nothing but the case's data, and a fork may be
        undone as long as nobody has done anything on its other branches.
        """
        here = self._workflow.get_task_from_id(task)
        if _is_looped(here):
            return str(here.task_spec.bpmn_id)
        before = here.parent
        while before is not None and before.parent is not None and not isinstance(before.task_spec, UserTask):
            if not _is_undone(before, undone):
                return str(before.task_spec.bpmn_id or before.task_spec.name)
            before = before.parent
        if before is None or before.parent is None:
            return ""
        since = (one for one in before if one is not before and one.state & (TaskState.COMPLETED | TaskState.STARTED))
        lasting = next((one for one in since if not _is_undone(one, undone)), None)
        return before.id if lasting is None else str(lasting.task_spec.bpmn_id or lasting.task_spec.name)

    def boundary_of(self, task: UUID) -> set[UUID]:
        """The events at the boundary of a user task for which the case waits, by their numbers."""
        split = self._workflow.get_task_from_id(task).parent
        if split is None or not isinstance(split.task_spec, BoundaryEventSplit):
            return set()
        return {one.id for one in split.children if isinstance(one.task_spec, BoundaryEvent) and one.state == TaskState.WAITING}

    def return_to(self, task: UUID) -> UUID:
        """Let a user task that was done be done again; all after it is as if it had not been. Returns its new number."""
        again = self._workflow.get_task_from_id(task)
        self._workflow.reset_from_task_id(task)
        within, new = again.workflow, uuid4()
        within.tasks[new] = within.tasks.pop(again.id)
        again.parent._children = [new if child == again.id else child for child in again.parent._children]
        for child in again._children:
            within.tasks[child]._parent = new
        again.id = new
        return new

    def predict(self) -> None:
        """Work out anew what may come after where the case stands, once its process has changed."""
        for task in list(self._tasks()):
            if isinstance(task.task_spec, MultiInstanceTask) and task.state == TaskState.STARTED:
                # Its children are its instances; what comes after them stands beside.
                after = [task._add_child(output, TaskState.FUTURE) for output in task.task_spec.outputs]
                for child in after:
                    child.task_spec._predict(child, mask=TaskState.NOT_FINISHED_MASK)
            elif task.state & (TaskState.READY | TaskState.WAITING) or (
                isinstance(task.task_spec, SubWorkflowTask) and task.state == TaskState.STARTED
            ):
                task.task_spec._predict(task, mask=TaskState.NOT_FINISHED_MASK)

    def _engine_steps(self, left: int) -> int:
        counted = 0

        def before(task: Any) -> None:
            nonlocal counted
            counted += 1
            if counted > left:
                raise _goes_round(self._workflow.spec.name, task.task_spec.name)
            self._give(task)
            self._collect(task)

        for task in self._ready():
            self._give(task)
        self._workflow.do_engine_steps(will_complete_task=before)
        return left - counted

    def _give(self, task: Any) -> None:
        """Let the engine see the lists over which the process has multi-instances."""
        if _is_instance(task):
            # One after another, the next item is looked for here.
            self._give(task.parent)
        for name in self._lists:
            found = self._names.get(name)
            if name in task.data and task.data[name] is found:
                continue
            if found is not None and (not isinstance(found, list) or len(found) > MOST_INSTANCES):
                raise Conflict(
                    "cases.loop",
                    Text(zh=f"{name} 不是至多 {MOST_INSTANCES} 项的清单", en=f"{name} is no list of at most {MOST_INSTANCES}"),
                    Text(zh="在办件的数据里给出清单", en="Give a list in the case's data"),
                    str(self._workflow.spec.name),
                )
            task.data[name] = found if found is not None else []

    def _finish(self, task: Any) -> None:
        self._give(task)
        self._collect(task)
        task.run()

    def _collect(self, task: Any) -> None:
        """Hand out what an instance of a multi-instance said; the engine keeps none of it."""
        if not _is_instance(task):
            return
        loop = self._loops.get(str(task.task_spec.bpmn_id))
        said = {name: value for name, value in task.data.items() if name not in self._lists}
        if loop is not None and loop.collect:
            self._collected(loop.collect, said)
        task.data = {}

    def _waiting(self, task: Any) -> Waiting:
        local = {name: value for name, value in task.data.items() if name not in self._lists} if _is_looped(task) else {}
        return Waiting(task.id, str(task.task_spec.bpmn_id), local)

    def _tasks(self) -> Iterator[Any]:
        yield from self._workflow.tasks.values()
        for within in self._workflow.subprocesses.values():
            yield from within.tasks.values()

    def _ready(self) -> list[Any]:
        return list(self._workflow.get_tasks(state=TaskState.READY, manual=True))


def _is_undone(task: Any, undone: Container[str]) -> bool:
    """Whether nothing is left of an element that was passed once the case stands before it: gateways, and the elements `undone`.

    Where branches join, there is no one step before.
    """
    spec = task.task_spec
    if isinstance(spec, ParallelGateway | InclusiveGateway):
        return len(spec.inputs) == 1
    return isinstance(spec, ExclusiveGateway | BoundaryEventSplit | BpmnStartTask | StartEvent) or (isinstance(spec, ManualTask) and spec.bpmn_id in undone)


def _is_instance(task: Any) -> bool:
    """Whether `task` is one instance of a multi-instance."""
    above = task.parent.task_spec if task.parent is not None else None
    return isinstance(above, MultiInstanceTask) and above.task_spec == task.task_spec.name


def _is_looped(task: Any) -> bool:
    """Whether `task` is an instance of a multi-instance, or within one."""
    while task is not None:
        if _is_instance(task):
            return True
        above = task.workflow.parent_task_id
        task = task.workflow.top_workflow.get_task_from_id(above) if above is not None else None
    return False


def _counts(task: Any) -> dict[str, int]:
    if not _is_instance(task):
        return {}
    instances = [one for one in task.parent.children if one.task_spec.name == task.task_spec.name]
    done = sum(one.has_state(TaskState.COMPLETED) for one in instances)
    return dict(zip(COUNTS, (len(instances), len(instances) - done, done), strict=True))


@contextmanager
def _engine_faults(process: str) -> Iterator[None]:
    """What the engine cannot do, as an error of ours."""
    try:
        yield
    except SanquError:
        raise
    except (WorkflowException, TypeError) as fault:
        raise Conflict(
            "cases.engine",
            Text(zh=f"流程走不下去：{fault}", en=f"The process cannot move on: {fault}"),
            Text(zh="改正办件的数据或流程", en="Mend the case's data, or the process"),
            process,
        ) from fault


def _goes_round(process: str, element: str) -> Conflict:
    return Conflict(
        "cases.round",
        Text(zh="流程没有人办理就一直循环", en="The process goes round without anybody"),
        Text(zh="环里要有人工任务或定时器", en="Put a user task or a timer into the round"),
        f"{process}: {element}",
    )
