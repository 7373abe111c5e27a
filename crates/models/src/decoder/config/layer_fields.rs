//! Fields of `config.json` that tell what differs between layers: windows and positions.

use treelora_core::Error;

use super::{Family, SlidingWindow, WindowLayers, WindowRule, json_fields::Fields};

/// For each layer whether it has rotary positions, in a family in which some have not.
pub(super) fn turned_layers(
    fields: Fields<'_>,
    family: Family,
    layers: usize,
) -> Result<Option<Vec<bool>>, Error> {
    let Some(default) = family.row().unturned_every else {
        return Ok(None);
    };
    if let Some(mut listed) = fields.zeros_and_ones("no_rope_layers")? {
        // transformers reads the first entries of a longer list.
        listed.truncate(layers);
        return Ok(Some(listed));
    }
    match fields.size("no_rope_layer_interval")?.unwrap_or(default) {
        0 => Err(Error::setting(
            "no_rope_layer_interval",
            "is 0, must be at least 1",
        )),
        every => Ok(Some((1..=layers).map(|layer| layer % every != 0).collect())),
    }
}

/// Which layers have a window, of what size, by the family's rule.
pub(super) fn sliding_window(
    fields: Fields<'_>,
    family: Family,
    num_layers: usize,
    turned: Option<&[bool]>,
) -> Result<Option<SlidingWindow>, Error> {
    let listed = fields.layer_types()?;
    let rule = family.row().windows;
    // Where the field is absent transformers has a default; `null` is another matter.
    let default = match rule {
        WindowRule::Everywhere(default) => default,
        WindowRule::AllButEvery(_) => Some(4096),
        _ => None,
    };
    let size = match fields.0.contains_key("sliding_window") {
        true => fields.size("sliding_window")?,
        false => default,
    };
    let layers = match rule {
        WindowRule::Never => {
            if listed.is_some_and(|flags| flags.contains(&true)) {
                let problem = format!("has sliding layers, a {} model has none", family.name());
                return Err(Error::setting("layer_types", problem));
            }
            return Ok(None);
        }
        WindowRule::Everywhere(_) => {
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
        WindowRule::FromLayer(_) | WindowRule::WhereNotTurned => {
            let uses = fields.flag("use_sliding_window")?.unwrap_or(false);
            match (uses, listed, rule) {
                (true, Some(flags), _) => WindowLayers::Listed(flags),
                (true, None, WindowRule::FromLayer(default)) => {
                    let first = fields.size("max_window_layers")?;
                    WindowLayers::From(first.unwrap_or(default))
                }
                // transformers has no window where it has no size.
                (true, None, _) if size.is_none() => return Ok(None),
                (true, None, _) => {
                    let turned = turned.unwrap_or_default().iter();
                    WindowLayers::Listed(turned.map(|turned| !turned).collect())
                }
                (false, Some(flags), _) if flags.contains(&true) => {
                    let problem = "has sliding layers, but `use_sliding_window` is false";
                    return Err(Error::setting("layer_types", problem));
                }
                (false, _, _) => return Ok(None),
            }
        }
        WindowRule::AllButEvery(default) => {
            let every = fields.size("sliding_window_pattern")?.unwrap_or(default);
            if every == 0 {
                let problem = "is 0, must be at least 1";
                return Err(Error::setting("sliding_window_pattern", problem));
            }
            WindowLayers::Listed(listed.unwrap_or_else(|| {
                let slides = |layer| layer % every != 0;
                (1..=num_layers).map(slides).collect()
            }))
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
            "is missing, but layers have a sliding window",
        )),
    }
}
