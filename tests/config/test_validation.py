"""What is not valid is refused by a message that names the place, the value and what would be valid."""

from __future__ import annotations

import pytest

from dfa_tune.errors import UserError

CLUSTERS = {"kind": "clusters", "clusters": 2, "n": [8, 16], "d": 5, "test_samples": 10}


INVALID = {
    # option: parts of what is said
    "problem.k=0": ("problem.k = 0", "at least 1"),
    "problem.k=[1, 0]": ("problem.k = 0", "at least 1"),
    "problem.k=[]": ("problem.k = []", "a list of at least one"),
    "problem.k=[[1]]": ("problem.k = [1]", "a whole number"),
    "problem.k=": ("problem.k = null", "a whole number"),
    "problem.k=true": ("problem.k = true", "a whole number"),
    "problem.k=1.5": ("problem.k = 1.5", "a whole number"),
    "problem.k='3'": ('problem.k = "3"', "a whole number"),
    "problem.kk=3": ("problem.kk = 3", "unknown key", "train_samples", "Did you mean 'k'?"),
    "problem.kind=parities": ("problem.kind", "clusters, parity", "Did you mean 'parity'?"),
    "problem.kind=[parity]": ("problem.kind", "one of classification, clusters, parity"),
    "problem.dataset=mnst": (
        "problem.dataset",
        "kmnist, cifar10, or the path of an .npz file",
        "Did you mean 'mnist'?",
    ),
    "problem={}": ("problem.kind", "missing", "clusters, parity"),
    "problem=3": ("problem = 3", "a mapping"),
    "problm.k=3": ("problm", "unknown key", "Did you mean 'problem'?"),
    "network.hidden=[]": ("network.hidden = []",),
    "network.hidden=[8, true]": ("network.hidden.1 = true", "a whole number"),
    "network.hidden=[[]]": ("network.hidden = []", "at least one hidden layer"),
    "network.bias=1": ("network.bias = 1", "true or false"),
    "network.activation=rely": ("network.activation", "Did you mean 'relu'?"),
    "training.epoch=3": ("training.epoch = 3", "Did you mean 'epochs'?"),
    "training.weight_decay=true": ("training.weight_decay = true", "a number"),
    "training.weight_decay=.nan": ("training.weight_decay = NaN", "a finite number"),
    "training.batch_size=half": ("training.batch_size", "a whole number or 'full'"),
    "training.batch_size=1000000000000000000000000000000": ("training.batch_size", "64 bits"),
    "training.batch_size=1000000001": ("training.batch_size = 1000000001", "at most 1000000000"),
    "training.evaluate_every=1000001": ("training.evaluate_every = 1000001", "at most 1000000"),
    "problem.train_samples=1000000000000": ("problem.train_samples", "at most 1000000000"),
    "problem.test_samples=1000000000000": ("problem.test_samples", "at most 1000000000"),
    "training.device=[cpu, cuda]": ("training.device", "cannot be a list"),
    "methods=[]": ("methods = []", "a list of at least 1"),
    "methods=bp": ('methods = "bp"', "a list"),
    "methods.0.rule=dfaa": ("methods.0.rule", "unknown rule 'dfaa'", "Did you mean 'dfa'?"),
    "methods.0.rule=[]": ("methods.0.rule = []", "a list of at least 1"),
    "methods.0.optimizer=sdg": ("methods.0.optimizer", "unknown optimizer", "Did you mean 'sgd'?"),
    "methods.0.optimizer=adam": ("'adam'", "bp-adam", "no learning rate", "learning_rates.adam"),
    "methods.0.feedback=unifrom": ("methods.0.feedback", "Did you mean 'uniform'?"),
    "methods.0.learning_rate=0": ("methods.0.learning_rate = 0", "a number above 0"),
    "learning_rates.sgd=[0.1, -1]": ("learning_rates.sgd.1 = -1", "a number above 0"),
    "learning_rates.sgd=.inf": ("learning_rates.sgd", "a number above 0"),
    "learning_rates.sgd=.nan": ("learning_rates.sgd", "a number above 0"),
    "learning_rates.sgd=true": ("learning_rates.sgd = true", "a number above 0"),
    "learning_rates.sgd=[]": ("learning_rates.sgd = []", "a number above 0"),
    "learning_rates.sgd=": ("learning_rates.sgd = null", "a number above 0"),
    "learning_rates.sgd.low=2": ("learning_rates.sgd", "low (2) must be below high (1)"),
    "learning_rates.sgd.low=0": ("learning_rates.sgd.low = 0", "a number above 0"),
    "learning_rates.sgd.points=1": ("learning_rates.sgd.points = 1", "at least 2"),
    "learning_rates.sgd.point=1": ("learning_rates.sgd.point", "Did you mean 'points'?"),
    "learning_rates.sgd=[0.1, null]": ("learning_rates.sgd.1 = null", "a number above 0"),
    "learning_rates.sgd.low=null": ("learning_rates.sgd.low = null", "a number"),
    "methods.0.learning_rate=[null]": ("methods.0.learning_rate.0 = null", "a number above 0"),
    "learning_rates.sgd=1:30": ('learning_rates.sgd = "1:30"', "a number above 0"),
    "training.epochs=1:30": ('training.epochs = "1:30"', "a whole number"),
    "training.epochs=010": ('training.epochs = "010"', "a whole number"),
    "training.weight_decay=1:30.5": ('training.weight_decay = "1:30.5"', "a number"),
    "learning_rates.sdg=1": ("learning_rates.sdg", "Did you mean 'sgd'?"),
    "tuning.search=random": (
        "tuning.search",
        "unknown key; valid: metric, window, split, seeds, refine, at, with, sampler, trials, stop.",
    ),
    "tuning.window=0": ("tuning.window = 0", "at least 1"),
    "tuning.metric=accuracy": ("tuning.metric", "'test_loss'"),
    "tuning.split=train": ("tuning.split", "'test' or 'validation'"),
    "tuning.seeds=0": ("tuning.seeds = 0", "at least 1"),
    "tuning.refine=-1": ("tuning.refine = -1", "at least 0"),
    "tuning.at={problem.j: 3}": ("tuning.at.problem.j", "unknown key"),
    "tuning.at={problem.k: 0}": ("tuning.at.problem.k = 0", "at least 1"),
    "tuning=": ("tuning = null", "a mapping"),
    "repetitions=0": ("repetitions = 0", "at least 1"),
    "repetitions=many": ('repetitions = "many"', "a whole number of at least 1, or {min: N"),
    "repetitions=true": ("repetitions = true", "a whole number"),
    "repetitions={min: 5, max: 4}": ("repetitions: ", "max (4) is below min (5); valid: at least 5"),
    "repetitions={min: 21}": ("repetitions: ", "max (20) is below min (21)"),
    "repetitions={min: 0}": ("repetitions.min = 0", "at least 1"),
    "repetitions={minimum: 3}": ("repetitions.minimum", "Did you mean 'min'?"),
    "repetitions={until: never}": ('repetitions.until = "never"', "decided, or {half_width: W}"),
    "repetitions={until: }": ("repetitions.until = null", "decided, or {half_width: W}"),
    "repetitions={until: {half_width: 0}}": ("repetitions.until.half_width = 0", "above 0"),
    "repetitions={until: {half_width: 0.5}}": ("repetitions.until.half_width = 0.5", "below 0.5"),
    "repetitions={until: {width: 0.1}}": ("repetitions.until.width", "valid: half_width"),
    "seed=-1": ("seed = -1", "at least 0"),
    "save_weights=yes please": ("save_weights", "true or false"),
    "name=../up": ("name", "letters, digits, _ and -"),
    "name=a/b": ("name", "letters, digits, _ and -"),
    "name=": ("name = null", "text"),
    "name=''": ("name", "letters, digits, _ and -"),
    "name=NUL": ("name", "Windows"),
    f"name={'x' * 101}": ("name", "at most 100"),
    "epochs=3": ("epochs = 3", "unknown key"),
    "problem.k": ("--set problem.k", "KEY=VALUE"),
    "=3": ("--set =3", "KEY=VALUE"),
    "problem..k=3": ("--set problem..k=3", "KEY=VALUE"),
    "problem.k=[1, 2": ("--set problem.k=[1, 2", "not valid YAML"),
    "training.epochs.x=3": ("--set training.epochs.x=3", "set training.epochs itself"),
    "methods.1.rule=bp": ("--set methods.1.rule=bp", "methods is a list", "0 to 0"),
}


@pytest.mark.parametrize("option", INVALID)
def test_an_invalid_value_is_refused_in_a_few_lines_that_name_it(load, option: str) -> None:
    with pytest.raises(UserError) as caught:
        load(option)
    message = str(caught.value)
    assert all(part in message for part in INVALID[option]), message
    assert f"--set {option}" in message or "learning rate" in message
    assert message.count("\n") < 5
    assert "pydantic" not in message


def test_labels_that_are_not_one_a_cluster_are_refused(load) -> None:
    with pytest.raises(UserError, match="labels has 3 entries; valid: 'random', or 4"):
        load(problem=CLUSTERS | {"labels": [0, 1, 1]})
