"""Data channels: ports, sending, receiving, ASCII and throttling; they are told by the engine and never ask it."""
