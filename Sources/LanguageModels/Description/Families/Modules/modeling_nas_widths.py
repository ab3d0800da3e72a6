"""A CLASS_NAME whose layers differ in width, as nas-search exports it.

`config.json` names the widths of every layer: `per_layer_config` maps the layer's number to `num_attention_heads`,
`num_key_value_heads` and `intermediate_size`. Everything else (norms, rotary embedding, attention, cache, generation) is
transformers' own CLASS_NAME; this file only builds each decoder layer from its own widths, without attention where it has no
heads and without MLP where it has no channels. `qkv_bias: true` adds biases to the query, key and value projections,
`output_bias: true` to the attention's output projection, `mlp_bias: true` to the MLP's three projections.

Load it with `trust_remote_code=True`.
"""

import copy

import torch
from torch import nn
from transformers.models.MODEL_PACKAGE import modeling_MODEL_PACKAGE as stock

WIDTHS = ("num_attention_heads", "num_key_value_heads", "intermediate_size")
BIASES = {
    "qkv_bias": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output_bias": ("self_attn.o_proj",),
    "mlp_bias": ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
}
ATTENTION_NORMS = "ATTENTION_NORM_NAMES".split()
MLP_NORMS = "MLP_NORM_NAMES".split()


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
        return copy.copy(per_layer[layer])
    widths = next((entry for key, entry in per_layer.items() if int(key) == layer), {})
    own = copy.copy(config)
    for name in WIDTHS:
        setattr(own, name, widths.get(name, getattr(config, name)))
    return own


def build_layer(config, layer):
    own = layer_config(config, layer)
    heads, groups, channels = (getattr(own, name) for name in WIDTHS)
    if groups == 0 and heads == 0:
        own.num_attention_heads = own.num_key_value_heads = 1  # of an attention that is taken out again
    elif groups < 1 or heads % groups != 0:
        raise ValueError(f"layer {layer}: {heads} query heads cannot share {groups} key/value heads")
    own.intermediate_size = max(1, channels)
    block = stock.CLASS_NAMEDecoderLayer(own, layer)
    for flag, names in BIASES.items():
        if not getattr(config, flag, False):
            continue
        for name in names:
            module, projection = name.split(".")
            plain = block.get_submodule(name)
            setattr(getattr(block, module), projection, nn.Linear(plain.in_features, plain.out_features, bias=True))
    if groups == 0:
        block.self_attn = NoAttention()
        for name in ATTENTION_NORMS:
            setattr(block, name, nn.Identity())
    else:
        block.self_attn.config = config  # the choice of the attention kernel stays one setting for all layers
    if channels == 0:
        block.mlp = NoMLP()
        for name in MLP_NORMS:
            setattr(block, name, nn.Identity())
    return block


class NASMODEL_CLASS(stock.MODEL_CLASS):
    def __init__(self, config):
        super().__init__(config)
        self.layers = nn.ModuleList([build_layer(config, layer) for layer in range(config.num_hidden_layers)])
        self.post_init()


class NASCLASS_NAMEForCausalLM(stock.CLASS_NAMEForCausalLM):
    def __init__(self, config):
        stock.CLASS_NAMEPreTrainedModel.__init__(self, config)
        self.model = NASMODEL_CLASS(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()


# So that `save_pretrained` copies this file beside the weights.
NASMODEL_CLASS.register_for_auto_class("AutoModel")
NASCLASS_NAMEForCausalLM.register_for_auto_class("AutoModelForCausalLM")
