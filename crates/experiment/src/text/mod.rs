//! Experiments on text: a decoder with its tokenizer, and the answers that it writes.

pub(crate) mod general_text;

pub(crate) mod generated_answers;

pub(crate) mod known_answers;

pub(crate) mod label_choices;

pub(crate) mod label_stop;

pub(crate) mod language_model;

pub(crate) mod prompt_router;

pub(crate) mod text_inputs;
