"""SpiffWorkflow as the room uses it: it moves tokens; it holds no data and runs no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.parser.TaskParser import TaskParser
from SpiffWorkflow.bpmn.parser.util import full_tag
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.specs.defaults import EndEvent, ManualTask, UserTask
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

from sanqu.cases.bpmn import Drawn
from sanqu.cases.conditions import holds
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text


class Conditions(PythonScriptEngine):  # type: ignore[misc]
    """Evaluates conditions over the case's data by the room's own language; everything else of the engine's is refused."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__()
        self._names = names

    def evaluate(self, task: Any, expression: str, external_context: Any = None) -> bool:
        """Whether the condition on a flow is met."""
        return holds(expression, self._names, f"{task.workflow.spec.name}: {task.task_spec.name}")

    def execute(self, task: Any, script: str, external_context: Any = None) -> bool:
        """No script is ever run."""
        raise AssertionError(f"a script at {task.task_spec.name} was let through")

    def call_service(self, task: Any, **kwargs: Any) -> Any:
        """Service tasks are done by the room, not by the engine."""
        raise AssertionError(f"a service at {task.task_spec.name} was let through")


class Parser(BpmnParser):  # type: ignore[misc]
    """The engine's parser, to whom a service task is one that waits until the room has done it."""

    OVERRIDE_PARSER_CLASSES = {full_tag("serviceTask"): (TaskParser, ManualTask)}


def spec_of(drawn: Drawn, name: str) -> dict[str, Any]:
    """The engine's reading of a process as JSON; raises `BadInput` with what the engine says against it."""
    parser = Parser()
    try:
        parser.add_bpmn_xml(drawn.root)
        workflow = BpmnWorkflow(parser.get_spec(drawn.id))
    except ValidationException as fault:
        raise BadInput(
            "cases.process",
            Text(zh=f"流程引擎不能运行它：{fault}", en=f"The engine cannot run the process: {fault}"),
            Text(zh="用 BPMN 编辑器改正", en="Mend it with a BPMN editor"),
            name,
        ) from fault
    spec: dict[str, Any] = BpmnWorkflowSerializer().to_dict(workflow)["spec"]
    return spec


class Running:
    """One case in the engine. `names` is what conditions see; it may change while the case moves."""

    def __init__(self, workflow: Any, names: Mapping[str, Any]) -> None:
        self._workflow = workflow
        workflow.script_engine = Conditions(names)

    @classmethod
    def begun(cls, spec: dict[str, Any], names: Mapping[str, Any]) -> Running:
        """A case at the start of a process."""
        return cls(BpmnWorkflow(BpmnWorkflowSerializer().from_dict(spec)), names)

    @classmethod
    def restored(cls, spec: dict[str, Any], state: dict[str, Any], names: Mapping[str, Any]) -> Running:
        """A case where it stood when `saved` was called."""
        return cls(BpmnWorkflowSerializer().from_dict({**state, "spec": spec, "subprocess_specs": {}}), names)

    def saved(self) -> dict[str, Any]:
        """Where the case stands, as JSON, without the process's description."""
        state: dict[str, Any] = BpmnWorkflowSerializer().to_dict(self._workflow)
        del state["spec"], state["subprocess_specs"]
        return state

    def advance(self, serve: Callable[[str], None]) -> None:
        """Move on through gateways and service tasks (done by `serve(id)`) to where people must act, or to the end."""
        while True:
            self._workflow.do_engine_steps()
            service = next((task for task in self._ready() if isinstance(task.task_spec, ManualTask)), None)
            if service is None:
                return
            serve(service.task_spec.name)
            service.run()

    def complete(self, task: UUID) -> None:
        """Mark a user task as done."""
        self._workflow.get_task_from_id(task).run()

    def user_tasks(self) -> dict[UUID, str]:
        """The tasks that people can do now: number → element id."""
        return {task.id: task.task_spec.name for task in self._ready() if isinstance(task.task_spec, UserTask)}

    def end(self) -> str | None:
        """The id of the end event that was reached last, once the case has ended; None before."""
        if not self._workflow.completed:
            return None
        ends = [t for t in self._workflow.get_tasks(state=TaskState.COMPLETED) if isinstance(t.task_spec, EndEvent)]
        return str(max(ends, key=lambda task: task.last_state_change).task_spec.name)

    def _ready(self) -> list[Any]:
        return list(self._workflow.get_tasks(state=TaskState.READY, manual=True))
