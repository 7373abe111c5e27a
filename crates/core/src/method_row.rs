//! What a registry says of a method.

use serde_json::Value;

/// One method of a registry: what a user reads before choosing it, and what a program must know to offer it.
#[derive(Clone, Copy, Debug)]
pub struct MethodRow {
    /// Name in files and tables.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub sentence: &'static str,
    /// What it needs of the model.
    pub needs: Needs,
    /// Whether it keeps an adapter for each task that it could answer with.
    pub keeps_adapters: bool,
    /// Whether it infers the task of an example by itself.
    pub infers_tasks: bool,
    /// Its settings with their defaults, as a table.
    pub defaults: fn() -> Value,
}

/// What a method needs of the model that it trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing but scores and a loss ([`ContinualModel`](crate::ContinualModel)).
    AnyModel,
    /// A classification head ([`Classifier`](crate::Classifier)).
    Classifier,
    /// Tokens between the blocks ([`TokenModel`](crate::TokenModel)).
    Tokens,
    /// Prompts of text.
    Text,
}

impl Needs {
    /// In the words of a list.
    pub fn words(self) -> &'static str {
        match self {
            Self::AnyModel => "any model",
            Self::Classifier => "a classification head",
            Self::Tokens => "tokens between the blocks",
            Self::Text => "text",
        }
    }
}
