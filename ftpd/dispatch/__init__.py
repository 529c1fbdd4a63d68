"""The road of a command: compiled tables, the six phases, the gate, the order of auth backends, generations."""
