//! Names of tensors: llama.cpp's and Hugging Face's.

use crate::decoder::Family;

/// Parts of a model beside its layers.
const WHOLE: [(&str, &str); 3] = [
    ("token_embd", "model.embed_tokens"),
    ("output_norm", "model.norm"),
    ("output", "lm_head"),
];

/// Parts of a layer that every family may have.
const LAYER: [(&str, &str); 10] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The normalisations of a layer that has them in front of its parts alone.
const NORMS: &[(&str, &str)] = &[("ffn_norm", "post_attention_layernorm")];
/// Those of a layer that has them behind its parts too.
const NORMS_OF_OUTPUTS: &[(&str, &str)] = &[
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

fn layer_parts(family: Family) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let norms = match family.normalises_outputs() {
        true => NORMS_OF_OUTPUTS,
        false => NORMS,
    };
    LAYER.iter().chain(norms)
}

/// Hugging Face's name of a tensor; `None` for one that it does not have.
pub(super) fn hugging_face(name: &str, family: Family) -> Option<String> {
    let (part, kind) = name.rsplit_once('.')?;
    if let Some((_, theirs)) = WHOLE.iter().find(|(ours, _)| *ours == part) {
        return Some(format!("{theirs}.{kind}"));
    }
    let (layer, part) = part.strip_prefix("blk.")?.split_once('.')?;
    let (_, theirs) = layer_parts(family).find(|(ours, _)| *ours == part)?;
    Some(format!("model.layers.{layer}.{theirs}.{kind}"))
}

/// llama.cpp's name of a tensor of Hugging Face's, for messages.
pub(super) fn llama_cpp(name: &str, family: Family) -> Option<String> {
    let (part, kind) = name.rsplit_once('.')?;
    if let Some((ours, _)) = WHOLE.iter().find(|(_, theirs)| *theirs == part) {
        return Some(format!("{ours}.{kind}"));
    }
    let (layer, part) = part.strip_prefix("model.layers.")?.split_once('.')?;
    let (ours, _) = layer_parts(family).find(|(_, theirs)| *theirs == part)?;
    Some(format!("blk.{layer}.{ours}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_a_name_may_mean_two_things() {
        let ffn = "blk.3.ffn_norm.weight";
        for (family, theirs) in [
            (
                Family::Llama,
                "model.layers.3.post_attention_layernorm.weight",
            ),
            (
                Family::Gemma3,
                "model.layers.3.pre_feedforward_layernorm.weight",
            ),
        ] {
            assert_eq!(hugging_face(ffn, family).as_deref(), Some(theirs));
        }
        for name in [ffn, "output.weight", "blk.0.attn_q.bias"] {
            for family in [Family::Qwen2, Family::Gemma2] {
                let theirs = hugging_face(name, family);
                let back = theirs.and_then(|theirs| llama_cpp(&theirs, family));
                assert_eq!(back.as_deref(), Some(name));
            }
        }
        for other in [
            "blk.0.ffn_gate_inp.weight",
            "blk.weight",
            "rope_freqs.weight",
            "x",
        ] {
            assert_eq!(hugging_face(other, Family::Llama), None);
        }
    }
}
