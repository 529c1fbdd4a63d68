"""The configuration language: proftpd.conf in, immutable scopes with typed values out."""
