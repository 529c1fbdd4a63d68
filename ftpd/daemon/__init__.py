"""The process: start and stop, listeners, signals, reload, logs, what systemd is told."""
