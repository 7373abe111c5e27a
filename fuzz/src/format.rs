//! What every kind of file has.

/// What a parser makes of bytes: nothing, or its message.
pub type Outcome = Result<(), String>;

/// One kind of file.
pub struct Format {
    /// Name of the fuzz target.
    pub name: &'static str,
    /// What an error message must name.
    pub file: &'static str,
    /// Valid files.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Parse these bytes in the place of the file.
    pub parse: fn(&[u8]) -> Outcome,
}

pub(crate) fn outcome<T>(result: Result<T, impl ToString>) -> Outcome {
    result.map(|_| ()).map_err(|error| error.to_string())
}
