"""Writes a Hugging Face folder of these fixtures as GGUF, by the conventions of llama.cpp.

* Tensors are named `blk.i.attn_q.weight` and so on; norms, biases and the routers of experts are F32.
* The architecture `llama` (and `deci`) rotates neighbouring pairs, so the rows of every query and key head go from the
  half-split order of Hugging Face to the interleaved one: row `2j` is old row `j`, row `2j+1` is old row `j + D/2`.
  The other architectures rotate half-split pairs, as Hugging Face does, and keep the order.
* The gains of Gemma's norms are stored with the 1 that safetensors leave out.
* The experts of a layer are one tensor each for gate, up and down. Of kind MXFP4 only these are, the others F32.
* Rope scaling of kind `llama3` is a tensor `rope_freqs.weight` of D/2 divisors; `linear` and `yarn` are keys; `longrope` is
  keys and two tensors of divisors. Kind `dynamic` is not written: within the context it changes nothing.
"""

import json
import math
import os

import gguf
import numpy as np
import torch
from safetensors.torch import load_file

import expert_files

TENSOR_NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.o_proj.bias": "attn_output.bias",
    "mlp.gate_proj.bias": "ffn_gate.bias",
    "mlp.up_proj.bias": "ffn_up.bias",
    "mlp.down_proj.bias": "ffn_down.bias",
    "self_attn.qkv_proj.weight": "attn_qkv.weight",
    "self_attn.qkv_proj.bias": "attn_qkv.bias",
    "mlp.gate_up_proj.weight": "ffn_up.weight",
    "mlp.gate.weight": "ffn_gate_inp.weight",
    "block_sparse_moe.gate.weight": "ffn_gate_inp.weight",
    "mlp.router.weight": "ffn_gate_inp.weight",
    "mlp.router.bias": "ffn_gate_inp.bias",
    "self_attn.sinks": "attn_sinks.weight",
} | {name: name for part in ("gate", "up", "down") for kind in ("weight", "bias") for name in [f"ffn_{part}_exps.{kind}"]}


# What norms are called where `post_attention_layernorm` stands behind the attention, and where it does not.
POST_NORMS = {
    "post_attention_layernorm.weight": "post_attention_norm.weight",
    "pre_feedforward_layernorm.weight": "ffn_norm.weight",
    "post_feedforward_layernorm.weight": "post_ffw_norm.weight",
}
GLM_NORMS = {
    "post_self_attn_layernorm.weight": "post_attention_norm.weight",
    "post_mlp_layernorm.weight": "post_ffw_norm.weight",
}
HALF_SPLIT = ("qwen2", "qwen3", "gemma2", "gemma3", "olmo2", "phi3", "qwen3moe", "olmoe", "gpt-oss")


def tensor_names(architecture):
    """What the tensors of a layer are called, by their names in safetensors."""
    return TENSOR_NAMES | (POST_NORMS if architecture in ("gemma2", "gemma3", "olmo2", "gpt-oss") else GLM_NORMS)


def keeps_rows(architecture):
    """Whether the rows of query and key have the order of safetensors. GLM's are interleaved there, too."""
    return architecture in HALF_SPLIT or architecture in ("glm4", "chatglm")


def gain_offset(architecture):
    """What the gains of norms are larger by than in safetensors."""
    return 1 if architecture.startswith("gemma") else 0


def load_folder(folder):
    """config.json as a dictionary and all tensors as float32 torch tensors."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            tensors.update(load_file(os.path.join(folder, name)))
    return config, {name: tensor.float() for name, tensor in tensors.items()}


def rope_settings(config):
    """(theta, scaling dictionary or None), from either spelling of config.json."""
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    scaling = scaling.get("full_attention", scaling)
    theta = scaling.get("rope_theta", config.get("rope_theta", 10000.0))
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    return theta, (dict(scaling, rope_type=kind) if kind != "default" else None)


def llama3_divisors(theta, head_dim, scaling):
    """What each rotation frequency is divided by (transformers: `_compute_llama3_parameters`)."""
    length = scaling["original_max_position_embeddings"]
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    divisors = []
    for j in range(0, head_dim, 2):
        wavelength = 2 * math.pi * theta ** (j / head_dim)
        if wavelength < length / high:
            divisors.append(1.0)
        elif wavelength > length / low:
            divisors.append(factor)
        else:
            smooth = (length / wavelength - low) / (high - low)
            divisors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(divisors, np.float32)


def longrope_attention(factor, original):
    """What queries and keys are multiplied by, each (transformers: `_compute_longrope_parameters`)."""
    return math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0


def interleave(rows, heads):
    """Half-split to interleaved order inside each of `heads` heads, on the first axis."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def _scalar_if_constant(values):
    return values[0] if len(set(values)) == 1 else values


def write(path, config, tensors, architecture, kind=gguf.GGMLQuantizationType.F32, tokenizer_folder=None):
    """One GGUF. `config["per_layer_config"]`, where present, gives heads and widths by layer (only for `deci`)."""
    layers, hidden = config["num_hidden_layers"], config["hidden_size"]
    heads_all = config["num_attention_heads"]
    head_dim = config.get("head_dim") or hidden // heads_all
    per_layer = config.get("per_layer_config") or {}

    def widths(key, default):
        return [per_layer.get(str(i), {}).get(key, config.get(key, default)) for i in range(layers)]

    heads = widths("num_attention_heads", heads_all)
    groups = widths("num_key_value_heads", heads_all)
    mlp = widths("intermediate_size", None)
    theta, scaling = rope_settings(config)

    writer = gguf.GGUFWriter(path, architecture)
    # llama.cpp expects some tokens of a model whose name holds "phi3".
    writer.add_name(os.path.basename(path).removesuffix(".gguf").replace("phi3", "tiny"))
    kinds = gguf.GGMLQuantizationType
    writer.add_file_type({
        kinds.F32: gguf.LlamaFileType.ALL_F32, kinds.F16: gguf.LlamaFileType.MOSTLY_F16,
        kinds.MXFP4: gguf.LlamaFileType.MOSTLY_MXFP4_MOE,
    }[kind])
    writer.add_block_count(layers)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(_scalar_if_constant(mlp))
    writer.add_head_count(_scalar_if_constant(heads))
    writer.add_head_count_kv(_scalar_if_constant(groups))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(theta)
    if architecture.startswith("gemma"):
        writer.add_sliding_window(config["sliding_window"])
        if architecture == "gemma3":
            sliding = (config.get("rope_parameters") or {}).get("sliding_attention") or {}
            writer.add_rope_freq_base_swa(sliding.get("rope_theta") or config["rope_local_base_freq"])
        for key, cap in (("attn", "attn_logit_softcapping"), ("final", "final_logit_softcapping")):
            if config.get(cap):
                writer.add_float32(f"{architecture}.{key}_logit_softcapping", config[cap])
    if expert_files.experts(config):
        writer.add_expert_count(expert_files.experts(config))
        writer.add_expert_used_count(config["num_experts_per_tok"])
        if architecture in ("qwen3moe", "gpt-oss"):
            writer.add_expert_feed_forward_length(config.get("moe_intermediate_size") or config["intermediate_size"])
        if architecture == "gpt-oss":
            writer.add_sliding_window(config["sliding_window"])
    if architecture == "granite":
        writer.add_embedding_scale(config["embedding_multiplier"])
        writer.add_residual_scale(config["residual_multiplier"])
        writer.add_attention_scale(config["attention_multiplier"])
        writer.add_logit_scale(config["logits_scaling"])
    if architecture != "qwen2":
        inside = (config.get("rope_parameters") or {}).get("partial_rotary_factor", 1)
        writer.add_rope_dimension_count(int(head_dim * config.get("partial_rotary_factor", inside)))
    if architecture != "qwen2" or head_dim * heads_all != hidden:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    writer.add_vocab_size(config["vocab_size"])
    if scaling and scaling["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    elif scaling and scaling["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
    elif scaling and scaling["rope_type"] == "longrope":
        original = scaling["original_max_position_embeddings"]
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(longrope_attention(config["max_position_embeddings"] / original, original))
    if tokenizer_folder:
        _add_tokenizer(writer, tokenizer_folder, config)
    else:
        writer.add_tokenizer_model("no_vocab")

    def add(name, tensor, wide):
        array = np.ascontiguousarray(tensor.numpy() if isinstance(tensor, torch.Tensor) else tensor, np.float32)
        if not wide and kind == gguf.GGMLQuantizationType.F16:
            array = array.astype(np.float16)
        if kind == gguf.GGMLQuantizationType.MXFP4 and name.endswith("_exps.weight"):
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)

    if scaling and scaling["rope_type"] == "llama3":
        add("rope_freqs.weight", llama3_divisors(theta, head_dim, scaling), wide=True)
    if scaling and scaling["rope_type"] == "longrope":
        for length in ("long", "short"):
            add(f"rope_factors_{length}.weight", np.array(scaling[f"{length}_factor"], np.float32), wide=True)
    add("token_embd.weight", tensors["model.embed_tokens.weight"], wide=False)
    tensors = expert_files.stacked(tensors)
    names, offset = tensor_names(architecture), gain_offset(architecture)
    for i in range(layers):
        for source, target in names.items():
            tensor = tensors.get(f"model.layers.{i}.{source}")
            if tensor is None:
                continue
            tensor = tensor.numpy() + (offset if "norm" in source else 0)
            if not keeps_rows(architecture):
                if ".q_proj." in source:
                    tensor = interleave(tensor, heads[i])
                elif ".k_proj." in source:
                    tensor = interleave(tensor, groups[i])
            wide = tensor.ndim == 1 or target.endswith(".bias") or target.startswith("ffn_gate_inp.")
            add(f"blk.{i}.{target}", tensor, wide)
    add("output_norm.weight", tensors["model.norm.weight"] + offset, wide=True)
    if "lm_head.weight" in tensors:
        add("output.weight", tensors["lm_head.weight"], wide=False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer, folder, config):
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        data = json.load(file)
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        settings = json.load(file)
    model = data["model"]
    special = {entry["id"]: entry["content"] for entry in data["added_tokens"]}
    names = {identifier: token for token, identifier in model["vocab"].items()} | special
    tokens = [names[i] for i in range(len(names))]
    sentencepiece = model.get("byte_fallback", False)

    def token_type(i, token):
        if token == model.get("unk_token"):
            return gguf.TokenType.UNKNOWN
        if i in special:
            return gguf.TokenType.CONTROL
        if sentencepiece and len(token) == 6 and token.startswith("<0x"):
            return gguf.TokenType.BYTE
        return gguf.TokenType.NORMAL

    types = [token_type(i, token) for i, token in enumerate(tokens)]
    if sentencepiece:
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(tokens)
        rank = {a + b: -float(i) for i, (a, b) in reversed(list(enumerate(model["merges"])))}
        lowest = -float(len(model["merges"]))
        writer.add_token_scores([
            0.0 if kind != gguf.TokenType.NORMAL else rank.get(token, lowest - i)
            for i, (token, kind) in enumerate(zip(tokens, types))])
        writer.add_token_types(types)
        writer.add_add_space_prefix(True)
        writer.add_unk_token_id(0)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2" if data["normalizer"] else "llama-bpe")
        writer.add_token_list(tokens)
        writer.add_token_types(types)
        writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    eos = config["eos_token_id"]
    if config.get("bos_token_id") is not None:
        writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(eos[0] if isinstance(eos, list) else eos)
    writer.add_add_bos_token(settings["add_bos_token"])
    writer.add_add_eos_token(False)
