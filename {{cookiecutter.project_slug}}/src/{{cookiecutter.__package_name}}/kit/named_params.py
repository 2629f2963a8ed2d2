"""Params that `tune` saved under a name, for `train`: tags of MLflow's experiment."""

import re

from .modelling.contract import TrainParams
from .tracking import connect, experiment_id


def read(name: str) -> TrainParams:
    """Return the params of a name. Raises ValueError if there are none."""
    client = connect()
    tags = client.get_experiment(experiment_id(client)).tags
    if tag_of(name) not in tags:
        raise ValueError(f"params '{name}': not saved yet; save some with `tune --name {name}`")
    return TrainParams.model_validate_json(tags[tag_of(name)])


def save(name: str, params: TrainParams) -> None:
    """Save params under a name; those it had before are replaced."""
    client = connect()
    client.set_experiment_tag(experiment_id(client), tag_of(name), params.model_dump_json())


def tag_of(name: str) -> str:
    """Return the experiment's tag for params of a name. Raises ValueError if it is no name."""
    if not re.fullmatch(r"[\w-]{1,50}", name):
        raise ValueError(f"params '{name}': give them a name of letters, digits, - and _")
    return f"params.{name}"
