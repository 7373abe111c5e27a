//! Training a vocabulary, encoding, decoding, and tokenizers that do not fit.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};
use treelora_cl_bench::{
    Error,
    text::{BytePairTraining, Tokenizer},
};

use crate::{tiny_tokenizer, write, write_json};

#[test]
fn the_most_frequent_pairs_are_joined_first() {
    // The words of Sennrich et al. 2016, algorithm 1. By hand: es 9, est 9, lo 7, low 7.
    let counts = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
    let texts = counts.iter().flat_map(|(word, n)| vec![*word; *n]);
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = BytePairTraining::new(259 + 4)
        .train(texts, folder.path())
        .unwrap();
    let file = fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let expected = json!([["e", "s"], ["es", "t"], ["l", "o"], ["lo", "w"]]);
    assert_eq!(file["model"]["merges"], expected);
    assert_eq!(tokenizer.vocabulary(), 263);
    let (es, est) = (259, 260);
    assert_eq!(tokenizer.id_of("es"), Some(es));
    assert_eq!(tokenizer.encode("est").unwrap(), [est]);
    assert_eq!(tokenizer.encode("lowest").unwrap(), [262, est]);
}

#[test]
fn the_same_texts_give_the_same_file_in_any_order() {
    let texts = [
        "to be or not to be",
        "that is the question",
        "to be, to see",
    ];
    let bytes = |texts: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let training = BytePairTraining::new(290);
        training
            .train(texts.iter().copied(), folder.path())
            .unwrap();
        fs::read(folder.path().join("tokenizer.json")).unwrap()
    };
    let first = bytes(&texts);
    assert_eq!(first, bytes(&texts));
    assert_eq!(first, bytes(&[texts[2], texts[0], texts[1]]));
    assert_ne!(first, bytes(&texts[..2]));
}

#[test]
fn special_tokens_stand_around_a_text_and_are_not_decoded() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let special = tokenizer.special();
    assert_eq!(
        (special.pad, special.bos, special.eos),
        (Some(0), Some(1), Some(2))
    );
    assert_eq!(special.stops, [2]);
    assert_eq!(tokenizer.prefix(), [1]);
    let bare = tokenizer.encode("the cat").unwrap();
    let full = tokenizer.encode_with_special("the cat").unwrap();
    assert_eq!(full, [&[1], &bare[..]].concat());
    assert_eq!(bare.len(), 2, "frequent words are one token each: {bare:?}");
    assert_eq!(
        tokenizer.decode(&[&full[..], &[2, 0]].concat()).unwrap(),
        "the cat"
    );
    assert_eq!(tokenizer.encode("the<|eos|>").unwrap().last(), Some(&2));
}

#[test]
fn digits_can_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = BytePairTraining::new(280);
    let texts = ["2024 2024 2024 and 2024"];
    let joined = training.train(texts, folder.path()).unwrap();
    assert_eq!(joined.encode("2024").unwrap().len(), 1);
    training.split_digits = true;
    let apart = training.train(texts, folder.path()).unwrap();
    assert_eq!(apart.encode("2024").unwrap().len(), 4);
    assert_eq!(
        apart.decode(&apart.encode("2024 and").unwrap()).unwrap(),
        "2024 and"
    );
}

#[test]
fn a_vocabulary_must_hold_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let error = BytePairTraining::new(258).train([], folder.path());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("258 is below 259"), "{error}");
    let smallest = BytePairTraining::new(259).train([], folder.path()).unwrap();
    assert_eq!(smallest.vocabulary(), 259);
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let rows = tokenizer.vocabulary();
    tokenizer.check_model(rows, &[2]).unwrap();
    tokenizer.check_model(rows + 20, &[]).unwrap();
    tokenizer.check_model(rows, &[5, 2]).unwrap();
    let refused = |rows, eos: &[u32]| tokenizer.check_model(rows, eos).unwrap_err().to_string();
    let few = refused(rows - 1, &[2]);
    let numbers = [rows.to_string(), (rows - 1).to_string()];
    assert!(numbers.iter().all(|number| few.contains(number)), "{few}");
    assert!(few.contains("tokenizer.json"), "{few}");
    // A text ends at each of the tokens that a file names.
    tokenizer.check_model(rows, &[5]).unwrap();
    let outside = refused(rows, &[2, 128_009]);
    assert!(outside.contains("128009"), "{outside}");
}

#[test]
fn the_files_beside_a_tokenizer_say_what_is_special() {
    let (folder, _) = tiny_tokenizer();
    let root = folder.path();
    write_json(
        root,
        "tokenizer_config.json",
        &json!({ "eos_token": { "content": "<|pad|>", "lstrip": false }, "bos_token": null }),
    );
    let map = json!({ "eos_token": "<|eos|>", "bos_token": "<|bos|>" });
    write_json(root, "special_tokens_map.json", &map);
    write_json(
        root,
        "generation_config.json",
        &json!({ "eos_token_id": [2, 7], "pad_token_id": 9 }),
    );
    write_json(
        root,
        "config.json",
        &json!({ "eos_token_id": 2, "pad_token_id": -1 }),
    );
    let special = Tokenizer::load(root).unwrap().special().clone();
    assert_eq!(
        (special.bos, special.eos, special.pad),
        (Some(1), Some(0), Some(9))
    );
    assert_eq!(special.stops, [0, 2, 7]);
    // Ids alone do.
    fs::remove_file(root.join("tokenizer_config.json")).unwrap();
    fs::remove_file(root.join("special_tokens_map.json")).unwrap();
    fs::remove_file(root.join("generation_config.json")).unwrap();
    let special = Tokenizer::load(root).unwrap().special().clone();
    assert_eq!(
        (special.bos, special.eos, special.pad),
        (None, Some(2), Some(2))
    );
}

#[test]
fn a_negative_id_is_no_token() {
    let (folder, _) = tiny_tokenizer();
    let root = folder.path();
    fs::remove_file(root.join("tokenizer_config.json")).unwrap();
    let numbers = json!({ "eos_token_id": [-1, 2], "bos_token_id": -1, "pad_token_id": -100 });
    write_json(root, "generation_config.json", &numbers);
    write_json(root, "added_tokens.json", &json!({ "<none>": -1 }));
    let tokenizer = Tokenizer::load(root).unwrap();
    let special = tokenizer.special();
    assert_eq!(
        (special.bos, special.eos, special.pad),
        (None, Some(2), Some(2))
    );
    assert_eq!(special.stops, [2]);
    assert_eq!(tokenizer.id_of("<none>"), None);
    write_json(root, "config.json", &json!({ "eos_token_id": "2" }));
    let error = Tokenizer::load(root).unwrap_err().to_string();
    assert!(
        error.contains("config.json") && error.contains("`eos_token_id` is \"2\""),
        "{error}"
    );
}

fn added(id: u32, content: &str) -> Value {
    json!({ "added_tokens_decoder": { id.to_string(): {
        "content": content, "special": true, "normalized": false,
        "lstrip": false, "rstrip": false, "single_word": false,
    }}})
}

#[test]
fn added_tokens_stand_at_their_ids_even_behind_a_gap() {
    let (folder, plain) = tiny_tokenizer();
    let root = folder.path();
    let rows = plain.vocabulary() as u32;
    let text = "the cat<|turn|> sat<|eos|>";
    write_json(root, "tokenizer_config.json", &added(rows + 7, "<|turn|>"));
    write_json(
        root,
        "added_tokens.json",
        &json!({ "<late>": rows + 20, "<early>": rows }),
    );
    let tokenizer = Tokenizer::load(root).unwrap();
    let ids = [
        ("<|turn|>", rows + 7),
        ("<late>", rows + 20),
        ("<early>", rows),
        ("<|eos|>", 2),
    ];
    for (token, id) in ids {
        assert_eq!(tokenizer.id_of(token), Some(id));
        assert_eq!(tokenizer.encode(token).unwrap(), [id]);
    }
    assert_eq!(tokenizer.vocabulary() as u32, rows + 21);
    let expected = [
        &plain.encode("the cat").unwrap()[..],
        &[rows + 7],
        &plain.encode(" sat").unwrap(),
        &[2],
    ];
    assert_eq!(tokenizer.encode(text).unwrap(), expected.concat());
    // A special one is not read out, a plain one is.
    let decoded = tokenizer.decode(&[rows + 7, rows]).unwrap();
    assert_eq!(decoded, "<early>");
}

#[test]
fn tokens_and_ids_that_collide_are_refused() {
    let (folder, plain) = tiny_tokenizer();
    let root = folder.path();
    let rows = plain.vocabulary() as u32;
    let refused = |parts: &[&str]| {
        let error = Tokenizer::load(root).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    };
    let config = "tokenizer_config.json";
    write_json(root, config, &added(5, "<|turn|>"));
    refused(&[config, "`<|turn|>` has id 5", "that of"]);
    write_json(root, config, &added(rows, "<|eos|>"));
    refused(&[config, "`<|eos|>`", "id 2 in tokenizer.json"]);
    write_json(root, config, &added(u32::MAX, "<|turn|>"));
    refused(&[config, "`<|turn|>` has id 4294967295"]);
    write_json(root, config, &added(rows, "<|turn|>"));
    write_json(root, "added_tokens.json", &json!({ "<|turn|>": rows + 1 }));
    refused(&["added_tokens.json", "`<|turn|>`", config]);
    write_json(root, "added_tokens.json", &json!({ "<other>": rows }));
    refused(&["added_tokens.json", "`<other>`", "`<|turn|>`"]);
    write_json(root, "added_tokens.json", &json!({ "<|turn|>": rows }));
    Tokenizer::load(root).unwrap();
}

#[test]
fn a_token_without_a_row_in_the_model_is_refused_where_a_text_has_it() {
    let (folder, plain) = tiny_tokenizer();
    let rows = plain.vocabulary();
    write_json(
        folder.path(),
        "added_tokens.json",
        &json!({ "[PAD]": rows }),
    );
    let load = || Tokenizer::load(folder.path()).unwrap();
    let tokenizer = load().of_model(rows, &[2]).unwrap();
    assert_eq!(
        tokenizer.encode("the cat").unwrap(),
        plain.encode("the cat").unwrap()
    );
    let error = tokenizer.encode("the [PAD]").unwrap_err().to_string();
    for part in ["`[PAD]`", &rows.to_string(), "tokenizer.json"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    let wider = load().of_model(rows + 1, &[2]).unwrap();
    assert_eq!(wider.encode("[PAD]").unwrap(), [rows as u32]);
    load().of_model(rows - 1, &[2]).unwrap_err();
}

#[test]
fn a_post_processor_that_hides_the_text_is_refused() {
    let (folder, _) = tiny_tokenizer();
    let path = folder.path().join("tokenizer.json");
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let piece = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let undefined = json!({ "SpecialToken": { "id": "[CLS]", "type_id": 0 } });
    for single in [json!([]), json!([piece, piece]), json!([undefined, piece])] {
        file["post_processor"] = json!({
            "type": "TemplateProcessing", "single": single, "pair": [piece], "special_tokens": {},
        });
        fs::write(&path, file.to_string()).unwrap();
        let error = Tokenizer::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json"), "{error}");
    }
}

#[test]
fn padding_and_truncation_of_the_file_do_not_touch_texts() {
    let (folder, tokenizer) = tiny_tokenizer();
    let text = "the cat sat on the mat";
    let whole = tokenizer.encode(text).unwrap();
    let path = folder.path().join("tokenizer.json");
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    file["truncation"] = json!({
        "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0,
    });
    file["padding"] = json!({
        "strategy": { "Fixed": 40 }, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<|pad|>",
    });
    fs::write(&path, file.to_string()).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.encode(text).unwrap(), whole);
    assert_eq!(tokenizer.encode_all(&[text, "a"]).unwrap()[0], whole);
}

#[test]
fn damaged_files_are_named() {
    let (folder, _) = tiny_tokenizer();
    let root = folder.path();
    let refused = || Tokenizer::load(root).unwrap_err();
    let named = |error: Error, name: &str, what: &str| {
        let error = error.to_string();
        assert!(error.contains(name) && error.contains(what), "{error}");
    };
    write_json(
        root,
        "tokenizer_config.json",
        &json!({ "eos_token": "</s>" }),
    );
    named(refused(), "tokenizer_config.json", "`</s>`");
    write_json(root, "tokenizer_config.json", &json!({ "eos_token": 3 }));
    named(refused(), "tokenizer_config.json", "");
    write(root, "tokenizer_config.json", "{");
    named(refused(), "tokenizer_config.json", "EOF");
    fs::remove_file(root.join("tokenizer_config.json")).unwrap();
    let whole = fs::read(root.join("tokenizer.json")).unwrap();
    write(root, "tokenizer.json", &whole[..whole.len() / 2]);
    named(refused(), "tokenizer.json", "");
    write(root, "tokenizer.json", "[".repeat(100_000));
    named(refused(), "tokenizer.json", "");
    write(root, "tokenizer.json", "{}");
    named(refused(), "tokenizer.json", "");
    fs::remove_file(root.join("tokenizer.json")).unwrap();
    let missing = refused();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
    named(missing, "tokenizer.json", "");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_text_comes_back(text in "\\PC{0,40}") {
        prop_assume!(!text.contains("<|"));
        let (_folder, tokenizer) = tiny_tokenizer();
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocabulary()));
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }

    #[test]
    fn a_beginning_stays_whatever_follows(
        ids in prop::collection::vec(0_u32..300, 0..12),
        bytes in prop::collection::vec(0_u32..262, 0..12),
        cut in 0_usize..12,
    ) {
        let (_folder, pairs) = tiny_tokenizer();
        let (_other, single) = byte_tokenizer();
        for (tokenizer, ids) in [(&pairs, &ids), (&single, &bytes)] {
            let beginning = tokenizer.decode_beginning(&ids[..cut.min(ids.len())]).unwrap();
            let whole = tokenizer.decode(ids).unwrap();
            prop_assert!(whole.starts_with(&beginning), "{:?} {:?}", beginning, whole);
        }
    }
}

/// Words, and a token for each byte, as in LLaMA 2 and Gemma; the last one is special.
fn byte_tokenizer() -> (tempfile::TempDir, Tokenizer) {
    let folder = tempfile::tempdir().unwrap();
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let words = ["▁good", "▁", "g", "good", "é", "<end>"];
    let tokens = bytes.chain(words.map(str::to_owned)).zip(0..);
    let vocabulary: serde_json::Map<String, Value> = tokens
        .map(|(token, id): (_, u32)| (token, json!(id)))
        .collect();
    let end = json!({
        "id": 261, "content": "<end>", "special": true, "normalized": false,
        "single_word": false, "lstrip": false, "rstrip": false
    });
    let file = json!({
        "version": "1.0",
        "added_tokens": [end],
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" },
            { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": {
            "type": "BPE", "vocab": vocabulary, "merges": [], "byte_fallback": true, "fuse_unk": false
        },
    });
    write_json(folder.path(), "tokenizer.json", &file);
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    (folder, tokenizer)
}

#[test]
fn a_beginning_leaves_out_what_is_not_sure_yet() {
    let (_folder, bytes) = byte_tokenizer();
    let beginning = |ids: &[u32]| bytes.decode_beginning(ids).unwrap();
    let (good, word, end) = (256, 259, 261);
    assert_eq!(beginning(&[good, word]), "goodgood");
    // A line end is a byte, and bytes in a row that are no text make none of them one.
    assert_eq!(bytes.decode(&[good, 0x0a]).unwrap(), "good\n");
    assert_eq!(
        bytes.decode(&[good, 0x0a, end, 0xff]).unwrap(),
        "good\u{fffd}\u{fffd}"
    );
    assert_eq!(beginning(&[good, 0x0a]), "good");
    assert_eq!(beginning(&[good, 0x0a, end]), "good");
    assert_eq!(beginning(&[good, 0x0a, word]), "good\ngood");

    let (_folder, pairs) = tiny_tokenizer();
    let ids = pairs.encode("né").unwrap();
    let last = ids.len() - 1;
    assert_eq!(pairs.decode_beginning(&ids[..last]).unwrap(), "n");
    assert_eq!(pairs.decode_beginning(&ids).unwrap(), "né");
}
