"""A session's view of the file system: identity, jail, operations, listings."""
