//! Ids of tokens, as the files of models give them.

use serde_json::Value;

/// One token, several or none. A negative number stands for no token, wherever it is (`"pad_token_id": -1`); so do
/// `null` and, for the caller, a missing field.
///
/// # Errors
/// When the value is something else, or no id of 32 bits.
///
/// ```
/// use serde_json::json;
/// use treelora_core::token_ids;
///
/// assert_eq!(token_ids(&json!(2)), Ok(vec![2]));
/// assert_eq!(token_ids(&json!([2, -1, 7])), Ok(vec![2, 7]));
/// assert_eq!(token_ids(&json!(-1)), Ok(vec![]));
/// assert_eq!(token_ids(&json!(null)), Ok(vec![]));
/// assert!(token_ids(&json!("2")).is_err());
/// ```
pub fn token_ids(value: &Value) -> Result<Vec<u32>, String> {
    let ids: Option<Vec<Option<u32>>> = match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => values.iter().map(id).collect(),
        value => id(value).map(|id| vec![id]),
    };
    let ids = ids.ok_or_else(|| format!("is {value}, must be a token or a list of tokens"))?;
    Ok(ids.into_iter().flatten().collect())
}

/// An id, or that there is none; `None` for what is no id at all.
fn id(value: &Value) -> Option<Option<u32>> {
    let number = value.as_i64()?;
    match number < 0 {
        true => Some(None),
        false => u32::try_from(number).ok().map(Some),
    }
}
