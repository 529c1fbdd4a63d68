"""What a module is: its table of handlers, the commands and sessions it sees, and how its file is loaded."""
