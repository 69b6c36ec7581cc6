"""What each key of a search space means, in a line: for the JSON schema and the reference."""

from __future__ import annotations

TEXTS = {
    "name": "also the name of the results' folder: letters, digits, _ and -",
    "title": "what stands above figures and tables",
    "variant_of": "a bundled space, whose figure and claims are used for this one",
    "problem": "what is learnt; a list in it is an axis of the sweep",
    "problem.kind": "parity: is the sum of k digits odd? clusters: labelled clusters in d dimensions."
    " classification: images of C classes",
    "problem.dataset": "digits (comes with scikit-learn), mnist, fashion-mnist, kmnist, cifar10, or the path"
    " of an .npz file",
    "problem.k": "images in a tuple",
    "problem.train_samples": "tuples in a training epoch; default: as many as there are training images",
    "problem.test_samples": "tuples in a test; default: as many as there are test images",
    "problem.final_test_samples": "tuples in the last epoch's test; default: as in the others",
    "problem.clusters": "c: a grid of c x c clusters",
    "problem.n": "training points",
    "problem.d": "dimensions of a point",
    "problem.labels": "random, or a zero or one for each cluster: p is at column p mod c and row p div c",
    "problem.radius": "how points are spread in a cluster: uniform in the radius, or on the disk",
    "network": "the network; a list in it is an axis of the sweep",
    "network.hidden": "the width of the hidden layer, or a list of widths; a list of lists is an axis",
    "network.activation": "of the hidden layers",
    "network.bias": "whether every layer has biases",
    "network.feature_std": "standard deviation of gaussian_features' frozen weights; default:"
    " sqrt(6 / (fan_in + fan_out))",
    "network.feedback_scale": "multiplies the feedback as drawn",
    "training": "how long and with what steps; a list in it is an axis of the sweep",
    "training.epochs": "how long a trial is trained",
    "training.batch_size": "tuples in a step; full: one step per epoch",
    "training.loss": "default: binary_cross_entropy for one output, cross_entropy for several",
    "training.weight_decay": "times the weights, added to the gradient",
    "training.precision": "of the matrix products",
    "training.device": "auto: a GPU where there is one",
    "training.evaluate_every": "epochs from one test to the next; the last epoch is always tested",
    "methods": "what is compared; an entry is every combination of the names in its lists",
    "methods.rule": "how the hidden layers get their gradient",
    "methods.optimizer": "what a step does with a gradient",
    "methods.feedback": "how the feedback is drawn; default: uniform",
    "methods.learning_rate": "of these methods, in place of learning_rates",
    "learning_rates": "for each optimizer: a log-spaced range, a list, or one number, which is not tuned",
    "optimizers": "options of optimizers where they are not the default; a list is an axis of the sweep",
    "optimizers.rho": "decay of running means, or of the velocity",
    "optimizers.beta1": "decay of the mean gradient",
    "optimizers.beta2": "decay of the mean squared gradient",
    "optimizers.epsilon": "smoothing constant",
    "optimizers.weight_decay": "in place of training.weight_decay",
    "tuning": "how learning rates are chosen",
    "tuning.metric": "what is compared",
    "tuning.window": "its mean over so many last tested epochs; default: 10, or all where there are fewer",
    "tuning.split": "test: on the test set; validation: on training images that are held out",
    "tuning.seeds": "the score of a learning rate is its mean over so many seeds",
    "tuning.refine": "so many more rates are tried between the best one's neighbours",
    "tuning.at": "the values of axes at which alone rates are tuned: {problem.k: 3}",
    "tuning.with": "what is chosen together with the learning rate: lists or ranges, by key",
    "tuning.sampler": "grid: every combination; random; tpe: as earlier scores suggest",
    "tuning.trials": "settings that random and tpe try for each method",
    "tuning.stop": "successive halving; default: nothing is stopped",
    "tuning.stop.after": "the epochs after which trials may be stopped",
    "tuning.stop.keep": "the share of the trials that go on",
    "repetitions": "with other seeds, at the chosen learning rate: a number, or as many as are needed",
    "repetitions.min": "at least so many",
    "repetitions.max": "at most so many",
    "repetitions.until": "decided: until all claims about the space are; {half_width: W}: until the mean is"
    " known to +- W",
    "seed": "of the tuning; the repetitions' seeds derive from it",
    "save_weights": "whether the weights of repetitions are saved",
    "claims": "what dfa-tune verify judges",
}


def text(key: str) -> str:
    """What the dotted key means; "" for one of a plugin."""
    return TEXTS.get(key, "")
