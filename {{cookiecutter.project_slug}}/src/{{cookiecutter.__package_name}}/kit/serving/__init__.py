"""The champion over HTTP: a typed API, and the forms that MLflow's clients send."""
