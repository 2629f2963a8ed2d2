"""Trains, evaluates and promotes a model, orchestrated with Prefect."""

import gc
import os

# Libraries read these when they are imported; what the user sets holds.
# OpenMP threads that spin while they wait make a fit ten times slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Arrow's own allocator keeps much of what it has once used: 60 MB for a month of 70,000 rows.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# Imports make a million objects that stay: looking through them time and again finds nothing.
gc.set_threshold(50_000)
