"""Trains, evaluates and promotes a model, orchestrated with Prefect."""
