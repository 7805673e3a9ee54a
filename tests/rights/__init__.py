"""Random programs of rights, by several tasks, against a model of what Mach promises."""
