"""A Qwen3 whose layers differ in width, as nas-search exports it.

`config.json` names the widths of every layer: `per_layer_config` maps the layer's number to `num_attention_heads`,
`num_key_value_heads` and `intermediate_size`. Everything else (norms of queries and keys, rotary embedding, attention, cache,
generation) is transformers' own Qwen3; this file only builds each decoder layer from its own widths, without attention where it
has no heads and without MLP where it has no channels. The norms of queries and keys are those of one head, so they are the same
however many heads a layer has. `qkv_bias: true` adds biases to the query, key and value projections, `output_bias: true` to the
attention's output projection, `mlp_bias: true` to the MLP's three projections.

Needs transformers 4.51 or newer, loaded with `trust_remote_code=True`.
"""

import copy

import torch
from torch import nn
from transformers.models.qwen3.modeling_qwen3 import (
    Qwen3DecoderLayer,
    Qwen3ForCausalLM,
    Qwen3Model,
    Qwen3PreTrainedModel,
    Qwen3RMSNorm,
    Qwen3RotaryEmbedding,
)

WIDTHS = ("num_attention_heads", "num_key_value_heads", "intermediate_size")
BIASES = {
    "qkv_bias": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output_bias": ("self_attn.o_proj",),
    "mlp_bias": ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
}


class NoAttention(nn.Module):
    """Adds nothing to the residual stream, keeps nothing in the cache."""

    def forward(self, hidden_states, *args, **kwargs):
        return torch.zeros_like(hidden_states), None


class NoMLP(nn.Module):
    def forward(self, hidden_states):
        return torch.zeros_like(hidden_states)


def layer_config(config, layer):
    """The configuration with the widths of one layer in place of the model-wide ones."""
    per_layer = getattr(config, "per_layer_config", None) or {}
    if not isinstance(per_layer, dict):  # newer versions of transformers resolve the widths themselves
        return per_layer[layer]
    widths = next((entry for key, entry in per_layer.items() if int(key) == layer), {})
    own = copy.copy(config)
    for name in WIDTHS:
        setattr(own, name, widths.get(name, getattr(config, name)))
    return own


def build_layer(config, layer):
    own = copy.copy(layer_config(config, layer))
    heads, groups, channels = (getattr(own, name) for name in WIDTHS)
    if groups == 0 and heads == 0:
        own.num_attention_heads = own.num_key_value_heads = 1  # of an attention that is taken out again
    elif groups < 1 or heads % groups != 0:
        raise ValueError(f"layer {layer}: {heads} query heads cannot share {groups} key/value heads")
    own.intermediate_size = max(1, channels)
    block = Qwen3DecoderLayer(own, layer)
    for flag, names in BIASES.items():
        if not getattr(config, flag, False):
            continue
        for name in names:
            module, projection = name.split(".")
            plain = block.get_submodule(name)
            setattr(getattr(block, module), projection, nn.Linear(plain.in_features, plain.out_features, bias=True))
    if groups == 0:
        block.input_layernorm, block.self_attn = nn.Identity(), NoAttention()
    else:
        block.self_attn.config = config  # the choice of the attention kernel stays one setting for all layers
    if channels == 0:
        block.post_attention_layernorm, block.mlp = nn.Identity(), NoMLP()
    return block


class NASQwen3Model(Qwen3Model):
    def __init__(self, config):
        Qwen3PreTrainedModel.__init__(self, config)
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        self.layers = nn.ModuleList([build_layer(config, layer) for layer in range(config.num_hidden_layers)])
        self.norm = Qwen3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        # Some rope scalings ask for the number of heads, which newer versions of transformers tell of single layers only.
        self.rotary_emb = Qwen3RotaryEmbedding(config=layer_config(config, 0))
        self.has_sliding_layers = "sliding_attention" in config.layer_types
        self.gradient_checkpointing = False
        self.post_init()


class NASQwen3ForCausalLM(Qwen3ForCausalLM):
    def __init__(self, config):
        Qwen3PreTrainedModel.__init__(self, config)
        self.model = NASQwen3Model(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()


# So that `save_pretrained` copies this file beside the weights.
NASQwen3Model.register_for_auto_class("AutoModel")
NASQwen3ForCausalLM.register_for_auto_class("AutoModelForCausalLM")
