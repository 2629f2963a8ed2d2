"""The search for params, on a real Prefect server and a real MLflow store."""

import optuna
import pytest

from .. import module

flows = module("flows")
model = module("model")
tracking = module("kit.tracking")
tuning = module("kit.tuning")


def test_the_space_holds_the_defaults_and_no_bad_params() -> None:
    space = tuning.space()
    assert space.keys() == model.SEARCH_SPACE.keys() >= model.LOG_SCALE
    defaults = model.TrainParams().model_dump(include={*space})
    optuna.create_trial(params=defaults, distributions=space, value=0)
    for name, distribution in space.items():
        assert distribution.log == (name in model.LOG_SCALE)
        for end in ("low", "high"):
            model.TrainParams.model_validate({name: getattr(distribution, end)})
    assert isinstance(space["max_depth"], optuna.distributions.IntDistribution)
    assert isinstance(space["subsample"], optuna.distributions.FloatDistribution)


def test_trials_learn_from_those_before() -> None:
    first = tuning.next_params(0, [])
    assert first == model.TrainParams()
    rates = [0.05, 0.06, 0.07, 0.2, 0.25, 0.3, 0.28, 0.26]
    done = [
        tuning.Trial(number=i, params=first.model_copy(update={"learning_rate": rate}), error=rate)
        for i, rate in enumerate(rates)
    ]
    asked = [tuning.next_params(number, done).learning_rate for number in range(8, 24)]
    assert sum(rate < 0.1 for rate in asked) > len(asked) / 2


@pytest.mark.usefixtures("prefect_harness")
def test_a_search_goes_on_and_its_params_can_be_named(months: list[str]) -> None:
    first = flows.tune(months[:2], months[2], trials=2, name="small")
    second = flows.tune(months[:2], months[2], trials=3, name="small")
    assert second.run_id == first.run_id
    trials = tuning.trials_of(first.run_id)
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert trials[0].params == model.TrainParams()
    assert second.default_error == trials[0].error
    assert second.error == min(trial.error for trial in trials)
    better = second.error < second.default_error
    assert second.reason.startswith("Trial " if better else "No trial beats the default params'")
    client = tracking.connect()
    assert client.get_run(first.run_id).info.status == "FINISHED"

    trained = flows.train(months[:2], months[2], params_name="small")
    logged = client.get_run(trained.run_id).data.params
    assert model.TrainParams.model_validate(logged).model_dump() == second.params


@pytest.mark.usefixtures("prefect_harness")
def test_params_are_given_once_and_by_a_name_that_is_there(months: list[str]) -> None:
    with pytest.raises(ValueError, match="params 'nobody': not saved yet"):
        flows.train(months[:2], months[2], params_name="nobody")
    with pytest.raises(ValueError, match="not both"):
        flows.train(months[:2], months[2], model.TrainParams(), params_name="nobody")
    with pytest.raises(ValueError, match="a name of letters"):
        flows.tune(months[:2], months[2], trials=1, name="a/b")
