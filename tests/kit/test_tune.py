"""The search for params, on a real Prefect server and a real MLflow store."""

import optuna
import pytest

from .package import flows, registry, searches, settings, training, tuning


def test_the_space_holds_the_defaults_and_no_bad_params() -> None:
    defaults = training.TrainParams().model_dump(include={*tuning.SPACE})
    optuna.create_trial(params=defaults, distributions=tuning.SPACE, value=0)
    for name, distribution in tuning.SPACE.items():
        for end in ("low", "high"):
            training.TrainParams.model_validate({name: getattr(distribution, end)})


def test_trials_learn_from_those_before() -> None:
    first = tuning.next_params(0, [])
    assert first == training.TrainParams()
    rates = [0.05, 0.06, 0.07, 0.2, 0.25, 0.3, 0.28, 0.26]
    done = [
        tuning.Trial(number=i, params=first.model_copy(update={"learning_rate": rate}), rmse=rate)
        for i, rate in enumerate(rates)
    ]
    asked = [tuning.next_params(number, done).learning_rate for number in range(8, 24)]
    assert sum(rate < 0.1 for rate in asked) > len(asked) / 2


@pytest.mark.usefixtures("prefect_harness")
def test_a_search_goes_on_and_its_params_can_be_named(months: list[str]) -> None:
    first = flows.tune(months[:2], months[2], trials=2, name="small")
    second = flows.tune(months[:2], months[2], trials=3, name="small")
    assert second.run_id == first.run_id
    store = registry.Registry(settings.Settings())
    trials = searches.trials_of(store, first.run_id)
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert trials[0].params == training.TrainParams()
    assert second.default_rmse == trials[0].rmse
    assert second.rmse == min(trial.rmse for trial in trials)
    assert second.better == (second.rmse < second.default_rmse)
    assert store.client.get_run(first.run_id).info.status == "FINISHED"

    trained = flows.train(months[:2], months[2], params_name="small")
    logged = store.client.get_run(trained.run_id).data.params
    assert training.TrainParams.model_validate(logged) == second.params


@pytest.mark.usefixtures("prefect_harness")
def test_params_are_given_once_and_by_a_name_that_is_there(months: list[str]) -> None:
    with pytest.raises(ValueError, match="params 'nobody': not saved yet"):
        flows.train(months[:2], months[2], params_name="nobody")
    with pytest.raises(ValueError, match="not both"):
        flows.train(months[:2], months[2], training.TrainParams(), params_name="nobody")
    with pytest.raises(ValueError, match="a name of letters"):
        flows.tune(months[:2], months[2], trials=1, name="a/b")
