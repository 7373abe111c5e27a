"""One adapter training step at a time of transformers' LLaMA under PEFT's LoRA: the other side of the published shapes in
`cargo xtask bench --against-pytorch`.

Speaks what lora_step.py speaks, whose training it shares: a fused AdamW, the same batches, autocast with bf16. The loss is
the model's own, over every token but the first. The base is as `from_pretrained(dtype=torch.bfloat16)` gives it, all in bf16; adapters are f32, as PEFT makes
them on any base.
"""

import lora_step
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig


class Adapted(torch.nn.Module):
    def __init__(self, case):
        super().__init__()
        config = LlamaConfig(
            vocab_size=case["outputs"],
            hidden_size=case["width"],
            intermediate_size=case["mlp_width"],
            num_hidden_layers=case["depth"],
            num_attention_heads=case["heads"],
            num_key_value_heads=case["kv_heads"],
            rms_norm_eps=1e-5,
            tie_word_embeddings=case["tied"],
            use_cache=False,
        )
        dtype = torch.bfloat16 if case["precision"] == "bf16" else torch.float32
        base = AutoModelForCausalLM.from_config(config, dtype=dtype)
        lora = LoraConfig(
            r=lora_step.RANK,
            lora_alpha=lora_step.RANK,
            lora_dropout=case["dropout"],
            target_modules=[name + "_proj" for name in case["adapted"]],
            layers_to_transform=list(range(case["first_adapted"], case["depth"])),
        )
        self.model = get_peft_model(base, lora).train()

    def loss(self, ids):
        return self.model(input_ids=ids, labels=ids).loss


class Training(lora_step.Training):
    def build(self, case):
        return Adapted(case)


if __name__ == "__main__":
    lora_step.main(Training)
