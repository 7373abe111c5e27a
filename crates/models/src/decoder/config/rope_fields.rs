//! Rotary positions in `config.json`: `rope_theta` and `rope_scaling`, or `rope_parameters`.

use serde_json::{Map, Value, json};
use treelora_core::Error;

use super::{
    Family, Rope, RopeScaling,
    json_fields::{FULL, Fields, SLIDING},
};

/// The rotary positions of most layers, and of those with a window where the family has two kinds.
pub(super) fn read_ropes(
    fields: Fields<'_>,
    family: Family,
    context: usize,
) -> Result<(Rope, Option<Rope>), Error> {
    let row = family.row();
    let objects = Objects::read(fields)?;
    let Some(local_theta) = row.local_rope_theta else {
        if let Some((key, kind)) = objects.nested() {
            let problem = format!("has `{kind}`: one kind of layer alone is supported");
            return Err(Error::setting(key, problem));
        }
        let rope = objects
            .of_all
            .rope(fields, "rope_theta", row.rope_theta, context)?;
        return Ok((rope, None));
    };
    if let Some((key @ "rope_parameters", _)) = objects.of_all.0 {
        let problem = format!("is of one kind of layer, must have `{FULL}` and `{SLIDING}`");
        return Err(Error::setting(key, problem));
    }
    // `rope_scaling` is the older spelling, and of the layers without a window alone.
    let of_full = match objects.of_full.0 {
        Some(_) => objects.of_full,
        None => objects.of_all,
    };
    let global = of_full.rope(fields, "rope_theta", row.rope_theta, context)?;
    let local = objects.of_sliding;
    let local = local.rope(fields, "rope_local_base_freq", local_theta, context)?;
    Ok((global, Some(local)))
}

/// The objects of a configuration that tell of rotary positions.
struct Objects<'f> {
    of_all: Object<'f>,
    of_full: Object<'f>,
    of_sliding: Object<'f>,
}

impl<'f> Objects<'f> {
    fn read(fields: Fields<'f>) -> Result<Self, Error> {
        let none = Object(None);
        let mut found = Self {
            of_all: none,
            of_full: none,
            of_sliding: none,
        };
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
            let mut kinds = map.iter().filter(|(_, value)| value.is_object()).peekable();
            if kinds.peek().is_none() {
                // Empty says nothing, whatever the other says.
                if !map.is_empty() {
                    found.of_all.set(key, map)?;
                }
                continue;
            }
            for (kind, object) in kinds {
                let place = match kind.as_str() {
                    FULL => &mut found.of_full,
                    SLIDING => &mut found.of_sliding,
                    other => {
                        let problem = format!("has `{other}`, supported are {FULL}, {SLIDING}");
                        return Err(Error::setting(key, problem));
                    }
                };
                if let Value::Object(map) = object {
                    place.set(key, map)?;
                }
            }
        }
        Ok(found)
    }

    /// Where one kind of layer is told of, and which.
    fn nested(&self) -> Option<(&'static str, &'static str)> {
        let kinds = [(self.of_full, FULL), (self.of_sliding, SLIDING)];
        kinds
            .into_iter()
            .find_map(|(object, kind)| Some((object.0?.0, kind)))
    }
}

/// An object that tells of rotary positions, under its name.
#[derive(Clone, Copy)]
struct Object<'f>(Option<(&'static str, &'f Map<String, Value>)>);

impl<'f> Object<'f> {
    /// Both spellings may stand side by side when they say the same.
    fn set(&mut self, key: &'static str, map: &'f Map<String, Value>) -> Result<(), Error> {
        if let Some((other, earlier)) = self.0
            && earlier != map
        {
            let problem = format!("is {map:?}, but `{other}` is {earlier:?}");
            return Err(Error::setting(key, problem));
        }
        self.0 = Some((key, map));
        Ok(())
    }

    /// The rotary positions, whose base may stand in the field `theta_key` outside.
    fn rope(
        self,
        fields: Fields<'f>,
        theta_key: &str,
        default_theta: f64,
        context: usize,
    ) -> Result<Rope, Error> {
        let outside = fields.number(theta_key)?;
        let Some((key, map)) = self.0 else {
            return Ok(Rope {
                theta: outside.unwrap_or(default_theta),
                scaling: RopeScaling::None,
            });
        };
        let object = Fields(map);
        whole_head_turns(object, &format!("{key}.partial_rotary_factor"))?;
        let theta = match (outside, object.number("rope_theta")?) {
            (Some(outside), Some(inside)) if outside != inside => {
                let problem = format!("is {outside}, but {inside} among the rotary parameters");
                return Err(Error::setting(theta_key, problem));
            }
            (outside, inside) => inside.or(outside).unwrap_or(default_theta),
        };
        Ok(Rope {
            theta,
            scaling: scaling(key, object, context)?,
        })
    }
}

fn scaling(key: &str, object: Fields<'_>, context: usize) -> Result<RopeScaling, Error> {
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

/// The rotary positions of one kind of layer as transformers 5 spells them.
pub(super) fn rope_object(rope: &Rope) -> Value {
    let mut object = match rope_scaling_value(&rope.scaling) {
        Value::Null => json!({"rope_type": "default"}),
        scaling => scaling,
    };
    object["rope_theta"] = json!(rope.theta);
    object
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
