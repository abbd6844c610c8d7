"""Combinations of options for every optimizer, so that every branch of every rule is taken."""

import itertools


def combinations(**choices):
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


TWO = [False, True]
SGD = combinations(
    lr=[0.1], momentum=[0, 0.9], dampening=[0, 0.3], nesterov=TWO, weight_decay=[0, 0.1], maximize=TWO
)  # fmt: skip
DECAYS = [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True}]
BETAS = [{"lr": 0.05}, {"lr": 0.05, "betas": (0.0, 0.5), "eps": 0.1}]
GRIDS = {
    "SGD": [x for x in SGD if not x["nesterov"] or (x["momentum"] and not x["dampening"])],
    "ASGD": combinations(lr=[0.1], lambd=[1e-4, 0.1], alpha=[0.75, 0.5], t0=[1e6, 5], weight_decay=[0, 0.1]),
    "Adagrad": combinations(
        lr=[0.1], lr_decay=[0, 0.1], weight_decay=[0, 0.1], initial_accumulator_value=[0, 0.5], eps=[1e-10, 0.1]
    ),
    "Adadelta": combinations(lr=[1.0, 0.5], rho=[0.9, 0.5], eps=[1e-6, 0.1], weight_decay=[0, 0.1]),
    "RMSprop": combinations(
        lr=[0.01], alpha=[0.99, 0.5], eps=[1e-8, 0.1], weight_decay=[0, 0.1], momentum=[0, 0.9], centered=TWO
    ),
    "Rprop": combinations(lr=[0.01, 100.0], etas=[(0.5, 1.2), (0.3, 2.0)], step_sizes=[(1e-6, 50), (0.005, 0.1)]),
    "Adam": combinations(betas=[(0.9, 0.999), (0.0, 0.5)], eps=[1e-8, 0.1], weight_decay=[0, 0.1], amsgrad=TWO),
    "AdamW": combinations(betas=[(0.9, 0.999), (0.0, 0.5)], eps=[1e-8, 0.1], weight_decay=[0, 0.1], amsgrad=TWO),
    "Adamax": [{**x, **y} for x in BETAS for y in DECAYS[:2]],
    "NAdam": [{**x, **y, "momentum_decay": z} for x in BETAS for y in DECAYS for z in (0, 4e-3, 0.5)],
    "RAdam": [{**x, **y} for x in BETAS for y in DECAYS],
    "Adafactor": combinations(
        lr=[0.01, 0.5], beta2_decay=[-0.8, -0.3], eps=[(None, 1e-3), (0.1, 0.5)], d=[1.0, 1.5], weight_decay=[0, 0.1]
    ),
    "Muon": [
        *combinations(lr=[0.1], weight_decay=[0, 0.1], momentum=[0, 0.95], nesterov=TWO, ns_steps=[0, 1, 5]),
        *combinations(adjust_lr_fn=["original", "match_rms_adamw"], eps=[1e-7, 10], ns_coefficients=[(2, -1.5, 0.5)]),
    ],
}
