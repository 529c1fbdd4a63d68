"""Databases for modules: the text of queries, connections, and what is looked up and recorded through them."""
