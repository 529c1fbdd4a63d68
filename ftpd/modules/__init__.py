"""The built-in modules: guests that see ftpd.api and nothing else of the house."""
