//! Fields of a JSON object, read with errors that name them.

use serde_json::{Map, Value};
use treelora_core::{Error, token_ids};

/// A layer whose positions see all before them.
pub(super) const FULL: &str = "full_attention";
/// A layer with a sliding window.
pub(super) const SLIDING: &str = "sliding_attention";

/// Typed access to a JSON object; `null` is as good as absent.
#[derive(Clone, Copy)]
pub(super) struct Fields<'f>(pub(super) &'f Map<String, Value>);

impl<'f> Fields<'f> {
    pub(super) fn get(self, key: &str) -> Option<&'f Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(
        self,
        key: &str,
        kind: &str,
        read: impl Fn(&'f Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(Error::setting(key, format!("is {value}, must be {kind}"))),
            },
        }
    }

    pub(super) fn size(self, key: &str) -> Result<Option<usize>, Error> {
        self.read(key, "a whole number", |value| {
            value.as_u64().and_then(|value| value.try_into().ok())
        })
    }

    pub(super) fn required(self, key: &str) -> Result<usize, Error> {
        self.size(key)?
            .ok_or_else(|| Error::setting(key, "is missing"))
    }

    pub(super) fn number(self, key: &str) -> Result<Option<f64>, Error> {
        self.read(key, "a number", Value::as_f64)
    }

    pub(super) fn flag(self, key: &str) -> Result<Option<bool>, Error> {
        self.read(key, "true or false", Value::as_bool)
    }

    pub(super) fn text(self, key: &str) -> Result<Option<&'f str>, Error> {
        self.read(key, "a string", Value::as_str)
    }

    /// One token or several; none when absent or negative.
    pub(super) fn ids(self, key: &str) -> Result<Vec<u32>, Error> {
        let ids = self.get(key).map(token_ids).transpose();
        let ids = ids.map_err(|problem| Error::setting(key, problem))?;
        Ok(ids.unwrap_or_default())
    }

    /// A list of 0 and 1.
    pub(super) fn zeros_and_ones(self, key: &str) -> Result<Option<Vec<bool>>, Error> {
        self.read(key, "a list of 0 and 1", |value| {
            let flag = |value: &Value| match value.as_u64()? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            };
            value.as_array()?.iter().map(flag).collect()
        })
    }

    /// For each layer whether it has a sliding window.
    pub(super) fn layer_types(self) -> Result<Option<Vec<bool>>, Error> {
        let kind = format!("a list of `{FULL}` and `{SLIDING}`");
        self.read("layer_types", &kind, |value| {
            let slides = |value: &Value| match value.as_str()? {
                FULL => Some(false),
                SLIDING => Some(true),
                _ => None,
            };
            value.as_array()?.iter().map(slides).collect()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_negative_id_is_no_token() {
        let fields = json!({ "eos_token_id": [-1, 2], "pad_token_id": -1, "bos_token_id": 1.5, "other": 4_294_967_296_u64 });
        let fields = Fields(fields.as_object().unwrap());
        assert_eq!(fields.ids("eos_token_id").unwrap(), [2]);
        assert_eq!(fields.ids("pad_token_id").unwrap(), [0; 0]);
        for key in ["bos_token_id", "other"] {
            let error = fields.ids(key).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
