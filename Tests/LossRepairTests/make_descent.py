#!/usr/bin/env python3
"""Writes Fixtures/NAME.json: what torch finds for a descent of a subnet of Tests/Fixtures/models/NAME.

    python make_descent.py          # needs Tests/checks/requirements.txt

The subnet keeps the first three quarters of the MLP channels of every layer. `gradients` are those of the mean divergence on the
first two windows; `divergences` those before each of ten steps of torch.optim.Adam on two windows in turn; `weights` what the
steps end with. Only maintainers run it: its output is committed.
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "Fixtures"))
from make_gradients import digits, summary  # noqa: E402

RATE, STEPS, WINDOWS, LENGTH = 1e-3, 10, 4, 12


def load(name):
    return AutoModelForCausalLM.from_pretrained(
        os.path.join(HERE, "..", "Fixtures", "models", name), attn_implementation="eager").double().eval()


def narrowed(model):
    for layer in model.model.layers:
        kept = layer.mlp.gate_proj.weight.shape[0] * 3 // 4
        for part in (layer.mlp.gate_proj, layer.mlp.up_proj):
            part.weight = torch.nn.Parameter(part.weight[:kept].detach().clone())
        layer.mlp.down_proj.weight = torch.nn.Parameter(layer.mlp.down_proj.weight[:, :kept].detach().clone())
    return model


def divergence(dense, subnet, windows):
    p, q = (torch.log_softmax(m(windows).logits, -1) for m in (dense, subnet))
    return (p.exp() * (p - q)).sum(-1).mean()


def trained(subnet):
    return {name: p for name, p in subnet.named_parameters() if name.startswith("model.layers.") or name == "model.norm.weight"}


def main():
    for name in ("mistral-gqa", "qwen2-bias", "gemma2-caps"):
        dense, subnet = load(name), narrowed(load(name))
        generator = torch.Generator().manual_seed(11)
        tokens = torch.randint(0, dense.config.vocab_size, (WINDOWS, LENGTH), generator=generator)
        with torch.no_grad():
            targets = dense(tokens).logits
        parameters = trained(subnet)
        optimiser = torch.optim.Adam(parameters.values(), lr=RATE, betas=(0.9, 0.95), eps=1e-8)
        divergences, gradients = [], None
        for step in range(STEPS):
            batch = tokens[2 * (step % 2):2 * (step % 2) + 2]
            value = divergence(dense, subnet, batch)
            divergences.append(digits(value))
            subnet.zero_grad()
            value.backward()
            if step == 0:
                gradients = summary({n: p.grad.clone() for n, p in parameters.items()})
            optimiser.step()
        with torch.no_grad():
            after = digits(divergence(dense, subnet, tokens))
        document = {"rate": RATE, "length": LENGTH, "tokens": tokens.flatten().tolist(), "gradients": gradients,
                    "divergences": divergences, "after": after,
                    "weights": summary({n: p.detach() for n, p in parameters.items()})}
        with open(os.path.join(HERE, "Fixtures", name + ".json"), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")


main()
