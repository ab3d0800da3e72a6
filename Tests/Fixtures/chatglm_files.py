"""ChatGLM 2 and 3 as their folders have them: keys, tensors, and what they compute, written out in plain torch.

`Model` is made from the published description: RMS norms, query, key and value in one projection with biases, attention of
groups, the first half of each head turned, neighbour with neighbour, and an MLP of silu(gate) · up whose gate and up are one
projection. transformers has no class for these folders. It has one for the same network, `GlmForCausalLM`: `as_glm` maps the
weights there, and the fixture's logits must be equal.
"""

import json
import os
import types

import torch
import transformers
from safetensors.torch import load_file

LAYERS = "transformer.encoder.layers."
OUTER = {
    "transformer.embedding.word_embeddings.weight": "model.embed_tokens.weight",
    "transformer.encoder.final_layernorm.weight": "model.norm.weight",
    "transformer.output_layer.weight": "lm_head.weight",
}
# The tensors of a layer by their names in GlmForCausalLM; query, key and value are three there.
PARTS = {
    "input_layernorm": "input_layernorm", "self_attention.query_key_value": "self_attn.qkv_proj",
    "self_attention.dense": "self_attn.o_proj", "post_attention_layernorm": "post_attention_layernorm",
    "mlp.dense_h_to_4h": "mlp.gate_up_proj", "mlp.dense_4h_to_h": "mlp.down_proj",
}


def config_of(glm, rope_ratio):
    """The keys of a folder whose network is that of a `GlmConfig`; with those that say nothing, as real ones have them."""
    return {
        "_name_or_path": "tiny", "model_type": "chatglm", "architectures": ["ChatGLMModel"],
        "auto_map": {"AutoConfig": "configuration_chatglm.ChatGLMConfig",
                     "AutoModelForCausalLM": "modeling_chatglm.ChatGLMForConditionalGeneration"},
        "add_bias_linear": False, "add_qkv_bias": glm.attention_bias, "apply_query_key_layer_scaling": True,
        "apply_residual_connection_post_layernorm": False, "attention_dropout": 0.0,
        "attention_softmax_in_fp32": True, "bias_dropout_fusion": True, "ffn_hidden_size": glm.intermediate_size,
        "fp32_residual_connection": False, "hidden_dropout": 0.0, "hidden_size": glm.hidden_size,
        "kv_channels": glm.head_dim, "layernorm_epsilon": glm.rms_norm_eps, "multi_query_attention": True,
        "multi_query_group_num": glm.num_key_value_heads, "num_attention_heads": glm.num_attention_heads,
        "num_layers": glm.num_hidden_layers, "original_rope": True, "padded_vocab_size": glm.vocab_size,
        "post_layer_norm": True, "quantization_bit": 0, "pre_seq_len": None, "rmsnorm": True, "rope_ratio": rope_ratio,
        "seq_length": glm.max_position_embeddings, "use_cache": True, "tie_word_embeddings": False,
        "eos_token_id": glm.eos_token_id, "pad_token_id": glm.pad_token_id, "torch_dtype": "float32",
    }


def tensors_of(state):
    """The weights of a GlmForCausalLM under the names of a ChatGLM folder."""
    result = {name: state[glm] for name, glm in OUTER.items()}
    for layer in range(1 + max(int(name.split(".")[2]) for name in state if name.startswith("model.layers."))):
        source = f"model.layers.{layer}."
        for kind in ("weight", "bias"):
            names = [f"{source}self_attn.{part}_proj.{kind}" for part in "qkv"]
            if names[0] in state:
                joined = torch.cat([state[name] for name in names])
                result[f"{LAYERS}{layer}.self_attention.query_key_value.{kind}"] = joined
        for name, glm in PARTS.items():
            if source + glm + ".weight" in state:
                result[f"{LAYERS}{layer}.{name}.weight"] = state[source + glm + ".weight"]
    return result


def read(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        return json.load(file), load_file(os.path.join(folder, "model.safetensors"))


class Model:
    """The network of a folder, with as much of the interface of transformers' models as the fixtures use."""

    def __init__(self, folder):
        self.keys, tensors = read(folder)
        self.tensors = {name: tensor.float() for name, tensor in tensors.items()}
        self.config = types.SimpleNamespace(vocab_size=self.keys["padded_vocab_size"])

    def num_parameters(self):
        return sum(tensor.numel() for tensor in self.tensors.values())

    def __call__(self, tokens, use_cache=False):
        stream = self.tensors["transformer.embedding.word_embeddings.weight"][tokens]
        for layer in range(self.keys["num_layers"]):
            stream = stream + self.attention(layer, self.norm(f"{LAYERS}{layer}.input_layernorm", stream))
            stream = stream + self.mlp(layer, self.norm(f"{LAYERS}{layer}.post_attention_layernorm", stream))
        final = self.norm("transformer.encoder.final_layernorm", stream)
        return types.SimpleNamespace(logits=final @ self.tensors["transformer.output_layer.weight"].T)

    def norm(self, name, x):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.keys["layernorm_epsilon"])
        return self.tensors[name + ".weight"] * (x * scale)

    def linear(self, name, x):
        bias = self.tensors.get(name + ".bias")
        return torch.nn.functional.linear(x, self.tensors[name + ".weight"], bias)

    def attention(self, layer, x):
        keys = self.keys
        heads, groups, width = keys["num_attention_heads"], keys["multi_query_group_num"], keys["kv_channels"]
        joined = self.linear(f"{LAYERS}{layer}.self_attention.query_key_value", x)
        query, key, value = joined.split([heads * width, groups * width, groups * width], -1)
        query, key, value = (part.unflatten(-1, (-1, width)).transpose(1, 2) for part in (query, key, value))
        query, key = self.turn(query), self.turn(key)
        key, value = (part.repeat_interleave(heads // groups, 1) for part in (key, value))
        scores = query @ key.transpose(2, 3) / width**0.5
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        context = scores.masked_fill(ahead, float("-inf")).softmax(-1) @ value
        return self.linear(f"{LAYERS}{layer}.self_attention.dense", context.transpose(1, 2).flatten(2))

    def turn(self, x):
        """Turns pairs 2i, 2i + 1 of the first half of each head; the base grows with the rope ratio."""
        turned = self.keys["kv_channels"] // 2
        base = 10000 * self.keys["rope_ratio"]
        frequencies = 1 / base ** (torch.arange(0, turned, 2).float() / turned)
        angles = torch.outer(torch.arange(x.shape[2]).float(), frequencies)
        pairs = x[..., :turned].unflatten(-1, (-1, 2))
        first, second = pairs[..., 0], pairs[..., 1]
        cosine, sine = angles.cos(), angles.sin()
        after = torch.stack([first * cosine - second * sine, second * cosine + first * sine], -1).flatten(-2)
        return torch.cat([after, x[..., turned:]], -1)

    def mlp(self, layer, x):
        gate, up = self.linear(f"{LAYERS}{layer}.mlp.dense_h_to_4h", x).chunk(2, -1)
        return self.linear(f"{LAYERS}{layer}.mlp.dense_4h_to_h", torch.nn.functional.silu(gate) * up)


def glm_keys(keys):
    """The keys of a folder by the names of GlmConfig."""
    return {
        "architectures": ["GlmForCausalLM"], "model_type": "glm", "hidden_size": keys["hidden_size"],
        "num_hidden_layers": keys["num_layers"], "num_attention_heads": keys["num_attention_heads"],
        "num_key_value_heads": keys["multi_query_group_num"], "head_dim": keys["kv_channels"],
        "intermediate_size": keys["ffn_hidden_size"], "vocab_size": keys["padded_vocab_size"],
        "max_position_embeddings": keys["seq_length"], "rms_norm_eps": keys["layernorm_epsilon"],
        "attention_bias": keys["add_qkv_bias"], "partial_rotary_factor": 0.5, "hidden_act": "silu",
        "rope_theta": 10000.0 * keys["rope_ratio"], "tie_word_embeddings": False, "bos_token_id": None,
        "eos_token_id": keys["eos_token_id"], "pad_token_id": keys["pad_token_id"],
    }


def joined(tensors):
    """The tensors of a folder by the names of GlmForCausalLM, query, key and value in one."""
    result = {glm: tensors[name] for name, glm in OUTER.items()}
    for name, tensor in tensors.items():
        if name.startswith(LAYERS):
            layer, part, kind = name[len(LAYERS):].split(".", 1)[0], *name[len(LAYERS):].split(".", 1)[1].rsplit(".", 1)
            result[f"model.layers.{layer}.{PARTS[part]}.{kind}"] = tensor
    return result


def as_glm(folder, dtype=torch.float32):
    """The network of a folder as transformers' GlmForCausalLM."""
    keys, tensors = read(folder)
    settings = glm_keys(keys)
    config = transformers.GlmConfig(**{key: value for key, value in settings.items() if key != "model_type"})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(dtype).eval()
    state = {}
    queries = keys["num_attention_heads"] * keys["kv_channels"]
    groups = keys["multi_query_group_num"] * keys["kv_channels"]
    for name, tensor in joined(tensors).items():
        if ".qkv_proj." in name:
            for part, piece in zip("qkv", tensor.split([queries, groups, groups])):
                state[name.replace("qkv_proj", f"{part}_proj")] = piece
        else:
            state[name] = tensor
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()})
    return model
