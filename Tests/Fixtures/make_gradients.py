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

import chatglm_files
import expert_files

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


def parts(config, attention, tensors, power):
    """The gradients of the network as nas-search holds it: parts one by one, the turned rows of a head half-split with the others
    behind each half, multipliers of Granite in the weights (so gradients are divided by them, or by their `power`), the channels of
    experts side by side."""
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    sizes = {"self_attn.qkv_proj": {"self_attn.q_proj": queries, "self_attn.k_proj": keys, "self_attn.v_proj": keys},
             "mlp.gate_up_proj": {"mlp.gate_proj": config.intermediate_size, "mlp.up_proj": config.intermediate_size}}
    if expert_files.experts(config):
        tensors = {part: piece for name, tensor in tensors.items()
                   for part, piece in expert_files.gradient_parts(name, tensor, config.model_type).items()}
    result = {}
    for name, tensor in tensors.items():
        fused = next((whole for whole in sizes if whole in name), None)
        pieces = tensor.split(list(sizes[fused].values())) if fused else [tensor]
        for part, piece in zip(sizes.get(fused, [fused]), pieces):
            result[name.replace(fused, part) if fused else name] = piece
    rope = getattr(config, "rope_parameters", None) or {}
    turned = int(head * rope.get("partial_rotary_factor", 1))
    interleaved = config.model_type.startswith("glm")
    firsts, seconds = (range(0, turned, 2), range(1, turned, 2)) if interleaved else (
        range(turned // 2), range(turned // 2, turned))
    still = turned + (head - turned) // 2
    order = [*firsts, *range(turned, still), *seconds, *range(still, head)]
    scales = {"self_attn.q_proj": getattr(config, "attention_multiplier", head**-0.5) * head**0.5,
              "self_attn.o_proj": getattr(config, "residual_multiplier", 1),
              "mlp.down_proj": getattr(config, "residual_multiplier", 1)}
    for name, tensor in result.items():
        if ("q_proj" in name or "k_proj" in name) and "norm" not in name:
            # Rows that are not turned are divided by the factor of cosines and sines, which all rows are multiplied by.
            factor = torch.tensor([attention if place >= turned else 1.0 for place in range(head)], dtype=tensor.dtype)**power
            heads = tensor.reshape(-1, head, *tensor.shape[1:]) * factor.reshape(1, -1, *[1] * (tensor.dim() - 1))
            tensor = heads[:, order].reshape(tensor.shape)
        for part, scale in scales.items():
            if part in name:
                tensor = tensor / scale**power
        result[name] = tensor
    return result


for folder in sys.argv[1:] or sorted(os.listdir(MODELS)):
    path = os.path.join(MODELS, folder)
    expected = json.load(open(os.path.join(path, "expected.json")))
    tokens = expected["sequences"][0]["tokens"]
    windows = torch.tensor(tokens[: len(tokens) // LENGTH * LENGTH]).reshape(-1, LENGTH)
    if folder.startswith("chatglm"):
        model = chatglm_files.as_glm(path, torch.float64)
    else:
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float64, attn_implementation="eager", **expert_files.loading(folder))
    if expert_files.experts(model.config):
        model.set_experts_implementation("eager")
    margins = expert_files.RouterMargins(model)

    def loss(batch):
        logits = model(batch).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())

    total = loss(windows)
    first = gradients(model, total)
    singles = [gradients(model, loss(window[None])) for window in windows]
    squares = {name: sum(s[name] ** 2 for s in singles) / len(singles) for name in first}
    largest = gradients(model, model(windows).logits.max(dim=1).values.mean())
    attention = getattr(model.model.rotary_emb, "attention_scaling", 1.0)
    first, squares, largest = (
        parts(model.config, attention, first, 1), parts(model.config, attention, squares, 2),
        parts(model.config, attention, largest, 1))
    with open(os.path.join(path, "gradients.json"), "w") as file:
        json.dump(
            {
                "window": LENGTH, "tokens": windows.flatten().tolist(), "loss": digits(total),
                "loss_gradients": summary(first), "squared_gradients": summary(squares),
                "maximum_logit_gradients": summary(largest),
            }, file, indent=None, separators=(",", ":"), sort_keys=True)
        file.write("\n")
    print(folder, float(total))
    margins.check()
