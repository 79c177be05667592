"""Whatever people do step by step is a case (事件、办件): a BPMN process, tasks for units, deadlines in working days, a history."""
