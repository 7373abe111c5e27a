//! Tokens that the files beside `tokenizer.json` add to its vocabulary.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};
use treelora_core::Error;

use super::{
    token_names::{Flags, NamedToken, TokenNames},
    tokenizer_files::{FILE, TokenizerFiles},
};

const CONFIG: &str = "tokenizer_config.json";
const LIST: &str = "added_tokens.json";

/// More rows than any embedding has.
const LARGEST: i64 = 1 << 30;

/// A token whose id is written in a file.
#[derive(Debug)]
struct Stated {
    token: AddedToken,
    file: &'static str,
}

/// `tokenizer_config.json`, as far as it concerns added tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    added_tokens_decoder: Option<BTreeMap<i64, Described>>,
}

#[derive(Debug, Deserialize)]
struct Described {
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(flatten)]
    flags: Flags,
}

/// Add to a tokenizer what the files beside it name: the tokens of `added_tokens_decoder` and `added_tokens.json` at
/// the ids that stand there, with their flags; named special tokens that the vocabulary has, as special ones; other
/// special tokens behind the last id, in transformers' order. A text that ends or begins with a token without an id
/// is another matter: those of `bos_token` and `eos_token` are not given one.
///
/// # Errors
/// When files disagree on a token or an id, or a tokenizer without ids of its own would get a gap.
pub(super) fn extend(
    mut tokenizer: Tokenizer,
    files: &TokenizerFiles,
    names: &TokenNames,
) -> Result<Tokenizer, Error> {
    let stated = stated(files, names)?;
    for (id, Stated { token, file }) in &stated {
        check_free(&tokenizer, *id, token, &files.path_of(file))?;
    }
    let known = tokenizer.get_added_tokens_decoder();
    let changed = stated
        .iter()
        .filter(|(id, stated)| known.get(*id) != Some(&stated.token));
    let changed: Vec<(u32, AddedToken)> = changed
        .map(|(id, Stated { token, .. })| {
            let special = token.special || names.has_use(&token.content);
            (*id, token.clone().special(special))
        })
        .collect();
    if let Some(id) = first_out_of_turn(&tokenizer, &changed) {
        tokenizer = with_wider_vocabulary(tokenizer, files, &changed, id)?;
    }
    let tokens: Vec<AddedToken> = changed.into_iter().map(|(_, token)| token).collect();
    if !tokens.is_empty() {
        tokenizer.add_tokens(&tokens);
    }
    let added: Vec<String> = tokenizer
        .get_added_tokens_decoder()
        .into_values()
        .map(|token| token.content)
        .collect();
    let frame = |token: &NamedToken| {
        ["bos_token", "eos_token"]
            .iter()
            .any(|key| names.get(key) == Some(token))
    };
    let named: Vec<AddedToken> = names
        .all()
        .filter(|token| !added.contains(&token.content))
        .filter(|token| !frame(token) || tokenizer.token_to_id(&token.content).is_some())
        .map(|token| added_token(&token.content, true, token.flags))
        .collect();
    if !named.is_empty() {
        tokenizer.add_tokens(&named);
    }
    Ok(tokenizer)
}

/// The tokens with an id, by id.
fn stated(files: &TokenizerFiles, names: &TokenNames) -> Result<BTreeMap<u32, Stated>, Error> {
    let config: Config = files.json_if_present(CONFIG)?;
    let decoder = config.added_tokens_decoder.unwrap_or_default();
    let described = decoder.into_iter().map(|(id, token)| {
        (
            id,
            added_token(&token.content, token.special, token.flags),
            CONFIG,
        )
    });
    let list: BTreeMap<String, i64> = files.json_if_present(LIST)?;
    let listed = list.into_iter().map(|(content, id)| {
        let special = names.all().any(|token| token.content == content);
        (id, added_token(&content, special, Flags::default()), LIST)
    });
    let mut stated: BTreeMap<u32, Stated> = BTreeMap::new();
    for (id, token, file) in described.chain(listed) {
        let content = &token.content;
        let id = match id {
            // A negative id is no token.
            ..0 => continue,
            0..LARGEST => id as u32,
            _ => {
                let problem = format!("`{content}` has id {id}, which is no token of any model");
                return Err(Error::format(files.path_of(file), problem));
            }
        };
        let other = stated
            .iter()
            .find(|(other, stated)| (**other == id) != (stated.token.content == *content));
        if let Some((other, stated)) = other {
            let problem = format!(
                "`{content}` has id {id}, but `{}` has id {other} in {}",
                stated.token.content, stated.file
            );
            return Err(Error::format(files.path_of(file), problem));
        }
        stated.entry(id).or_insert(Stated { token, file });
    }
    Ok(stated)
}

/// As the library makes it: special tokens are found before the text is normalised.
fn added_token(content: &str, special: bool, flags: Flags) -> AddedToken {
    AddedToken::from(content, special)
        .single_word(flags.single_word)
        .lstrip(flags.lstrip)
        .rstrip(flags.rstrip)
        .normalized(flags.normalized.unwrap_or(!special))
}

/// Refuse a token that is in the vocabulary at another place, or whose place another one has.
fn check_free(
    tokenizer: &Tokenizer,
    id: u32,
    token: &AddedToken,
    path: &Path,
) -> Result<(), Error> {
    let content = &token.content;
    let problem = match (tokenizer.token_to_id(content), tokenizer.id_to_token(id)) {
        (Some(own), _) if own != id => format!("`{content}` has id {id}, but id {own} in {FILE}"),
        (_, Some(other)) if other != *content => {
            format!("`{content}` has id {id}, which is that of `{other}` in {FILE}")
        }
        _ => return Ok(()),
    };
    Err(Error::format(path, problem))
}

/// The first id that the library, which counts new tokens on from the last one, would not give.
fn first_out_of_turn(tokenizer: &Tokenizer, tokens: &[(u32, AddedToken)]) -> Option<u32> {
    let size = tokenizer.get_vocab_size(false) as u32;
    let last = tokenizer.get_added_tokens_decoder().into_keys().max();
    let mut next = last.map_or(size, |last| size.max(last + 1));
    let new = tokens
        .iter()
        .filter(|(_, token)| tokenizer.token_to_id(&token.content).is_none());
    let mut ids = new.map(|(id, _)| *id);
    ids.find(|id| {
        next += 1;
        *id != next - 1
    })
}

/// The tokenizer with the tokens in the vocabulary of its model, where an id can be anything; those that it has added
/// itself go there too, so that they keep the ids that they have.
fn with_wider_vocabulary(
    tokenizer: Tokenizer,
    files: &TokenizerFiles,
    tokens: &[(u32, AddedToken)],
    id: u32,
) -> Result<Tokenizer, Error> {
    let path = files.path_of(FILE);
    let damaged = |problem: String| Error::format(&path, problem);
    let mut file: Value =
        serde_json::from_str(&files.tokenizer_json()?).map_err(|e| damaged(e.to_string()))?;
    let Some(Value::Object(vocabulary)) = file.pointer_mut("/model/vocab") else {
        return Err(damaged(format!(
            "its tokens have the ids 0 to {} by their position, so that there cannot be one of id {id}",
            tokenizer.get_vocab_size(true) - 1
        )));
    };
    let own = tokenizer.get_added_tokens_decoder();
    let own = own.iter().map(|(id, token)| (*id, token));
    for (id, token) in own.chain(tokens.iter().map(|(id, token)| (*id, token))) {
        vocabulary
            .entry(token.content.clone())
            .or_insert(Value::from(id));
    }
    Tokenizer::from_bytes(file.to_string()).map_err(|e| damaged(e.to_string()))
}
