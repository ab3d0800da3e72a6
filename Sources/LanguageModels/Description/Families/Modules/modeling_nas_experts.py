"""A CLASS_NAME whose layers differ in their numbers of heads and experts, as nas-search exports it.

`config.json` names the widths of every layer: `per_layer_config` maps the layer's number to `num_attention_heads`,
`num_key_value_heads` and `num_experts`. Everything else (norms, rotary embedding, attention, routing, experts, cache, generation)
is transformers' own CLASS_NAME; this file only builds each decoder layer from its own widths, without attention where it has no
heads and without experts where it has none. A token takes `num_experts_per_tok` experts of a layer, or all if the layer has fewer.
`qkv_bias: true` adds biases to the query, key and value projections, `output_bias: true` to the attention's output projection.

Experts are stored as in other checkpoints of CLASS_NAME. Load it with `trust_remote_code=True`; it needs transformers 5.15 or newer.
"""

import copy

import torch
from torch import nn
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.models.MODEL_PACKAGE import modeling_MODEL_PACKAGE as stock

WIDTHS = ("num_attention_heads", "num_key_value_heads", "num_experts")
BIASES = {
    "qkv_bias": ("q_proj", "k_proj", "v_proj"),
    "output_bias": ("o_proj",),
}


class NoAttention(nn.Module):
    """Adds nothing to the residual stream, keeps nothing in the cache."""

    def forward(self, hidden_states, *args, **kwargs):
        return torch.zeros_like(hidden_states), None


class NoExperts(nn.Module):
    def __init__(self, tells_scores):
        super().__init__()
        self.tells_scores = tells_scores

    def forward(self, hidden_states):
        nothing = torch.zeros_like(hidden_states)
        return (nothing, None) if self.tells_scores else nothing


def layer_config(config, layer):
    """The configuration with the widths of one layer in place of the model-wide ones."""
    return copy.copy(config.per_layer_config[layer])


def fit_joint_norms(attention, heads, groups):
    """Norms that run over all heads together are made for the hidden size, whatever the heads of the layer."""
    norm = getattr(attention, "q_norm", None)
    if norm is None or norm.weight.shape[0] == attention.head_dim:  # those of single heads fit
        return
    attention.q_norm, attention.k_norm = (
        type(norm)(count * attention.head_dim, eps=norm.variance_epsilon) for count in (heads, groups))


def build_layer(config, layer):
    own = layer_config(config, layer)
    heads, groups, experts = (getattr(own, name) for name in WIDTHS)
    if groups == 0 and heads == 0:
        own.num_attention_heads = own.num_key_value_heads = 1  # of an attention that is taken out again
    elif groups < 1 or heads % groups != 0:
        raise ValueError(f"layer {layer}: {heads} query heads cannot share {groups} key/value heads")
    own.num_experts = max(1, experts)
    own.num_experts_per_tok = min(config.num_experts_per_tok, own.num_experts)
    block = stock.CLASS_NAMEDecoderLayer(own, layer)
    if groups == 0:
        block.input_layernorm, block.self_attn = nn.Identity(), NoAttention()
    else:
        for name in (name for flag, names in BIASES.items() if getattr(config, flag, False) for name in names):
            plain = getattr(block.self_attn, name)
            setattr(block.self_attn, name, nn.Linear(plain.in_features, plain.out_features, bias=True))
        fit_joint_norms(block.self_attn, heads, groups)
        block.self_attn.config = config  # the choice of the attention kernel stays one setting for all layers
    if experts == 0:
        block.post_attention_layernorm, block.mlp = nn.Identity(), NoExperts(hasattr(block.mlp, "router"))
    else:
        block.mlp.experts.config = config  # and so does that of the experts' kernel
    return block


class NASMODEL_CLASS(stock.MODEL_CLASS):
    def __init__(self, config):
        super().__init__(config)
        self.layers = nn.ModuleList([build_layer(config, layer) for layer in range(config.num_hidden_layers)])
        self.post_init()


class NASCLASS_NAMEForCausalLM(stock.CLASS_NAMEForCausalLM):
    def __init__(self, config):
        super().__init__(config)
        self.model = NASMODEL_CLASS(config)
        self.post_init()


# transformers joins the stored experts of a layer into one tensor, but for its own classes only unless it is told.
stored = get_checkpoint_conversion_mapping("MODEL_PACKAGE")
if stored is not None:
    for name in ("NASMODEL_CLASS", "NASCLASS_NAMEForCausalLM"):
        register_checkpoint_conversion_mapping(name, stored, overwrite=True)

# So that `save_pretrained` copies this file beside the weights.
NASMODEL_CLASS.register_for_auto_class("AutoModel")
NASCLASS_NAMEForCausalLM.register_for_auto_class("AutoModelForCausalLM")
