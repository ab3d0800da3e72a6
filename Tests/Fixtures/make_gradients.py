#!/usr/bin/env python3
"""Writes gradients.json beside every model: what autograd finds for the weights of its decoder layers.

    python make_gradients.py [NAME …]        # of some models, or of all; needs Tests/checks/requirements.txt

README.md describes the keys. Only maintainers run it: its output is committed.
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
ENTRIES = 12
LENGTH = 12


def digits(value):
    return float(f"{float(value):.8g}")


def summary(tensors):
    """Norm and some entries of each tensor, spread over it."""
    result = {}
    for name, tensor in tensors.items():
        flat = tensor.flatten()
        places = [i * (flat.numel() - 1) // (ENTRIES - 1) for i in range(ENTRIES)]
        result[name] = {
            "norm": digits(flat.double().norm()), "largest": digits(flat.abs().max()), "places": places,
            "values": [digits(flat[i]) for i in places],
        }
    return result


def gradients(model, scalar):
    model.zero_grad()
    scalar.backward()
    return {
        name.removeprefix("model.layers."): p.grad.clone()
        for name, p in model.named_parameters() if name.startswith("model.layers.")
    }


for folder in sys.argv[1:] or sorted(os.listdir(MODELS)):
    path = os.path.join(MODELS, folder)
    expected = json.load(open(os.path.join(path, "expected.json")))
    tokens = expected["sequences"][0]["tokens"]
    windows = torch.tensor(tokens[: len(tokens) // LENGTH * LENGTH]).reshape(-1, LENGTH)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64, attn_implementation="eager")

    def loss(batch):
        logits = model(batch).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())

    total = loss(windows)
    first = gradients(model, total)
    singles = [gradients(model, loss(window[None])) for window in windows]
    squares = {name: sum(s[name] ** 2 for s in singles) / len(singles) for name in first}
    largest = gradients(model, model(windows).logits.max(dim=1).values.mean())
    with open(os.path.join(path, "gradients.json"), "w") as file:
        json.dump(
            {
                "window": LENGTH, "tokens": windows.flatten().tolist(), "loss": digits(total),
                "loss_gradients": summary(first), "squared_gradients": summary(squares),
                "maximum_logit_gradients": summary(largest),
            }, file, indent=None, separators=(",", ":"), sort_keys=True)
        file.write("\n")
    print(folder, float(total))
