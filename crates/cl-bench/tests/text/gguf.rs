//! Tokenizers out of GGUF files: the ids of llama.cpp (xtask/golden/gguf_tokenizers.py), and files that are refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use treelora_cl_bench::text::Tokenizer;
use treelora_core::Error;

fn fixture(file: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gguf");
    Path::new(folder).join(file)
}

#[derive(Deserialize)]
struct Golden {
    probes: Vec<String>,
    bytes: BTreeMap<String, Vec<Vec<u32>>>,
    pieces: BTreeMap<String, Vec<Vec<u32>>>,
}

fn golden() -> Golden {
    let text = fs::read_to_string(fixture("tokenizers.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Bytes, and those that stand in their place.
type Change = (Vec<u8>, Vec<u8>);

/// A fixture with other bytes, of any length, in the place of some; its numbers are then somewhere else.
fn changed(file: &str, changes: &[(&[u8], &[u8])]) -> Result<Tokenizer, Error> {
    let mut bytes = fs::read(fixture(file)).unwrap();
    for (from, to) in changes {
        let at = bytes.windows(from.len()).position(|part| part == *from);
        let at = at.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(from)));
        bytes.splice(at..at + from.len(), to.iter().copied());
    }
    bytes.extend([0; 64]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    Tokenizer::load(&path)
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A key of the metadata with the number of its type.
fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &kind.to_le_bytes(), value].concat()
}

#[track_caller]
fn assert_ids(tokenizer: &Tokenizer, golden: &Golden, ids: &[Vec<u32>], what: &str) {
    assert_eq!(golden.probes.len(), ids.len());
    for (probe, ids) in golden.probes.iter().zip(ids) {
        let ours = tokenizer.encode_with_special(probe).unwrap();
        assert_eq!(&ours, ids, "{what}: {probe:?}");
    }
}

#[test]
fn bytes_are_cut_and_joined_as_in_llama_cpp() {
    let golden = golden();
    assert!(golden.bytes.len() > 4);
    let different: BTreeSet<_> = golden.bytes.values().collect();
    assert!(different.len() > 3, "the ways to cut differ in the probes");
    for (pre, ids) in &golden.bytes {
        let named = |name: &str| key("tokenizer.ggml.pre", 8, &text(name));
        let tokenizer = changed("bytes.gguf", &[(&named("smollm"), &named(pre))]).unwrap();
        assert_ids(&tokenizer, &golden, ids, pre);
    }
}

#[test]
fn pieces_are_joined_as_in_llama_cpp() {
    let golden = golden();
    for (prefix, ids) in &golden.pieces {
        let flag = |value| key("tokenizer.ggml.add_space_prefix", 7, &[value]);
        let wanted = flag(u8::from(prefix == "true"));
        let tokenizer = changed("pieces.gguf", &[(&flag(1), &wanted)]).unwrap();
        assert_ids(&tokenizer, &golden, ids, prefix);
        assert_eq!(tokenizer.prefix(), [1]);
    }
}

#[test]
fn texts_come_back_and_special_tokens_are_those_of_the_metadata() {
    for file in ["bytes.gguf", "pieces.gguf"] {
        let tokenizer = Tokenizer::load(&fixture(file)).unwrap();
        for probe in golden().probes.iter().filter(|probe| !probe.contains("<|")) {
            let ids = tokenizer.encode(probe).unwrap();
            let decoded = tokenizer.decode(&ids).unwrap();
            // A piece that is found whole has a blank of the tokenizer's behind it.
            match file == "pieces.gguf" && probe.contains("<tool>") {
                true => assert_eq!(decoded.replace("<tool> ", "<tool>"), *probe),
                false => assert_eq!(decoded, *probe, "{file}"),
            }
        }
    }
    let bytes = Tokenizer::load(&fixture("bytes.gguf")).unwrap();
    let special = bytes.special();
    assert_eq!(
        (special.bos, special.eos, special.pad),
        (Some(1), Some(2), Some(0))
    );
    // The end of a text of every kind, as in llama.cpp.
    assert_eq!(special.stops, [0, 2]);
    let turn = bytes.chat_template().unwrap().render("hello").unwrap();
    assert_eq!(turn, "<<|im_start|>>hello<|im_end|>");
    let ids = bytes.encode("a<|im_end|>").unwrap();
    assert_eq!(ids.last(), Some(&2));
    assert_eq!(bytes.decode(&ids).unwrap(), "a");
    let pieces = Tokenizer::load(&fixture("pieces.gguf")).unwrap();
    let special = pieces.special();
    assert_eq!(
        (special.eos, special.pad, &special.stops[..]),
        (Some(2), Some(2), &[2][..])
    );
}

#[test]
fn a_beginning_is_added_where_the_file_or_its_kind_says_so() {
    let flag = |value| key("tokenizer.ggml.add_bos_token", 7, &[value]);
    let with = changed("bytes.gguf", &[(&flag(0), &flag(1))]).unwrap();
    assert_eq!(with.prefix(), [1]);
    let without = changed("pieces.gguf", &[(&flag(1), &flag(0))]).unwrap();
    assert_eq!(without.prefix(), [] as [u32; 0]);
    let unsaid = key("tokenizer.ggml.add_bos_tokem", 7, &[0]);
    let pre = |name: &str| key("tokenizer.ggml.pre", 8, &text(name));
    for (name, prefix) in [("llama-bpe", &[1][..]), ("smollm", &[])] {
        let changes = [(&flag(0)[..], &unsaid[..]), (&pre("smollm"), &pre(name))];
        assert_eq!(changed("bytes.gguf", &changes).unwrap().prefix(), prefix);
    }
    let ends = key("tokenizer.ggml.add_eos_token", 7, &[1]);
    let end = changed("bytes.gguf", &[(&flag(0), &ends)]).unwrap();
    assert_eq!(end.suffix(), [2]);
}

#[test]
fn letters_with_marks_are_composed_where_the_models_own_tokenizer_does() {
    let pre = |name: &str| key("tokenizer.ggml.pre", 8, &text(name));
    let cut = |name: &str| {
        let tokenizer = changed("bytes.gguf", &[(&pre("smollm"), &pre(name))]).unwrap();
        tokenizer.encode("cafe\u{301}").unwrap() == tokenizer.encode("caf\u{e9}").unwrap()
    };
    assert!(cut("qwen2") && !cut("gpt-2"));
}

#[test]
fn files_without_a_tokenizer_that_is_read_are_refused_by_key() {
    let model = |name: &str| key("tokenizer.ggml.model", 8, &text(name));
    let renamed = |name: &str| {
        (name.as_bytes().to_vec(), {
            let mut other = name.as_bytes().to_vec();
            *other.last_mut().unwrap() = b'_';
            other
        })
    };
    let id = |name: &str, id: u32| key(name, 4, &id.to_le_bytes());
    let bos = "tokenizer.ggml.bos_token_id";
    let missing = "its metadata has no";
    let cases: [(&str, Change, &[&str]); 9] = [
        (
            "bytes.gguf",
            renamed("tokenizer.ggml.model"),
            &["`tokenizer.ggml.model`", missing],
        ),
        (
            "bytes.gguf",
            renamed("tokenizer.ggml.tokens"),
            &["`tokenizer.ggml.tokens`", missing],
        ),
        (
            "bytes.gguf",
            renamed("tokenizer.ggml.merges"),
            &["`tokenizer.ggml.merges`", missing],
        ),
        (
            "pieces.gguf",
            renamed("tokenizer.ggml.scores"),
            &["`tokenizer.ggml.scores`", missing],
        ),
        (
            "pieces.gguf",
            renamed(bos),
            &["`tokenizer.ggml.bos_token_id`", missing],
        ),
        (
            "bytes.gguf",
            (model("gpt2"), model("bert")),
            &["`tokenizer.ggml.model`", "`bert`", "gpt2, llama"],
        ),
        (
            "bytes.gguf",
            (
                key("tokenizer.ggml.pre", 8, &text("smollm")),
                key("tokenizer.ggml.pre", 8, &text("viking")),
            ),
            &["`tokenizer.ggml.pre`", "`viking`", "smollm"],
        ),
        (
            "bytes.gguf",
            (id(bos, 1), id(bos, 9999)),
            &["`tokenizer.ggml.bos_token_id`", "9999"],
        ),
        (
            "bytes.gguf",
            (text("<|im_end|>"), text("<|im_start|>")),
            &["`<|im_start|>` twice", "1 and 2"],
        ),
    ];
    for (file, (from, to), parts) in cases {
        let message = changed(file, &[(&from, &to)]).unwrap_err().to_string();
        for part in parts.iter().chain(&["model.gguf"]) {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.h5");
    fs::write(&path, b"\x89HDF\r\n\x1a\n").unwrap();
    let message = Tokenizer::load(&path).unwrap_err().to_string();
    assert!(
        message.contains("model.h5") && message.contains("HDF5"),
        "{message}"
    );
}

#[test]
fn merges_that_are_no_pairs_of_tokens_are_named() {
    let file = treelora_core::GgufFile::open(&fixture("bytes.gguf")).unwrap();
    let merges = file.texts("tokenizer.ggml.merges").unwrap().unwrap();
    let first = text(&merges[0]);
    let message = changed("bytes.gguf", &[(&first, &text("whole"))])
        .unwrap_err()
        .to_string();
    for part in ["model.gguf", "`tokenizer.ggml.merges`", "`whole` at 0"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    let message = changed("bytes.gguf", &[(&first, &text("not there"))])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("model.gguf") && message.contains("`not`"),
        "{message}"
    );
}
