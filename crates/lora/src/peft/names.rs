//! Between our parameter paths and the modules of the model that PEFT adapts.

/// How the path of a weight, `layers.3.self_attn.q_proj.weight`, maps to the name of a module of another
/// implementation, `model.layers.3.self_attn.q_proj`, and back.
///
/// Renamed endings come first, in their order; what has none of them keeps its name behind a prefix, or is refused.
/// The default is the identity. A mapping that does not lead back to where it came from is an error of
/// [`save`](super::save) and [`load`](super::load).
///
/// ```
/// use treelora_lora::peft::ModuleNames;
///
/// // A model whose query, key and value are one layer there.
/// let names = ModuleNames::prefixed("transformer.")
///     .fused(["attention.q", "attention.k", "attention.v"], "attn.qkv")
///     .renamed("attention.proj", "attn.proj");
/// assert_ne!(names, ModuleNames::default());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleNames {
    endings: Vec<Ending>,
    others: Others,
    /// Endings of their modules that are embeddings.
    embeddings: Vec<String>,
}

/// Whole last components, and what they are called there: one of ours, or several that are one module there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    ours: Vec<String>,
    theirs: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Others {
    Prefixed(String),
    Refused,
}

/// A module of the other model, and which part of it one of our weights is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) module: String,
    pub(super) part: usize,
    /// Our weights that are one module there; 1 for most.
    pub(super) parts: usize,
}

impl ModuleNames {
    /// Equal names on both sides.
    pub fn identity() -> Self {
        Self::prefixed("")
    }

    /// `prefix` before each of our names.
    pub fn prefixed(prefix: &str) -> Self {
        Self {
            endings: Vec::new(),
            others: Others::Prefixed(prefix.to_owned()),
            embeddings: Vec::new(),
        }
    }

    /// Only what [`renamed`](Self::renamed) and [`fused`](Self::fused) list has a name there.
    pub fn listed() -> Self {
        Self {
            endings: Vec::new(),
            others: Others::Refused,
            embeddings: Vec::new(),
        }
    }

    /// Causal language models of Hugging Face transformers: everything lies in `model.`, but `lm_head`.
    pub fn causal_lm() -> Self {
        Self::prefixed("model.")
            .renamed("lm_head", "lm_head")
            .embedding("embed_tokens")
    }

    /// timm's vision transformer: query, key and value are `attn.qkv`, one above the other in its output. Its patch
    /// embedding is a convolution and has no name here.
    pub fn timm_vit() -> Self {
        Self::listed()
            .fused(["attention.q", "attention.k", "attention.v"], "attn.qkv")
            .renamed("attention.proj", "attn.proj")
            .renamed("mlp.fc1", "mlp.fc1")
            .renamed("mlp.fc2", "mlp.fc2")
            .renamed("head", "head")
    }

    /// The ending `ours` is `theirs` there; what comes before it stays, without the prefix.
    pub fn renamed(self, ours: &str, theirs: &str) -> Self {
        self.fused([ours], theirs)
    }

    /// The layers that end in `ours` are one layer `theirs` there, which computes their outputs side by side, in
    /// this order and of equal widths.
    pub fn fused<const N: usize>(mut self, ours: [&str; N], theirs: &str) -> Self {
        self.endings.push(Ending {
            ours: ours.map(str::to_owned).into(),
            theirs: theirs.to_owned(),
        });
        self
    }

    /// The modules that end in `theirs` there are embeddings: PEFT names the factors of those otherwise.
    pub fn embedding(mut self, theirs: &str) -> Self {
        self.embeddings.push(theirs.to_owned());
        self
    }

    /// Whether `module` of the other model is an embedding.
    pub(super) fn is_embedding(&self, module: &str) -> bool {
        let mut endings = self.embeddings.iter();
        endings.any(|ending| front(module, ending).is_some())
    }

    /// Where the weight at `path` is in the other model, or why nowhere.
    pub(super) fn theirs(&self, path: &str) -> Result<Place, String> {
        let layer = path
            .strip_suffix(".weight")
            .ok_or("not the weight of a layer")?;
        let place = self
            .outward(layer)
            .ok_or("has no name in the other model")?;
        let back = self.inward(&place.module);
        match back.as_deref().and_then(|layers| layers.get(place.part)) {
            Some(back) if back == layer => Ok(place),
            Some(back) => Err(format!(
                "named `{}`, which leads back to `{back}`",
                place.module
            )),
            None => Err(format!("named `{}`, which leads nowhere", place.module)),
        }
    }

    /// The paths of our weights that are `module` of the other model, or why there are none.
    pub(super) fn ours(&self, module: &str) -> Result<Vec<String>, String> {
        let layers = self
            .inward(module)
            .ok_or_else(|| format!("module `{module}` has no place in this model"))?;
        let back = layers.first().and_then(|layer| self.outward(layer));
        match back {
            Some(place) if place.module == module => {}
            _ => return Err(format!("module `{module}` has no name of its own here")),
        }
        Ok(layers
            .into_iter()
            .map(|layer| format!("{layer}.weight"))
            .collect())
    }

    fn outward(&self, layer: &str) -> Option<Place> {
        for Ending { ours, theirs } in &self.endings {
            for (part, ending) in ours.iter().enumerate() {
                if let Some(front) = front(layer, ending) {
                    return Some(Place {
                        module: format!("{front}{theirs}"),
                        part,
                        parts: ours.len(),
                    });
                }
            }
        }
        match &self.others {
            Others::Prefixed(prefix) => Some(Place {
                module: format!("{prefix}{layer}"),
                part: 0,
                parts: 1,
            }),
            Others::Refused => None,
        }
    }

    fn inward(&self, module: &str) -> Option<Vec<String>> {
        for Ending { ours, theirs } in &self.endings {
            if let Some(front) = front(module, theirs) {
                return Some(ours.iter().map(|ours| format!("{front}{ours}")).collect());
            }
        }
        match &self.others {
            Others::Prefixed(prefix) => Some(vec![module.strip_prefix(prefix)?.to_owned()]),
            Others::Refused => None,
        }
    }
}

impl Default for ModuleNames {
    fn default() -> Self {
        Self::identity()
    }
}

/// What comes before an ending of whole components.
fn front<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let front = name.strip_suffix(ending)?;
    (front.is_empty() || front.ends_with('.')).then_some(front)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn there_and_back(names: &ModuleNames, path: &str) -> (String, usize) {
        let place = names.theirs(path).unwrap();
        assert_eq!(names.ours(&place.module).unwrap()[place.part], path);
        (place.module, place.part)
    }

    #[test]
    fn names_lead_there_and_back() {
        let (causal, timm) = (ModuleNames::causal_lm(), ModuleNames::timm_vit());
        let q = "layers.3.self_attn.q_proj";
        let path = format!("{q}.weight");
        assert_eq!(
            there_and_back(&ModuleNames::default(), &path),
            (q.to_owned(), 0)
        );
        assert_eq!(there_and_back(&causal, &path), (format!("model.{q}"), 0));
        assert_eq!(
            there_and_back(&causal, "lm_head.weight"),
            ("lm_head".into(), 0)
        );
        for (part, name) in ["q", "k", "v"].into_iter().enumerate() {
            assert_eq!(
                there_and_back(&timm, &format!("blocks.3.attention.{name}.weight")),
                ("blocks.3.attn.qkv".into(), part)
            );
        }
        assert_eq!(
            there_and_back(&timm, "blocks.3.mlp.fc1.weight").0,
            "blocks.3.mlp.fc1"
        );
    }

    #[test]
    fn what_has_no_name_or_no_way_back_is_refused() {
        let (causal, timm) = (ModuleNames::causal_lm(), ModuleNames::timm_vit());
        let renamed = ModuleNames::identity().renamed("attention.proj", "attn.proj");
        for (names, path, reason) in [
            (&causal, "embedding", "not the weight"),
            (&timm, "patch_embedding.projection.weight", "no name"),
            (&timm, "my_head.weight", "no name"),
            (
                &renamed,
                "blocks.0.attn.proj.weight",
                "leads back to `blocks.0.attention.proj`",
            ),
        ] {
            let problem = names.theirs(path).unwrap_err();
            assert!(problem.contains(reason), "{problem}");
        }
        for (names, module) in [
            (&causal, "transformer.h.0.attn.c_attn"),
            (&renamed, "blocks.0.attention.proj"),
            (&timm, "patch_embed.proj"),
        ] {
            let problem = names.ours(module).unwrap_err();
            assert!(problem.contains(module), "{problem}");
        }
    }
}
