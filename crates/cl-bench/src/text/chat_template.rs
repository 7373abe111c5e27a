//! The frame that a chat model expects around a prompt.

use std::{collections::BTreeMap, path::Path};

use minijinja::{
    Environment, Error as TemplateError, ErrorKind, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, Rest, ValueKind},
};
use serde::Deserialize;
use treelora_core::Error;

use super::{
    date::Date,
    template_methods,
    template_source::readable,
    template_values::{JsonStyle, printed},
    tokenizer_files::TokenizerFiles,
};

/// Name of the one template in its environment.
const NAME: &str = "chat";
/// Stands for the prompt where the frame around it is wanted: characters of private use, which no filter changes.
const PLACEHOLDER: &str = "\u{e000}\u{e001}\u{e002}";
/// What gives a template the day.
const CLOCK: &str = "strftime_now";

/// A model's Jinja template, rendered with one message of the user, as transformers'
/// `apply_chat_template(..., add_generation_prompt=True)` does: with `tools` and `documents` of none, the named special
/// tokens, `raise_exception`, `tojson` and printed values as Python writes them.
///
/// `strftime_now` is there where [a date is given](Self::with_date), so that results do not depend on the day
/// otherwise.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: Vec<(String, String)>,
    reads_clock: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    chat_template: Option<Templates>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
    ByName(BTreeMap<String, String>),
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    template: String,
}

impl ChatTemplate {
    /// From `chat_template.jinja` or `tokenizer_config.json`; `tokens` are the special tokens that the
    /// template may write, each by its key, such as `bos_token`.
    ///
    /// # Errors
    /// When neither file has a template, or it cannot be compiled.
    pub(super) fn read(
        files: &TokenizerFiles,
        tokens: Vec<(String, String)>,
    ) -> Result<Self, Error> {
        let alone = "chat_template.jinja";
        if let Some(source) = files.text_if_present(alone)? {
            return Self::compile(&files.path_of(alone), &source, tokens);
        }
        let file = "tokenizer_config.json";
        let path = files.path_of(file);
        let config: Config = files.json_if_present(file)?;
        let source = match config.chat_template {
            Some(Templates::One(source)) => source,
            Some(Templates::Named(named)) => {
                let named = named.into_iter().map(|named| (named.name, named.template));
                default_one(&path, named.collect())?
            }
            Some(Templates::ByName(named)) => default_one(&path, named)?,
            None => return Err(Error::format(&path, "there is no `chat_template`")),
        };
        Self::compile(&path, &source, tokens)
    }

    fn compile(path: &Path, source: &str, tokens: Vec<(String, String)>) -> Result<Self, Error> {
        let problem = |e: TemplateError| Error::format(path, format!("chat template: {e}"));
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(problem)?;
        environment.set_syntax(syntax);
        minijinja_contrib::add_to_environment(&mut environment);
        environment.set_unknown_method_callback(template_methods::call);
        environment.set_formatter(|out, _, value| {
            if !value.is_undefined() {
                out.write_str(&printed(value))?;
            }
            Ok(())
        });
        environment.add_function("raise_exception", |message: Value| -> Result<Value, _> {
            Err(refusal(printed(&message)))
        });
        environment.add_filter("tojson", tojson);
        environment.add_filter("string", |value: Value| printed(&value));
        environment.add_filter("wordcount", wordcount);
        environment
            .add_template_owned(NAME, readable(source))
            .map_err(problem)?;
        Ok(Self {
            environment,
            tokens,
            reads_clock: source.contains(CLOCK),
        })
    }

    /// The template with a clock that stands still at `date`.
    #[must_use]
    pub fn with_date(mut self, date: Date) -> Self {
        let clock = move |format: String| date.strftime(&format).map_err(refusal);
        self.environment.add_function(CLOCK, clock);
        self
    }

    /// Whether the template asks for the day.
    pub fn reads_clock(&self) -> bool {
        self.reads_clock
    }

    /// The prompt in its frame, up to where the answer begins.
    ///
    /// # Errors
    /// When the template refuses.
    pub fn render(&self, prompt: &str) -> Result<String, Error> {
        let message = context! { role => "user", content => prompt };
        let messages: Value = [message].into_iter().collect();
        let fixed = [
            ("messages".to_owned(), messages),
            ("tools".to_owned(), Value::from(())),
            ("documents".to_owned(), Value::from(())),
            ("add_generation_prompt".to_owned(), Value::from(true)),
        ];
        let tokens = self.tokens.iter();
        let tokens = tokens.map(|(key, token)| (key.clone(), Value::from(token.as_str())));
        let context: BTreeMap<String, Value> = fixed.into_iter().chain(tokens).collect();
        let template = self.environment.get_template(NAME);
        template
            .and_then(|template| template.render(Value::from(context)))
            .map_err(|e| Error::Data(format!("chat template: {e}")))
    }

    /// What stands before and after a prompt.
    ///
    /// # Errors
    /// When the template refuses, or changes the prompt or leaves it out.
    pub fn frame(&self) -> Result<(String, String), Error> {
        let text = self.render(PLACEHOLDER)?;
        text.split_once(PLACEHOLDER)
            .map(|(before, after)| (before.to_owned(), after.to_owned()))
            .ok_or_else(|| Error::Data("chat template: the prompt is not in its output".into()))
    }
}

/// The template that is meant where none is named.
fn default_one(path: &Path, mut named: BTreeMap<String, String>) -> Result<String, Error> {
    named.remove("default").ok_or_else(|| {
        let names: Vec<&str> = named.keys().map(String::as_str).collect();
        let problem = format!(
            "`chat_template` has no `default`, only: {}",
            names.join(", ")
        );
        Error::format(path, problem)
    })
}

/// transformers' filter: Python's `json.dumps`, nothing escaped for HTML.
fn tojson(value: Value, places: Rest<Value>, named: Kwargs) -> Result<String, TemplateError> {
    let argument = |place: usize, key: &str| -> Result<Option<Value>, TemplateError> {
        let value = match places.get(place) {
            Some(value) => Some(value.clone()),
            None => named.get(key)?,
        };
        Ok(value.filter(|value: &Value| !value.is_none()))
    };
    let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let ensure_ascii = is_true(argument(0, "ensure_ascii")?);
    let indent = match argument(1, "indent")? {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None if indent.kind() == ValueKind::Bool => " ".repeat(indent.is_true().into()),
            None => " ".repeat(usize::try_from(i64::try_from(indent)?.clamp(0, 80)).unwrap_or(0)),
        }),
    };
    let separators = match argument(2, "separators")? {
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
        Some(pair) => {
            let pair: Vec<Value> = pair.try_iter()?.collect();
            match pair.as_slice() {
                [items, keys] => (printed(items), printed(keys)),
                _ => return Err(refusal("`separators` of tojson are two texts".to_owned())),
            }
        }
    };
    let sort_keys = is_true(argument(3, "sort_keys")?);
    named.assert_all_used()?;
    let style = JsonStyle {
        ensure_ascii,
        indent,
        separators,
        sort_keys,
    };
    style.write(&value)
}

/// Jinja's filter: runs of letters, digits and underscores.
fn wordcount(text: String) -> usize {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.filter(|word| !word.is_empty()).count()
}

fn refusal(message: String) -> TemplateError {
    TemplateError::new(ErrorKind::InvalidOperation, message)
}
