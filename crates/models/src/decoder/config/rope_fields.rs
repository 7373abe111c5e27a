//! Rotary positions in `config.json`: `rope_theta` and `rope_scaling`, or `rope_parameters`.

use serde_json::{Value, json};
use treelora_core::Error;

use super::{RopeScaling, json_fields::Fields};

/// What a configuration says about rotary positions.
pub(super) struct RopeFields<'f> {
    pub(super) theta: f64,
    /// Name and content of the object with the scaling.
    object: Option<(&'static str, Fields<'f>)>,
}

impl<'f> RopeFields<'f> {
    pub(super) fn read(fields: Fields<'f>) -> Result<Self, Error> {
        let mut object = None;
        for key in ["rope_scaling", "rope_parameters"] {
            let Some(value) = fields.get(key) else {
                continue;
            };
            let Value::Object(map) = value else {
                return Err(Error::setting(
                    key,
                    format!("is {value}, must be an object"),
                ));
            };
            if let Some((nested, _)) = map.iter().find(|(_, value)| value.is_object()) {
                let problem = format!("has `{nested}`: one kind of layer alone is supported");
                return Err(Error::setting(key, problem));
            }
            if let Some((other, Fields(earlier))) = object
                && earlier != map
            {
                let problem = format!("is {value}, but `{other}` is {earlier:?}");
                return Err(Error::setting(key, problem));
            }
            object = Some((key, Fields(map)));
        }
        let inside = match object {
            Some((key, object)) => {
                whole_head_turns(object, &format!("{key}.partial_rotary_factor"))?;
                object.number("rope_theta")?
            }
            None => None,
        };
        let theta = match (fields.number("rope_theta")?, inside) {
            (Some(outside), Some(inside)) if outside != inside => {
                let problem = format!("is {outside}, but {inside} among the rotary parameters");
                return Err(Error::setting("rope_theta", problem));
            }
            (outside, inside) => inside.or(outside).unwrap_or(10_000.0),
        };
        Ok(Self { theta, object })
    }

    pub(super) fn scaling(&self, context: usize) -> Result<RopeScaling, Error> {
        let Some((key, object)) = self.object else {
            return Ok(RopeScaling::None);
        };
        let name = |field: &str| format!("{key}.{field}");
        let number = |field: &str| {
            let value = object.number(field)?;
            value.ok_or_else(|| Error::setting(name(field), "is missing"))
        };
        let kind = match (object.text("rope_type")?, object.text("type")?) {
            (Some(new), Some(old)) if new != old => {
                let problem = format!("is `{new}`, but `type` is `{old}`");
                return Err(Error::setting(name("rope_type"), problem));
            }
            (new, old) => new.or(old),
        };
        match kind {
            Some("linear") => Ok(RopeScaling::Linear {
                factor: number("factor")?,
            }),
            Some("llama3") => Ok(RopeScaling::Llama3 {
                factor: number("factor")?,
                low_freq_factor: number("low_freq_factor")?,
                high_freq_factor: number("high_freq_factor")?,
                original_max_position_embeddings: object
                    .size("original_max_position_embeddings")?
                    .unwrap_or(context),
            }),
            Some("default") => Ok(RopeScaling::None),
            Some(other) => Err(Error::setting(
                name("rope_type"),
                format!("is `{other}`, supported are default, linear, llama3"),
            )),
            None if object.get("factor").is_some() => {
                Err(Error::setting(name("rope_type"), "is missing"))
            }
            None => Ok(RopeScaling::None),
        }
    }
}

/// `rope_scaling` as transformers 4 spells it.
pub(super) fn rope_scaling_value(scaling: &RopeScaling) -> Value {
    match *scaling {
        RopeScaling::None => Value::Null,
        RopeScaling::Linear { factor } => {
            json!({"type": "linear", "rope_type": "linear", "factor": factor})
        }
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            "original_max_position_embeddings": original_max_position_embeddings,
        }),
    }
}

/// Rotary positions that leave some features alone are not supported.
pub(super) fn whole_head_turns(fields: Fields<'_>, name: &str) -> Result<(), Error> {
    match fields.number("partial_rotary_factor")? {
        Some(factor) if factor != 1.0 => {
            let problem = format!("is {factor}, only 1 is supported");
            Err(Error::setting(name, problem))
        }
        _ => Ok(()),
    }
}
