#!/usr/bin/env python3
"""Proves the export recipes of Sources/Exports/README.md without any Swift.

Each fixture is pruned twice, with one width for all layers and with widths of its own in every layer: the removed
key/value groups (in some layers also some query heads of every surviving group) and MLP channels are cut out of the
weights. The truth is the stock model with the same units silenced, that is, with the matching columns of o_proj and
down_proj set to zero; both run in float64, so that rounding hides nothing. Then the cut weights are written by the
recipe, opened by stock transformers and by stock llama.cpp, and must give the same logits. All this is done once more
with biases on o_proj and down_proj, which the truth gets as well.

    python check_recipes.py [--keep DIR] [--skip-llama-cpp]
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import save_file

CHECKS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(CHECKS))
FIXTURES = os.path.join(ROOT, "Tests", "Fixtures")
RESOURCES = os.path.join(ROOT, "Sources", "LanguageModels", "Description", "Families", "Modules")
sys.path[:0] = [CHECKS, FIXTURES]

TRANSFORMERS_TOLERANCE = 1e-5
LLAMA_CPP_TOLERANCE = 1e-3


def rope_settings(config):
    """(theta, scaling dictionary or None), from either spelling of config.json."""
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = scaling.get("rope_theta", config.get("rope_theta", 10000.0))
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    scaling = {key: value for key, value in scaling.items() if key not in ("rope_theta", "type")}
    return float(theta), dict(scaling, rope_type=kind)


def is_stock_llama(config, widths):
    """Whether LlamaForCausalLM takes the widths, and with them biases on all projections."""
    return all(entry == widths[0] for entry in widths) and config["hidden_size"] % widths[0]["num_attention_heads"] == 0


def exported_config(config, widths, qkv_bias, output_biases):
    """config.json as Sources/Exports/README.md specifies it; `widths` is one dictionary a layer."""
    theta, scaling = rope_settings(config)
    uniform = all(entry == widths[0] for entry in widths)
    parent_heads = config["num_attention_heads"]
    result = {
        "vocab_size": config["vocab_size"],
        "hidden_size": config["hidden_size"],
        "num_hidden_layers": config["num_hidden_layers"],
        "head_dim": config.get("head_dim") or config["hidden_size"] // parent_heads,
        "hidden_act": "silu",
        "max_position_embeddings": config["max_position_embeddings"],
        "rms_norm_eps": config["rms_norm_eps"],
        "rope_theta": theta,
        "rope_parameters": dict(scaling, rope_theta=theta),
        "sliding_window": None,
        "tie_word_embeddings": config["tie_word_embeddings"],
        "bos_token_id": config.get("bos_token_id"),
        "eos_token_id": config.get("eos_token_id"),
        "dtype": "float32",
        "torch_dtype": "float32",
    }
    if scaling["rope_type"] != "default":
        result["rope_scaling"] = scaling
    if output_biases and is_stock_llama(config, widths):
        result |= {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": True, "mlp_bias": True}
        result |= widths[0]
        del result["sliding_window"]
    elif uniform and not output_biases:
        family = "qwen2" if qkv_bias else "mistral"
        result |= {"architectures": ["Qwen2ForCausalLM" if qkv_bias else "MistralForCausalLM"], "model_type": family}
        result |= widths[0]
        if qkv_bias:
            result["use_sliding_window"] = False
    else:
        result |= {
            "architectures": ["NASMistralForCausalLM"],
            "model_type": "mistral",
            "auto_map": {
                "AutoModel": "modeling_nas_mistral.NASMistralModel",
                "AutoModelForCausalLM": "modeling_nas_mistral.NASMistralForCausalLM",
            },
            "num_attention_heads": parent_heads,
            "num_key_value_heads": config.get("num_key_value_heads") or parent_heads,
            "intermediate_size": config["intermediate_size"],
            "per_layer_config": {str(i): entry for i, entry in enumerate(widths)},
        }
        if qkv_bias:
            result["qkv_bias"] = True
        if output_biases:
            result |= {"output_bias": True, "mlp_bias": True}
    return result


def choose(config, generator, uniform):
    """Which query heads, key/value heads and channels survive, for every layer."""
    heads = config["num_attention_heads"]
    groups = config.get("num_key_value_heads") or heads
    ratio = heads // groups
    plans = []
    for layer in range(config["num_hidden_layers"]):
        kept = groups - 1 if uniform else [groups, max(1, groups - 1), 1][layer % 3]
        thinned = 0 if uniform or layer % 3 != 1 or ratio == 1 else 1
        channels = config["intermediate_size"] * 3 // 4 if uniform else [33, 24, config["intermediate_size"]][layer % 3]
        group_ids = np.sort(generator.permutation(groups)[:kept])
        head_ids = [g * ratio + h for g in group_ids for h in np.sort(generator.permutation(ratio)[:ratio - thinned])]
        plans.append((np.array(head_ids), group_ids, np.sort(generator.permutation(config["intermediate_size"])[:channels])))
    return plans


def prune(config, tensors, plans):
    """(cut weights, weights with the same units silenced)"""
    dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    cut, silenced = dict(tensors), dict(tensors)
    for layer, (heads, groups, channels) in enumerate(plans):
        q = torch.tensor((heads[:, None] * dim + np.arange(dim)).ravel())
        kv = torch.tensor((groups[:, None] * dim + np.arange(dim)).ravel())
        mlp = torch.tensor(channels)
        block = f"model.layers.{layer}."
        for name, rows in (("q_proj", q), ("k_proj", kv), ("v_proj", kv)):
            for kind in ("weight", "bias"):
                key = f"{block}self_attn.{name}.{kind}"
                if key in tensors:
                    cut[key] = tensors[key][rows].contiguous()
        for name in ("gate_proj", "up_proj"):
            cut[f"{block}mlp.{name}.weight"] = tensors[f"{block}mlp.{name}.weight"][mlp].contiguous()
        for key, columns in ((f"{block}self_attn.o_proj.weight", q), (f"{block}mlp.down_proj.weight", mlp)):
            cut[key] = tensors[key][:, columns].contiguous()
            mask = torch.zeros(tensors[key].shape[1])
            mask[columns] = 1
            silenced[key] = tensors[key] * mask
    return cut, silenced


def output_biases_of(config, widths, qkv_bias, generator):
    """Tensors that add biases to o_proj and down_proj, with zeros for those that then have to be there as well."""
    dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    biases = {}
    for layer, entry in enumerate(widths):
        block = f"model.layers.{layer}."
        zeros = {"mlp.gate_proj": entry["intermediate_size"], "mlp.up_proj": entry["intermediate_size"]}
        if is_stock_llama(config, widths) and not qkv_bias:
            keys = entry["num_key_value_heads"] * dim
            zeros |= {"self_attn.q_proj": entry["num_attention_heads"] * dim, "self_attn.k_proj": keys,
                      "self_attn.v_proj": keys}
        biases |= {f"{block}{name}.bias": torch.zeros(count) for name, count in zeros.items()}
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            biases[f"{block}{name}.bias"] = torch.tensor(generator.normal(0, 0.1, config["hidden_size"])).float()
    return biases


def add_output_biases(model, biases):
    """Gives a stock model, of a class without them, the biases that are not zero."""
    for name, bias in biases.items():
        if name.endswith(("o_proj.bias", "down_proj.bias")):
            model.get_submodule(name.removesuffix(".bias")).bias = torch.nn.Parameter(bias.double())


def write_folder(folder, config, tensors):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    if "auto_map" in config:
        shutil.copy(os.path.join(RESOURCES, "modeling_nas_mistral.py"), folder)


@torch.no_grad()
def check_transformers(folder, tokens, truth, scratch, report):
    from transformers import AutoModelForCausalLM

    trust = os.path.exists(os.path.join(folder, "modeling_nas_mistral.py"))

    def load(path, **more):
        return AutoModelForCausalLM.from_pretrained(
            path, trust_remote_code=trust, torch_dtype=torch.float64, **more).eval()

    model = load(folder)
    report("transformers", float((model(tokens).logits - truth).abs().max()), TRANSFORMERS_TOLERANCE)
    eager = load(folder, attn_implementation="eager")
    report("  eager attention", float((eager(tokens).logits - truth).abs().max()), TRANSFORMERS_TOLERANCE)

    def generate(cached):
        return model.generate(
            tokens[:, :7], attention_mask=torch.ones_like(tokens[:, :7]), max_new_tokens=16, min_new_tokens=16,
            do_sample=False, use_cache=cached, pad_token_id=0)

    report("  tokens that differ with a cache", float((generate(True) != generate(False)).sum()), 0)
    again = os.path.join(scratch, "again")
    model.save_pretrained(again)
    report("  saved and loaded again", float((load(again)(tokens).logits - truth).abs().max()), TRANSFORMERS_TOLERANCE)
    shutil.rmtree(again)


def check_llama_cpp(path, config, tensors, architecture, tokens, truth, report):
    import gguf_files
    from stock_llama_cpp import LlamaCpp

    gguf_files.write(path, config, tensors, architecture)
    with LlamaCpp(path, context_length=64) as model:
        logits = model.logits(tokens[0].tolist())
    report(f"llama.cpp, {architecture}", float(np.abs(logits - truth[0].numpy()).max()), LLAMA_CPP_TOLERANCE)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", metavar="DIR", help="leave the exports here")
    parser.add_argument("--skip-llama-cpp", action="store_true", help="check transformers only")
    arguments = parser.parse_args()

    import transformers
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    print(f"transformers {transformers.__version__}")
    failures = []

    with tempfile.TemporaryDirectory() as temporary:
        scratch = arguments.keep or temporary
        for name in ("llama-mha", "llama-linear", "llama3-gqa", "mistral-gqa", "qwen2-bias"):
            folder = os.path.join(FIXTURES, "models", name)
            spelling = "config-rope_scaling.json" if transformers.__version__ < "5" else "config.json"
            if not os.path.exists(os.path.join(folder, spelling)):
                spelling = "config.json"
            with open(os.path.join(folder, spelling), encoding="utf-8") as file:
                config = json.load(file)
            tensors = {}
            for file in sorted(os.listdir(folder)):
                if file.endswith(".safetensors"):
                    tensors |= {key: value.float() for key, value in load_file(os.path.join(folder, file)).items()}
            qkv_bias = any(key.endswith("q_proj.bias") for key in tensors)
            generator = np.random.default_rng(1)
            tokens = torch.tensor(generator.integers(3, config["vocab_size"], (1, 48)))
            for uniform, biased in ((True, False), (False, False), (True, True), (False, True)):
                kind = f"{'uniform' if uniform else 'heterogeneous'}{'-biased' if biased else ''}"
                label = f"{name}, {kind}"
                plans = choose(config, generator, uniform)
                cut, silenced = prune(config, tensors, plans)
                stock = os.path.join(temporary, "stock")
                os.makedirs(stock, exist_ok=True)
                shutil.copy(os.path.join(folder, spelling), os.path.join(stock, "config.json"))
                save_file(silenced, os.path.join(stock, "model.safetensors"), metadata={"format": "pt"})
                model = AutoModelForCausalLM.from_pretrained(
                    stock, attn_implementation="eager", torch_dtype=torch.float64).eval()
                widths = [{"num_attention_heads": len(h), "num_key_value_heads": len(g), "intermediate_size": len(m)}
                          for h, g, m in plans]
                if biased:
                    biases = output_biases_of(config, widths, qkv_bias, generator)
                    add_output_biases(model, biases)
                    cut |= biases
                truth = model(tokens).logits
                exported = exported_config(config, widths, qkv_bias, biased)
                target = os.path.join(scratch, f"{name}-{kind}")
                write_folder(target, exported, cut)

                def report(what, difference, tolerance):
                    good = difference <= tolerance
                    print(f"{'ok ' if good else 'BAD'} {label}: {what}: {difference:.2g}")
                    if not good:
                        failures.append(label)

                check_transformers(target, tokens, truth, temporary, report)
                if not arguments.skip_llama_cpp:
                    architectures = ["deci"] if not uniform else ["llama", "deci"]
                    for architecture in architectures:
                        check_llama_cpp(f"{target}-{architecture}.gguf", exported, cut, architecture, tokens, truth, report)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
