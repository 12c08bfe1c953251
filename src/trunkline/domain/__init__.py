"""Plain values and pure rules of the field: statuses, errors, ids, plans, schedules."""
