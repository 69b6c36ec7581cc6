"""Styles of methods: what differs, and what stays the same."""

from dfa_tune.analysis.styles import styles


def test_methods_differ_in_marker_and_rules_in_line(plan, trained) -> None:
    nine = plan(
        "methods=[{rule: [bp, dfa, relu_features], optimizer: [sgd, adam, adagrad]}]",
        "learning_rates={sgd: 0.1, adam: 0.1, adagrad: 0.1}",
    )
    look = styles(trained(nine, rounds=0))
    assert len({(style.color, style.marker) for style in look.values()}) == 9
    by_rule = {name.split("-")[0]: style.linestyle for name, style in look.items()}
    assert len(set(by_rule.values())) == 3
    assert look["bp-adam"].linestyle == look["bp-sgd"].linestyle


def test_methods_of_one_rule_differ_in_their_lines(plan, trained) -> None:
    two = plan("methods=[{rule: dfa, optimizer: [sgd, adam]}]", "learning_rates.adam=0.1")
    assert len({str(style.linestyle) for style in styles(trained(two, rounds=0)).values()}) == 2


def test_with_more_methods_than_colours_those_that_differ_in_the_rule_alone_share_one(plan, trained) -> None:
    optimizers = ["sgd", "adagrad", "adadelta", "rmsprop", "adam"]
    ten = plan(
        f"methods=[{{rule: [bp, dfa], optimizer: [{', '.join(optimizers)}]}}]",
        f"learning_rates={{{', '.join(f'{name}: 1' for name in optimizers)}}}",
    )
    look = styles(trained(ten, rounds=0))
    assert look["bp-adam"].color == look["dfa-adam"].color
    assert look["bp-adam"].linestyle == look["bp-sgd"].linestyle != look["dfa-adam"].linestyle
    assert len({(style.color, str(style.linestyle)) for style in look.values()}) == 10
