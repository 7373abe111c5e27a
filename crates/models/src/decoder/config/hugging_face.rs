//! `config.json` in both of its spellings.

use serde_json::{Map, Value, json};
use treelora_core::Error;

use super::{
    DecoderConfig, Family, SlidingWindow, WindowLayers,
    json_fields::{FULL, Fields, SLIDING},
    rope_fields::{RopeFields, rope_scaling_value, whole_head_turns},
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

/// Fields that would change results whatever their value.
const REFUSED: [&str; 3] = [
    "quantization_config",
    "attn_logit_softcapping",
    "final_logit_softcapping",
];

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
        let rope = RopeFields::read(fields)?;
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
            head_dim: match fields.size("head_dim")?.or(family.default_head_dim()) {
                Some(head_dim) => head_dim,
                None => equal_share(hidden_size, num_attention_heads)?,
            },
            max_position_embeddings,
            rms_norm_eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
            rope_theta: rope.theta,
            rope_scaling: rope.scaling(max_position_embeddings)?,
            tie_word_embeddings: fields
                .flag("tie_word_embeddings")?
                .unwrap_or(family.ties_by_default()),
            sliding_window: sliding_window(fields, family, num_hidden_layers)?,
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
        set("architectures", json!([self.family.class()]));
        set("model_type", json!(self.family.name()));
        set("vocab_size", json!(self.vocab_size));
        set("hidden_size", json!(self.hidden_size));
        set("intermediate_size", json!(self.intermediate_size));
        set("num_hidden_layers", json!(self.num_hidden_layers));
        set("num_attention_heads", json!(self.num_attention_heads));
        set("num_key_value_heads", json!(self.num_key_value_heads));
        set("head_dim", json!(self.head_dim));
        set("hidden_act", json!(self.family.activation_names()[0]));
        set(
            "max_position_embeddings",
            json!(self.max_position_embeddings),
        );
        set("rms_norm_eps", json!(self.rms_norm_eps));
        set("rope_theta", json!(self.rope_theta));
        set("rope_scaling", rope_scaling_value(&self.rope_scaling));
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
        if self.family != Family::Llama && self.family != Family::Gemma {
            set("sliding_window", Value::Null);
        }
        if let Some(window) = &self.sliding_window {
            set("sliding_window", json!(window.size));
            if self.family != Family::Mistral {
                set("use_sliding_window", json!(true));
            }
            match &window.layers {
                WindowLayers::All if self.family == Family::Mistral => None,
                WindowLayers::All => set("max_window_layers", json!(0)),
                WindowLayers::From(first) => set("max_window_layers", json!(first)),
                WindowLayers::Listed(flags) => {
                    let name = |slides: &bool| match slides {
                        true => SLIDING,
                        false => FULL,
                    };
                    set("layer_types", flags.iter().map(name).collect())
                }
            };
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
    if let Some(key) = REFUSED.into_iter().find(|key| fields.get(key).is_some()) {
        return Err(Error::setting(key, "is set and not supported"));
    }
    for key in ["hidden_act", "hidden_activation"] {
        let supported = family.activation_names();
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

/// Mistral has its window in every layer, `null` for none; Qwen says which layers have it, with
/// `max_window_layers` or, in transformers 5, with `layer_types`.
fn sliding_window(
    fields: Fields<'_>,
    family: Family,
    num_layers: usize,
) -> Result<Option<SlidingWindow>, Error> {
    let size = fields.size("sliding_window")?;
    let listed = fields.layer_types()?;
    let layers = match family {
        Family::Mistral => {
            // transformers' own default where the field is absent; `null` is another matter.
            let size = match fields.0.contains_key("sliding_window") {
                true => size,
                false => Some(4096),
            };
            if let Some(flags) = listed
                && flags.iter().any(|slides| *slides != size.is_some())
            {
                let problem = "mixes layers with and without a window, which this family has not";
                return Err(Error::setting("layer_types", problem));
            }
            return Ok(size.map(|size| SlidingWindow {
                size,
                layers: WindowLayers::All,
            }));
        }
        Family::Qwen2 | Family::Qwen3 => {
            let uses = fields.flag("use_sliding_window")?.unwrap_or(false);
            let first = fields.size("max_window_layers")?;
            match (uses, listed) {
                (true, Some(flags)) => WindowLayers::Listed(flags),
                (true, None) => WindowLayers::From(first.unwrap_or(28)),
                (false, Some(flags)) if flags.contains(&true) => {
                    let problem = "has sliding layers, but `use_sliding_window` is false";
                    return Err(Error::setting("layer_types", problem));
                }
                (false, _) => return Ok(None),
            }
        }
        Family::Llama | Family::Gemma => {
            if listed.is_some_and(|flags| flags.contains(&true)) {
                let problem = format!("has sliding layers, a {} model has none", family.name());
                return Err(Error::setting("layer_types", problem));
            }
            return Ok(None);
        }
    };
    let none_slides = match &layers {
        WindowLayers::All => false,
        WindowLayers::From(first) => *first >= num_layers,
        WindowLayers::Listed(flags) => !flags.contains(&true),
    };
    match size {
        _ if none_slides => Ok(None),
        Some(size) => Ok(Some(SlidingWindow { size, layers })),
        None => Err(Error::setting(
            "sliding_window",
            "is missing, but `use_sliding_window` is true",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decoder::RopeScaling;

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
