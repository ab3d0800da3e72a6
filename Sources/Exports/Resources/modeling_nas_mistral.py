"""A Mistral whose layers differ in width, as nas-search exports it.

`config.json` names the widths of every layer: `per_layer_config` maps the layer's number to `num_attention_heads`,
`num_key_value_heads` and `intermediate_size`. Everything else (rotary embedding, attention, cache, generation) is
transformers' own Mistral; this file only builds each decoder layer from its own widths. Mistral has no biases: `qkv_bias:
true` adds those of the query, key and value projections (as Qwen2 has them), `output_bias: true` that of the attention's
output projection, `mlp_bias: true` those of the MLP's three projections.

Needs transformers 4.48 or newer, loaded with `trust_remote_code=True`.
"""

import copy

from torch import nn
from transformers.models.mistral.modeling_mistral import (
    MistralDecoderLayer,
    MistralForCausalLM,
    MistralModel,
    MistralPreTrainedModel,
)

WIDTHS = ("num_attention_heads", "num_key_value_heads", "intermediate_size")
BIASES = {
    "qkv_bias": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output_bias": ("self_attn.o_proj",),
    "mlp_bias": ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
}


def layer_config(config, layer):
    """The configuration with the widths of one layer in place of the model-wide ones."""
    per_layer = getattr(config, "per_layer_config", None) or {}
    if not isinstance(per_layer, dict):  # transformers 5.15 and newer resolve the widths themselves
        return per_layer[layer]
    widths = next((entry for key, entry in per_layer.items() if int(key) == layer), {})
    own = copy.copy(config)
    for name in WIDTHS:
        setattr(own, name, widths.get(name, getattr(config, name)))
    return own


def build_layer(config, layer):
    own = layer_config(config, layer)
    if own.num_key_value_heads < 1 or own.num_attention_heads % own.num_key_value_heads != 0:
        raise ValueError(
            f"layer {layer}: {own.num_attention_heads} query heads cannot share {own.num_key_value_heads} key/value heads"
        )
    block = MistralDecoderLayer(own, layer)
    for flag, names in BIASES.items():
        if not getattr(config, flag, False):
            continue
        for name in names:
            module, projection = name.split(".")
            plain = block.get_submodule(name)
            setattr(getattr(block, module), projection, nn.Linear(plain.in_features, plain.out_features, bias=True))
    block.self_attn.config = config  # the choice of the attention kernel stays one setting for all layers
    return block


class NASMistralModel(MistralModel):
    def __init__(self, config):
        layers = config.num_hidden_layers
        config.num_hidden_layers = 0  # the parent class would build all its layers alike
        try:
            super().__init__(config)
        finally:
            config.num_hidden_layers = layers
        self.layers = nn.ModuleList([build_layer(config, layer) for layer in range(layers)])
        self.post_init()


class NASMistralForCausalLM(MistralForCausalLM):
    def __init__(self, config):
        MistralPreTrainedModel.__init__(self, config)
        self.model = NASMistralModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()


# So that `save_pretrained` copies this file beside the weights.
NASMistralModel.register_for_auto_class("AutoModel")
NASMistralForCausalLM.register_for_auto_class("AutoModelForCausalLM")
