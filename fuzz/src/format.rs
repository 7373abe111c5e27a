//! What every kind of file has.

/// What a parser makes of bytes: nothing, or its message.
pub type Outcome = Result<(), String>;

/// One kind of file.
pub struct Format {
    /// What `cargo xtask fuzz` and the folder of its corpus call it.
    pub name: &'static str,
    /// What an error message must name.
    pub file: &'static str,
    /// Valid files.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Parse these bytes in the place of the file.
    pub parse: fn(&[u8]) -> Outcome,
}

impl Format {
    /// Parse these bytes and hold the parser to what is promised of it.
    ///
    /// # Panics
    /// When the parser panics, or refuses with a message that does not name the file.
    pub fn check(&self, bytes: &[u8]) -> Outcome {
        let outcome = (self.parse)(bytes);
        if let Err(message) = &outcome {
            assert!(message.contains(self.file), "{}: {message}", self.name);
        }
        outcome
    }
}

pub(crate) fn outcome<T>(result: Result<T, impl ToString>) -> Outcome {
    result.map(|_| ()).map_err(|error| error.to_string())
}
