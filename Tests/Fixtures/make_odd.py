"""Writes `odd/`: odd but real forms of the models in `models/`, and what transformers makes of them.

    python make_odd.py

`models.json` lists changes of a fixture's config.json and tensors, and the mean loss that transformers then gives for the
first sequence of its `expected.json`. `rotary.json` lists rotary frequencies, `defaults.json` the values that the
configuration classes take for keys that are missing, `float8-*` are folders whose matrices are 8-bit floats with scales, `float8-values.json` the values of
all 256 bytes.
The Python packages are those of `Tests/checks/requirements.txt`.
"""

import json
import math
import shutil
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
MODELS, ODD = HERE / "models", HERE / "odd"
LAYERS = 3


def tensors_of(folder):
    result = {}
    for file in sorted(folder.glob("*.safetensors")):
        result.update({name: tensor.float() for name, tensor in load_file(file).items()})
    return result


def tokens_of(model):
    return json.loads((MODELS / model / "expected.json").read_text())["sequences"][0]["tokens"]


def mean_loss(folder, tokens):
    net = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.tensor([tokens])
    with torch.no_grad():
        logits = net(ids).logits[0].double()
    return torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()


# ---- odd forms of models

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
PAIRS = {"short_factor": [1.0, 1.25, 1.5, 2.0], "long_factor": [1.0, 2.5, 6.0, 9.0]}

# name, fixture, {config key: value}, [removed keys], [tensor operations]; the operations are
# ["rename", from, to] (parts of names), ["drop", part of a name], ["copy", from, to, factor], ["fill", name, shape, value].
CASES = [
    ("as it is", "llama3-gqa", {}, [], []),
    ("names without model.", "llama3-gqa", {"architectures": ["LlamaModel"]}, [], [["rename", "model.", ""]]),
    ("spelling of early files", "llama3-gqa", {"architectures": ["LLaMAForCausalLM"]}, [], []),
    ("tied, another head stored", "llama3-gqa", {}, [],
     [["copy", "model.embed_tokens.weight", "lm_head.weight", 1.5]]),
    ("tied, an equal head stored", "llama3-gqa", {}, [],
     [["copy", "model.embed_tokens.weight", "lm_head.weight", 1.0]]),
    ("tied, only the head stored", "llama3-gqa", {}, [], [["rename", "model.embed_tokens", "lm_head"]]),
    ("biases promised, none stored", "llama3-gqa", {"attention_bias": True, "mlp_bias": True}, [], []),
    ("biases of keys missing", "qwen2-bias", {}, [], [["drop", "k_proj.bias"]]),
    ("biases stored, none promised", "llama3-gqa", {}, [],
     [["fill", f"model.layers.{i}.self_attn.{p}_proj.bias", [n], 0.5] for i in range(LAYERS) for p, n in (("q", 32), ("v", 16))]),
    ("attention_bias of a Mistral", "mistral-gqa", {"attention_bias": True}, [], []),
    ("rotary buffers stored", "llama3-gqa", {}, [],
     [["fill", f"model.layers.{i}.self_attn.rotary_emb.inv_freq", [4], 3.0] for i in range(LAYERS)]),
    ("sliding window of a Mistral", "mistral-gqa", {"sliding_window": 8}, [], []),
    ("sliding window of a Mistral, switched off", "mistral-gqa", {"sliding_window": 8, "use_sliding_window": False}, [], []),
    ("full layers of a Mistral", "mistral-gqa", {"sliding_window": 8, "layer_types": ["full_attention"] * LAYERS}, [], []),
    ("sliding layers of a Mistral", "mistral-gqa", {"sliding_window": 8, "layer_types": ["sliding_attention"] * LAYERS}, [], []),
    ("sliding window of a Llama", "llama3-gqa", {"sliding_window": 8}, [], []),
    ("sliding window of a Qwen 2", "qwen2-bias",
     {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0}, ["layer_types"], []),
    ("sliding window of a Qwen 2 behind its layers", "qwen2-bias", {"sliding_window": 8, "use_sliding_window": True},
     ["layer_types", "max_window_layers"], []),
    ("layer types of a Qwen 2", "qwen2-bias",
     {"sliding_window": 8, "use_sliding_window": True, "layer_types": ["sliding_attention"] * LAYERS}, [], []),
    ("swish", "llama3-gqa", {"hidden_act": "swish"}, [], []),
    ("as many KV heads as heads by null", "llama-mha", {"num_key_value_heads": None}, [], []),
    ("no norm epsilon", "llama3-gqa", {}, ["rms_norm_eps"], []),
    ("no rope at all", "llama3-gqa", {}, ["rope_parameters"], []),
    ("theta at the top", "llama3-gqa", {"rope_theta": 50.0}, ["rope_parameters"], []),
    ("type and rope_type alike", "llama3-gqa",
     {"rope_parameters": {"rope_type": "linear", "type": "linear", "factor": 3.0}}, [], []),
    ("linear, both spellings alike", "llama3-gqa",
     {"rope_theta": 50.0, "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 50.0},
      "rope_scaling": {"type": "linear", "factor": 3.0}}, [], []),
    ("an empty rope_scaling", "llama3-gqa", {"rope_scaling": {}}, [], []),
    ("llama3, original context at the top", "llama3-gqa",
     {"original_max_position_embeddings": 16,
      "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 100.0}},
     [], []),
    ("llama3, original context nowhere", "llama3-gqa",
     {"max_position_embeddings": 64,
      "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 100.0}},
     [], []),
    ("yarn", "qwen2-bias", {"rope_scaling": {**YARN}}, ["rope_parameters"], []),
    ("yarn, old spelling", "mistral-gqa",
     {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}, ["rope_parameters"], []),
    ("yarn, original context at the top", "mistral-gqa",
     {"original_max_position_embeddings": 16, "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0}}, [], []),
    ("yarn, original context nowhere", "mistral-gqa",
     {"max_position_embeddings": 32, "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0}}, [], []),
    ("yarn, factor null", "mistral-gqa", {"rope_parameters": {**YARN, "factor": None, "rope_theta": 100.0}}, [], []),
    ("yarn, attention factor", "mistral-gqa", {"rope_parameters": {**YARN, "attention_factor": 1.4, "rope_theta": 100.0}}, [], []),
    ("yarn, mscale", "mistral-gqa",
     {"rope_parameters": {**YARN, "mscale": 0.7, "mscale_all_dim": 1.3, "rope_theta": 100.0}}, [], []),
    ("yarn, betas", "mistral-gqa", {"rope_parameters": {**YARN, "beta_fast": 4, "beta_slow": 0.5, "rope_theta": 100.0}}, [], []),
    ("yarn, not rounded", "mistral-gqa", {"rope_parameters": {**YARN, "truncate": False, "rope_theta": 100.0}}, [], []),
    ("dynamic, short", "llama3-gqa", {"rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 100.0}}, [], []),
    ("dynamic, long", "llama3-gqa",
     {"max_position_embeddings": 16, "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 100.0}}, [], []),
    ("longrope, short", "llama3-gqa",
     {"rope_parameters": {"rope_type": "longrope", **PAIRS, "original_max_position_embeddings": 64, "rope_theta": 100.0}}, [], []),
    ("longrope, long", "llama3-gqa",
     {"rope_parameters": {"rope_type": "longrope", **PAIRS, "original_max_position_embeddings": 16, "rope_theta": 100.0}}, [], []),
    ("longrope, factor", "llama3-gqa",
     {"rope_parameters": {"rope_type": "longrope", **PAIRS, "original_max_position_embeddings": 16, "factor": 2.0,
                          "rope_theta": 100.0}}, [], []),
    ("longrope, attention factor", "llama3-gqa",
     {"original_max_position_embeddings": 16,
      "rope_parameters": {"rope_type": "longrope", **PAIRS, "attention_factor": 1.3, "rope_theta": 100.0}}, [], []),
    ("a key that nothing reads", "llama3-gqa", {"attention_multiplier": 3.0, "logits_scaling": 8.0, "no_such_key": [1, {}]}, [], []),
    ("numbers of Python", "llama3-gqa", {"best_loss": math.nan, "limit": math.inf, "least": -math.inf}, [], []),
]


def changed(tensors, operations):
    for operation, first, *rest in operations:
        if operation == "rename":
            tensors = {name.replace(first, rest[0], 1): tensor for name, tensor in tensors.items()}
        elif operation == "drop":
            tensors = {name: tensor for name, tensor in tensors.items() if first not in name}
        elif operation == "copy":
            tensors[rest[0]] = tensors[first] * rest[1]
        elif operation == "fill":
            tensors[first] = torch.full(rest[0], rest[1])
    return tensors


# The same at positions far beyond the original context: the sequence so many times over.
LONG = {"yarn": 40, "yarn, mscale": 40, "dynamic, long": 40, "longrope, long": 40, "llama3, original context at the top": 40}


def odd_models():
    result = []
    for name, model, config, removed, operations in CASES:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            settings = json.loads((MODELS / model / "config.json").read_text())
            for key in removed:
                settings.pop(key, None)
            settings.update(config)
            (folder / "config.json").write_text(json.dumps(settings))
            tensors = changed(tensors_of(MODELS / model), operations)
            save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, folder / "model.safetensors",
                      metadata={"format": "pt"})
            loss = mean_loss(folder, tokens_of(model))
            result.append({"name": name, "model": model, "config": config, "remove": removed, "tensors": operations,
                           "mean_nll": loss})
            if name in LONG:
                result.append({**result[-1], "name": name + ", far out", "repeat": LONG[name],
                               "mean_nll": mean_loss(folder, tokens_of(model) * LONG[name])})
        print(f"{loss:.6f}  {name}")
    return result


# ---- rotary frequencies

ROTARY = [
    ("SmolLM2", dict(head_dim=64, max_position_embeddings=8192), {"rope_type": "default", "rope_theta": 100000.0}),
    ("Llama 3.1", dict(head_dim=128, max_position_embeddings=131072),
     {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192}),
    ("Qwen 2.5 with yarn", dict(head_dim=128, max_position_embeddings=32768),
     {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 4.0, "original_max_position_embeddings": 32768}),
    ("Ministral", dict(head_dim=128, max_position_embeddings=262144),
     {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 16.0, "original_max_position_embeddings": 16384,
      "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0}),
    ("yarn, ends not rounded", dict(head_dim=64, max_position_embeddings=131072),
     {"rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "original_max_position_embeddings": 4096, "truncate": False,
      "beta_fast": 32.0, "beta_slow": 1.0}),
    ("dynamic", dict(head_dim=64, max_position_embeddings=4096),
     {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 8.0}),
    ("longrope", dict(head_dim=96, max_position_embeddings=131072),
     {"rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 4096,
      "short_factor": [1 + i / 64 for i in range(48)], "long_factor": [1 + i * i / 36 for i in range(48)]}),
    ("linear", dict(head_dim=80, max_position_embeddings=16384),
     {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}),
]
LENGTHS = [64, 8192, 100000]


def rotary():
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    result = []
    for name, settings, parameters in ROTARY:
        lengths = []
        for length in LENGTHS:
            config = transformers.LlamaConfig(hidden_size=4 * settings["head_dim"], num_attention_heads=4,
                                              rope_parameters=dict(parameters), **settings)
            embedding = LlamaRotaryEmbedding(config)
            last = torch.tensor([[length - 1]])
            cosine, sine = embedding(torch.zeros(1, 1, 1), last)
            half = settings["head_dim"] // 2
            lengths.append({"length": length, "frequencies": embedding.inv_freq.double().tolist(),
                            "attention_factor": float(embedding.attention_scaling),
                            "cosines": cosine[0, 0, :half].double().tolist(), "sines": sine[0, 0, :half].double().tolist()})
        result.append({"name": name, **settings, "rope_parameters": parameters, "lengths": lengths})
    return result


# ---- defaults

KEYS = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "bos_token_id", "eos_token_id", "sliding_window", "head_dim"]


def defaults():
    result = {}
    for family in ("Llama", "Mistral", "Qwen2", "Qwen3", "Gemma2", "Gemma3Text", "Phi3", "Granite", "Ministral", "SmolLM3",
                   "Olmo2", "Glm", "Glm4", "Qwen3Moe", "Olmoe", "Mixtral", "GptOss"):
        config = getattr(transformers, family + "Config")()
        result[config.model_type] = {key: getattr(config, key, None) for key in KEYS}
        if hasattr(config, "num_experts_per_tok"):
            names = ("num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob")
            result[config.model_type].update({key: getattr(config, key) for key in names if hasattr(config, key)})
            result[config.model_type]["num_local_experts"] = getattr(config, "num_local_experts", None) or config.num_experts
        rope = config.rope_parameters.get("full_attention", config.rope_parameters)
        result[config.model_type]["rope_theta"] = rope["rope_theta"]
    return result


# ---- 8-bit floats

def float8(name, kind, scale_name, dtype, settings, scales):
    """A folder whose projections are 8-bit floats; the loss is that of the weights that they mean."""
    source, folder = MODELS / "llama3-gqa", ODD / name
    folder.mkdir(exist_ok=True)
    config = json.loads((source / "config.json").read_text())
    stored, meant = {}, {}
    for key, weight in tensors_of(source).items():
        if key.endswith("_proj.weight"):
            step = scales(weight)
            full = step if step.numel() == 1 else step.repeat_interleave(
                -(-weight.shape[0] // step.shape[0]), 0)[: weight.shape[0]].repeat_interleave(
                -(-weight.shape[1] // step.shape[1]), 1)[:, : weight.shape[1]]
            stored[key] = (weight / full).to(dtype)
            stored[key.removesuffix("weight") + scale_name] = step
            meant[key] = stored[key].float() * full.float()
        else:
            stored[key], meant[key] = weight.bfloat16(), weight
    if kind == "static":
        stored["model.layers.0.mlp.up_proj.input_scale"] = torch.tensor(0.5)
    save_file({key: tensor.contiguous() for key, tensor in stored.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": settings}, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        (place / "config.json").write_text(json.dumps(config))
        save_file({key: tensor.contiguous() for key, tensor in meant.items()}, place / "model.safetensors", metadata={"format": "pt"})
        loss = mean_loss(place, tokens_of("llama3-gqa"))
    print(f"{loss:.6f}  {name}")
    return {"folder": name, "model": "llama3-gqa", "mean_nll": loss}


def blocks(weight, size):
    rows, columns = (-(-n // size) for n in weight.shape)
    return torch.stack([torch.stack([weight[r * size:(r + 1) * size, c * size:(c + 1) * size].abs().amax() / 448
                                     for c in range(columns)]) for r in range(rows)])


def float8_folders():
    compressed = {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": {
        "targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}}}}
    return [
        float8("float8-block", "block", "weight_scale_inv", torch.float8_e4m3fn,
               {"quant_method": "fp8", "weight_block_size": [16, 16], "activation_scheme": "dynamic", "fmt": "e4m3"},
               lambda weight: blocks(weight, 16)),
        float8("float8-row", "row", "weight_scale", torch.float8_e4m3fn, compressed,
               lambda weight: (weight.abs().amax(1, keepdim=True) / 448).bfloat16().float()),
        float8("float8-tensor", "static", "weight_scale", torch.float8_e5m2, {"quant_method": "modelopt", "quant_algo": "FP8"},
               lambda weight: weight.abs().amax() / 57344),
    ]


def float8_values():
    """What torch makes of all 256 bytes; null for NaN, and the infinities in words."""
    def number(value):
        return None if math.isnan(value) else str(value) if math.isinf(value) else value

    every = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    return {name: [number(value) for value in every.view(dtype).float().tolist()] for name, dtype in
            (("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2), ("F8_E8M0", torch.float8_e8m0fnu))}


def write(name, value):
    (ODD / name).write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    ODD.mkdir(exist_ok=True)
    write("models.json", odd_models())
    write("rotary.json", rotary())
    write("defaults.json", defaults())
    write("float8.json", float8_folders())
    write("float8-values.json", float8_values())
