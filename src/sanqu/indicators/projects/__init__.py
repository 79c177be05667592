"""The plan's key projects (重点工程): targets, measures as tasks, progress by quarter as cases, lamps."""
