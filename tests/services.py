"""For test_hooks.py, which does not import these from lab.py yet."""

from .lab import free_port, prefect_server

__all__ = ["free_port", "prefect_server"]
