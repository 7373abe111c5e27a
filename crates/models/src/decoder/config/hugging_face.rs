//! `config.json` in both of its spellings.

use serde_json::{Map, Value, json};
use treelora_core::Error;

use super::{
    DecoderConfig, Family, RopeScaling, WindowLayers, WindowRule,
    json_fields::{FULL, Fields, SLIDING},
    layer_fields::{sliding_window, turned_layers},
    rope_fields::{read_ropes, rope_object, rope_scaling_value, whole_head_turns},
};

/// Flags that would change results, with the one value that does not.
const FIXED: [(&str, bool); 6] = [
    ("attention_bias", false),
    ("mlp_bias", false),
    ("rope_interleaved", false),
    ("use_bidirectional_attention", false),
    ("is_causal", true),
    ("use_mrope", false),
];

/// Soft caps of attention and of the head.
const SOFT_CAPS: [&str; 2] = ["attn_logit_softcapping", "final_logit_softcapping"];

impl DecoderConfig {
    /// The shape that the fields of `config.json` tell.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the first field that is missing, out of range or not supported.
    pub fn from_fields(fields: &Map<String, Value>) -> Result<Self, Error> {
        let fields = Fields(fields);
        let family = family(fields)?;
        refuse_unsupported(fields, family)?;
        let hidden_size = fields.required("hidden_size")?;
        let num_attention_heads = fields.required("num_attention_heads")?;
        let max_position_embeddings = fields.required("max_position_embeddings")?;
        let num_hidden_layers = fields.required("num_hidden_layers")?;
        let (rope, local_rope) = read_ropes(fields, family, max_position_embeddings)?;
        let turned_layers = turned_layers(fields, family, num_hidden_layers)?;
        let sliding_window =
            sliding_window(fields, family, num_hidden_layers, turned_layers.as_deref())?;
        let row = family.row();
        let [attn_logit_softcapping, final_logit_softcapping] = soft_caps(fields, family)?;
        let config = Self {
            family,
            vocab_size: fields.required("vocab_size")?,
            hidden_size,
            intermediate_size: fields.required("intermediate_size")?,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads: fields
                .size("num_key_value_heads")?
                .unwrap_or(num_attention_heads),
            head_dim: match fields.size("head_dim")?.or(row.head_dim) {
                Some(head_dim) => head_dim,
                None => equal_share(hidden_size, num_attention_heads)?,
            },
            max_position_embeddings,
            rms_norm_eps: fields.number("rms_norm_eps")?.unwrap_or(row.rms_norm_eps),
            rope_theta: rope.theta,
            rope_scaling: rope.scaling,
            local_rope,
            turned_layers,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?.unwrap_or(row.ties_head),
            sliding_window,
            query_pre_attn_scalar: match row.query_scalar {
                Some(scalar) => Some(fields.number("query_pre_attn_scalar")?.unwrap_or(scalar)),
                None => None,
            },
            attn_logit_softcapping,
            final_logit_softcapping,
            bos_token_id: fields.ids("bos_token_id")?.first().copied(),
            eos_token_ids: fields.ids("eos_token_id")?,
            pad_token_id: fields.ids("pad_token_id")?.first().copied(),
        };
        config.validate()?;
        Ok(config)
    }

    /// The fields of `config.json`, in the spelling of transformers 4.
    pub fn to_fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        set("architectures", json!([self.family.row().class]));
        set("model_type", json!(self.family.name()));
        set("vocab_size", json!(self.vocab_size));
        set("hidden_size", json!(self.hidden_size));
        set("intermediate_size", json!(self.intermediate_size));
        set("num_hidden_layers", json!(self.num_hidden_layers));
        set("num_attention_heads", json!(self.num_attention_heads));
        set("num_key_value_heads", json!(self.num_key_value_heads));
        set("head_dim", json!(self.head_dim));
        let row = self.family.row();
        set("hidden_act", json!(row.activation_names[0]));
        if self.family.normalises_outputs() {
            set("hidden_activation", json!(row.activation_names[0]));
        }
        set(
            "max_position_embeddings",
            json!(self.max_position_embeddings),
        );
        set("rms_norm_eps", json!(self.rms_norm_eps));
        set("rope_theta", json!(self.rope_theta));
        set("rope_scaling", rope_scaling_value(&self.rope_scaling));
        if let Some(local) = &self.local_rope {
            set("rope_local_base_freq", json!(local.theta));
            if local.scaling != RopeScaling::None {
                // Only the newer spelling can say it.
                let kinds = [(FULL, self.rope()), (SLIDING, *local)];
                let objects = kinds.map(|(kind, rope)| (kind, rope_object(&rope)));
                set("rope_parameters", objects.into_iter().collect());
                set("rope_scaling", Value::Null);
            }
        }
        if let Some(flags) = &self.turned_layers {
            let flags = flags.iter().map(|turned| u8::from(*turned));
            set("no_rope_layers", flags.collect());
        }
        if let Some(scalar) = self.query_pre_attn_scalar {
            set("query_pre_attn_scalar", whole_or_real(scalar));
        }
        if row.soft_caps.is_some() {
            let caps = [self.attn_logit_softcapping, self.final_logit_softcapping];
            for (key, cap) in SOFT_CAPS.into_iter().zip(caps) {
                set(key, json!(cap));
            }
        }
        set("tie_word_embeddings", json!(self.tie_word_embeddings));
        set("torch_dtype", json!("float32"));
        set("bos_token_id", json!(self.bos_token_id));
        set("pad_token_id", json!(self.pad_token_id));
        let ends = match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [id] => json!(id),
            ids => json!(ids),
        };
        set("eos_token_id", ends);
        if row.windows != WindowRule::Never {
            set("sliding_window", Value::Null);
        }
        if let Some(window) = &self.sliding_window {
            set("sliding_window", json!(window.size));
            if row.windows.is_switched() {
                set("use_sliding_window", json!(true));
            }
            let layers = 0..self.num_hidden_layers;
            match &window.layers {
                WindowLayers::All if matches!(row.windows, WindowRule::Everywhere(_)) => None,
                WindowLayers::From(first) if matches!(row.windows, WindowRule::FromLayer(_)) => {
                    set("max_window_layers", json!(first))
                }
                listed => {
                    let name = |layer| match listed.contain(layer) {
                        true => SLIDING,
                        false => FULL,
                    };
                    set("layer_types", layers.map(name).collect())
                }
            };
        } else if matches!(row.windows, WindowRule::AllButEvery(_)) {
            let full = vec![FULL; self.num_hidden_layers];
            set("layer_types", json!(full));
        }
        fields
    }
}

impl TryFrom<Map<String, Value>> for DecoderConfig {
    type Error = Error;

    fn try_from(fields: Map<String, Value>) -> Result<Self, Error> {
        Self::from_fields(&fields)
    }
}

impl From<DecoderConfig> for Map<String, Value> {
    fn from(config: DecoderConfig) -> Self {
        config.to_fields()
    }
}

fn family(fields: Fields<'_>) -> Result<Family, Error> {
    let name = fields.text("model_type")?;
    let name = name.ok_or_else(|| Error::setting("model_type", "is missing"))?;
    let family = Family::ALL.into_iter().find(|family| family.name() == name);
    family.ok_or_else(|| {
        let known = Family::ALL.map(Family::name).join(", ");
        Error::setting("model_type", format!("is `{name}`, supported are {known}"))
    })
}

fn refuse_unsupported(fields: Fields<'_>, family: Family) -> Result<(), Error> {
    for (key, supported) in FIXED {
        // Qwen2 has its biases whatever this field says.
        let ignored = key == "attention_bias" && family.qkv_bias();
        if fields.flag(key)?.is_some_and(|value| value != supported) && !ignored {
            let problem = format!("is {}, only {supported} is supported", !supported);
            return Err(Error::setting(key, problem));
        }
    }
    let caps = match family.row().soft_caps {
        Some(_) => &[][..],
        None => &SOFT_CAPS,
    };
    let mut refused = caps.iter().chain(&["quantization_config"]);
    if let Some(key) = refused.find(|key| fields.get(key).is_some()) {
        return Err(Error::setting(*key, "is set and not supported"));
    }
    for key in ["hidden_act", "hidden_activation"] {
        let supported = family.row().activation_names;
        if let Some(name) = fields.text(key)?
            && !supported.contains(&name)
        {
            let problem = format!(
                "is `{name}`, a {} model has `{}`",
                family.name(),
                supported[0]
            );
            return Err(Error::setting(key, problem));
        }
    }
    whole_head_turns(fields, "partial_rotary_factor")
}

/// A whole number without a fraction: transformers takes no other for some fields.
fn whole_or_real(number: f64) -> Value {
    let whole = number as u64;
    match whole as f64 == number {
        true => json!(whole),
        false => json!(number),
    }
}

fn equal_share(hidden_size: usize, heads: usize) -> Result<usize, Error> {
    match heads {
        0 => Err(Error::setting(
            "num_attention_heads",
            "is 0, must be at least 1",
        )),
        _ if hidden_size.is_multiple_of(heads) => Ok(hidden_size / heads),
        _ => Err(Error::setting(
            "hidden_size",
            format!("is {hidden_size}, must be a multiple of num_attention_heads = {heads}"),
        )),
    }
}

/// The caps of attention and of the head; where a field is absent, the family's, and none where it is `null`.
fn soft_caps(fields: Fields<'_>, family: Family) -> Result<[Option<f64>; 2], Error> {
    let Some(defaults) = family.row().soft_caps else {
        return Ok([None; 2]);
    };
    let mut caps = defaults;
    for (key, cap) in SOFT_CAPS.into_iter().zip(&mut caps) {
        if fields.0.contains_key(key) {
            *cap = fields.number(key)?;
        }
    }
    Ok(caps)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decoder::{Rope, SlidingWindow, Turn};

    fn fields(changes: Value) -> Map<String, Value> {
        let mut fields = DecoderConfig::llama(100, 32, 2, 4).to_fields();
        for (key, value) in changes.as_object().unwrap() {
            fields.insert(key.clone(), value.clone());
        }
        fields
    }

    fn read(changes: Value) -> DecoderConfig {
        DecoderConfig::from_fields(&fields(changes)).unwrap()
    }

    fn refusal(changes: Value) -> String {
        DecoderConfig::from_fields(&fields(changes))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_written_reads_back() {
        let llama = DecoderConfig::llama(100, 32, 2, 4);
        let window = |layers| Some(SlidingWindow { size: 5, layers });
        let configs = [
            DecoderConfig {
                rope_scaling: RopeScaling::Linear { factor: 2.0 },
                eos_token_ids: vec![2, 7],
                bos_token_id: Some(1),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Mistral,
                sliding_window: window(WindowLayers::All),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Mistral,
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Gemma,
                head_dim: 16,
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Gemma2,
                query_pre_attn_scalar: Some(6.5),
                attn_logit_softcapping: Some(3.0),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Gemma3,
                sliding_window: window(WindowLayers::Listed(vec![false, true])),
                query_pre_attn_scalar: Some(6.0),
                local_rope: Some(Rope {
                    theta: 100.0,
                    scaling: RopeScaling::None,
                }),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Gemma3,
                query_pre_attn_scalar: Some(6.0),
                rope_scaling: RopeScaling::Linear { factor: 3.0 },
                local_rope: Some(Rope {
                    theta: 100.0,
                    scaling: RopeScaling::Linear { factor: 2.0 },
                }),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Phi3,
                sliding_window: window(WindowLayers::All),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::SmolLM3,
                turned_layers: Some(vec![true, false]),
                sliding_window: window(WindowLayers::Listed(vec![true, true])),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Qwen2,
                sliding_window: window(WindowLayers::From(1)),
                ..llama.clone()
            },
            DecoderConfig {
                family: Family::Qwen3,
                sliding_window: window(WindowLayers::Listed(vec![true, false])),
                eos_token_ids: vec![2],
                ..llama.clone()
            },
            llama,
        ];
        for config in configs {
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(
                serde_json::from_str::<DecoderConfig>(&json).unwrap(),
                config
            );
        }
    }

    #[test]
    fn both_spellings_say_the_same() {
        let llama3 = json!({
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        });
        let old = read(json!({"rope_theta": 5e5, "rope_scaling": llama3}));
        let mut new = llama3.clone();
        new["rope_theta"] = json!(5e5);
        let mut fields = fields(json!({"rope_parameters": new, "dtype": "bfloat16"}));
        for key in ["rope_theta", "rope_scaling", "torch_dtype"] {
            fields.remove(key);
        }
        assert_eq!(DecoderConfig::from_fields(&fields).unwrap(), old);
        assert!(matches!(old.rope_scaling, RopeScaling::Llama3 { .. }));
        let linear = |key: &str| read(json!({"rope_scaling": {key: "linear", "factor": 2.0}}));
        assert_eq!(linear("type"), linear("rope_type"));
    }

    /// As the first configurations of Gemma 3 say it, and as transformers 5 does.
    #[test]
    fn two_kinds_of_layers_have_their_rotary_positions_in_both_spellings() {
        let old = json!({
            "model_type": "gemma3_text", "hidden_act": null, "sliding_window": 4, "sliding_window_pattern": 2,
            "rope_theta": 7.0, "rope_local_base_freq": 5.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        });
        let new = json!({
            "model_type": "gemma3_text", "hidden_act": null, "sliding_window": 4, "rope_theta": null,
            "layer_types": [SLIDING, FULL], "rope_scaling": null,
            "rope_parameters": {
                FULL: {"rope_type": "linear", "factor": 8.0, "rope_theta": 7.0},
                SLIDING: {"rope_type": "default", "rope_theta": 5.0},
            },
        });
        let config = read(old);
        assert_eq!(config, read(new));
        assert_eq!(
            (config.turn(0), config.turn(1)),
            (Turn::Local, Turn::Global)
        );
        assert_eq!((config.window(0), config.window(1)), (Some(4), None));
        let local = config.local_rope.unwrap();
        assert_eq!((config.rope_theta, local.theta), (7.0, 5.0));
        assert_eq!(
            (config.rope_scaling, local.scaling),
            (RopeScaling::Linear { factor: 8.0 }, RopeScaling::None)
        );
    }

    #[test]
    fn what_the_newer_families_leave_unsaid_is_what_transformers_takes() {
        let silent = |name: &str, layers: usize| {
            let mut fields = fields(
                json!({"model_type": name, "num_hidden_layers": layers, "hidden_act": null}),
            );
            for key in [
                "head_dim",
                "rms_norm_eps",
                "tie_word_embeddings",
                "rope_theta",
                "rope_scaling",
            ] {
                fields.remove(key);
            }
            DecoderConfig::from_fields(&fields).unwrap()
        };
        let gemma2 = silent("gemma2", 4);
        assert_eq!(
            (
                gemma2.attn_logit_softcapping,
                gemma2.final_logit_softcapping
            ),
            (Some(50.0), Some(30.0))
        );
        assert_eq!(
            (gemma2.query_pre_attn_scalar, gemma2.head_dim),
            (Some(256.0), 256)
        );
        let windows: Vec<_> = (0..4).map(|layer| gemma2.window(layer)).collect();
        assert_eq!(windows, [Some(4096), None, Some(4096), None]);
        assert!(gemma2.tie_word_embeddings && gemma2.local_rope.is_none());

        let gemma3 = silent("gemma3_text", 7);
        assert_eq!(
            (
                gemma3.attn_logit_softcapping,
                gemma3.final_logit_softcapping
            ),
            (None, None)
        );
        assert_eq!(
            (gemma3.rope_theta, gemma3.local_rope.unwrap().theta),
            (1e6, 1e4)
        );
        let full: Vec<_> = (0..7)
            .filter(|layer| gemma3.window(*layer).is_none())
            .collect();
        assert_eq!(full, [5]);

        let smollm3 = silent("smollm3", 8);
        let unturned: Vec<_> = (0..8)
            .filter(|layer| smollm3.turn(*layer) == Turn::Not)
            .collect();
        assert_eq!(
            (unturned, smollm3.rope_theta, smollm3.tie_word_embeddings),
            (vec![3, 7], 2e6, true)
        );
        assert_eq!(smollm3.sliding_window, None);

        let phi3 = silent("phi3", 2);
        assert_eq!((phi3.rms_norm_eps, phi3.sliding_window), (1e-5, None));
        assert!(!phi3.tie_word_embeddings);
    }

    #[test]
    fn a_field_that_is_not_supported_is_named_with_its_value() {
        for (changes, parts) in [
            (json!({"model_type": "mixtral"}), ["model_type", "mixtral"]),
            (json!({"attention_bias": true}), ["attention_bias", "true"]),
            (json!({"mlp_bias": true}), ["mlp_bias", "true"]),
            (json!({"hidden_act": "relu"}), ["hidden_act", "relu"]),
            (
                json!({"rope_scaling": {"type": "yarn", "factor": 2.0}}),
                ["rope_type", "yarn"],
            ),
            (
                json!({"rope_scaling": {"factor": 2.0}}),
                ["rope_scaling.rope_type", "missing"],
            ),
            (
                json!({"rope_parameters": {"full_attention": {}}}),
                ["rope_parameters", "full_attention"],
            ),
            (
                json!({"rope_parameters": {"rope_theta": 7.0}}),
                ["rope_theta", "7"],
            ),
            (
                json!({"partial_rotary_factor": 0.5}),
                ["partial_rotary_factor", "0.5"],
            ),
            (
                json!({"quantization_config": {"bits": 4}}),
                ["quantization_config", "not supported"],
            ),
            (
                json!({"layer_types": ["sliding_attention", "full_attention"]}),
                ["layer_types", "llama"],
            ),
            (
                json!({"model_type": "mistral", "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}),
                ["layer_types", "mixes"],
            ),
            (
                json!({"model_type": "qwen3", "use_sliding_window": true, "max_window_layers": 1}),
                ["sliding_window", "missing"],
            ),
            (
                json!({"model_type": "qwen3", "use_sliding_window": true, "sliding_window": 4, "layer_types": ["sliding_attention"]}),
                ["layer_types", "1 entries"],
            ),
            (
                json!({"layer_types": ["chunked_attention"]}),
                ["layer_types", "chunked"],
            ),
            (
                json!({"attn_logit_softcapping": 50.0}),
                ["attn_logit_softcapping", "not supported"],
            ),
            (
                json!({"model_type": "gemma2", "hidden_act": null, "final_logit_softcapping": 0.0}),
                ["final_logit_softcapping", "positive"],
            ),
            (
                json!({"model_type": "gemma3_text", "hidden_act": null, "rope_parameters": {"rope_type": "linear"}}),
                ["rope_parameters", "sliding_attention"],
            ),
            (
                json!({"model_type": "phi3", "rope_scaling": {"type": "longrope", "long_factor": [1.0]}}),
                ["rope_scaling.rope_type", "longrope"],
            ),
            (
                json!({"model_type": "smollm3", "no_rope_layers": [1]}),
                ["no_rope_layers", "1 entries"],
            ),
            (
                json!({"model_type": "smollm3", "no_rope_layers": [1, 2]}),
                ["no_rope_layers", "0 and 1"],
            ),
            (json!({"hidden_size": null}), ["hidden_size", "missing"]),
            (json!({"hidden_size": -3}), ["hidden_size", "-3"]),
            (
                json!({"num_key_value_heads": 3}),
                ["num_attention_heads", "num_key_value_heads = 3"],
            ),
            (
                json!({"hidden_size": 33, "head_dim": null}),
                ["hidden_size", "33"],
            ),
            (
                json!({"eos_token_id": 100}),
                ["eos_token_id", "vocab_size = 100"],
            ),
        ] {
            let error = refusal(changes);
            for part in parts {
                assert!(error.contains(part), "`{part}` is not in: {error}");
            }
        }
    }

    #[test]
    fn silent_fields_have_the_defaults_of_their_family() {
        let mut silent = fields(json!({"model_type": "qwen3"}));
        for key in [
            "head_dim",
            "rms_norm_eps",
            "tie_word_embeddings",
            "rope_theta",
        ] {
            silent.remove(key);
        }
        let config = DecoderConfig::from_fields(&silent).unwrap();
        assert_eq!((config.head_dim, config.rms_norm_eps), (128, 1e-6));
        assert_eq!(
            (config.tie_word_embeddings, config.rope_theta),
            (false, 1e4)
        );
        silent.insert("model_type".to_owned(), json!("gemma"));
        silent.insert("hidden_act".to_owned(), json!("gelu"));
        let config = DecoderConfig::from_fields(&silent).unwrap();
        assert_eq!((config.head_dim, config.tie_word_embeddings), (256, true));
        silent.insert("model_type".to_owned(), json!("mistral"));
        silent.insert("hidden_act".to_owned(), json!("silu"));
        let window = DecoderConfig::from_fields(&silent).unwrap().sliding_window;
        assert_eq!(window.map(|window| window.size), Some(4096));
        silent.insert("sliding_window".to_owned(), Value::Null);
        assert_eq!(
            DecoderConfig::from_fields(&silent).unwrap().sliding_window,
            None
        );
    }
}
