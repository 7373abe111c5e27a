//! GGUF files: the numbers of the Python package `gguf` (xtask/golden/gguf_types.py), and files that are refused.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use treelora_tensor_file::{GgufError, GgufFile, GgufType, TensorFile};

fn fixture(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    PathBuf::from(folder).join(name)
}

fn opened(bytes: &[u8]) -> Result<GgufFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    GgufFile::open(&path).map_err(|error| {
        assert!(matches!(error, GgufError::Content { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("model.gguf"), "{message}");
        message
    })
}

#[track_caller]
fn assert_refused(bytes: &[u8], parts: &[&str]) {
    let message = opened(bytes).unwrap_err();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A key with the number of its type and its bytes.
fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(name), &kind.to_le_bytes()[..], value].concat()
}

/// The index entry of a tensor; sides as the file has them.
fn tensor(name: &str, sides: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut entry = text(name);
    entry.extend((sides.len() as u32).to_le_bytes());
    entry.extend(sides.iter().flat_map(|side| side.to_le_bytes()));
    entry.extend(kind.to_le_bytes());
    entry.extend(offset.to_le_bytes());
    entry
}

/// A file of version 3 with `data` bytes behind the index.
fn file(keys: &[Vec<u8>], tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
    let counts = [tensors.len() as u64, keys.len() as u64].map(u64::to_le_bytes);
    let head = [&b"GGUF\x03\0\0\0"[..], &counts.concat()].concat();
    let mut bytes = [head, keys.concat(), tensors.concat()].concat();
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}

#[test]
fn every_number_format_is_widened_as_by_the_package_gguf() {
    let ours = GgufFile::open(&fixture("types.gguf")).unwrap();
    let theirs = TensorFile::load(&fixture("types.safetensors")).unwrap();
    for kind in GgufType::ALL {
        let name = format!("{kind:?}");
        assert_eq!(ours.shape(&name), Some(&[2, 256][..]));
        assert_eq!(ours.kind(&name), Some(kind));
        let values = ours.values(&name).unwrap();
        let expected = theirs.f32s(&name).unwrap();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values), bits(&expected), "{name}");
        assert!(values.iter().any(|value| *value != values[0]), "{name}");
    }
    assert_eq!(ours.names().count(), GgufType::ALL.len());
    assert!(ours.values("Q2_K").is_none());
}

#[test]
fn metadata_of_every_type_is_read() {
    let file = GgufFile::open(&fixture("types.gguf")).unwrap();
    assert_eq!(file.text("general.architecture").unwrap(), Some("llama"));
    assert_eq!(file.text("test.text").unwrap(), Some("Frösche"));
    assert_eq!(file.text("test.nothing").unwrap(), None);
    for (name, value) in [
        ("u8", 200),
        ("u16", 60_000),
        ("u32", 4_000_000_000),
        ("u64", (1 << 63) + 1),
    ] {
        assert_eq!(file.count(&format!("test.{name}")).unwrap(), Some(value));
    }
    for (name, value) in [
        ("i8", -100.0),
        ("i16", -30_000.0),
        ("i32", -2e9),
        ("f32", 1e-6),
        ("f64", 0.1),
    ] {
        assert_eq!(file.number(&format!("test.{name}")).unwrap(), Some(value));
    }
    assert_eq!(file.number("test.i64").unwrap(), Some(-(2f64.powi(62))));
    assert_eq!(file.flag("test.bool").unwrap(), Some(true));
    let texts = file.texts("test.texts").unwrap().unwrap();
    assert_eq!(texts, ["", "a b", "\u{2581}c"]);
    assert_eq!(
        file.numbers("test.numbers").unwrap(),
        Some(vec![0.5, -1.25])
    );
    assert_eq!(file.flags("test.flags").unwrap(), Some(vec![true, false]));
    for (error, parts) in [
        (
            file.count("test.i8").unwrap_err(),
            ["`test.i8`", "-100", "whole number"],
        ),
        (
            file.flag("test.u8").unwrap_err(),
            ["`test.u8`", "200", "true or false"],
        ),
        (
            file.text("test.bool").unwrap_err(),
            ["`test.bool`", "true", "a text"],
        ),
        (
            file.texts("test.numbers").unwrap_err(),
            ["`test.numbers`", "f32", "list of texts"],
        ),
        (
            file.numbers("test.texts").unwrap_err(),
            ["`test.texts`", "list of 3", "numbers"],
        ),
    ] {
        let message = error.to_string();
        for part in parts.into_iter().chain(["types.gguf"]) {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = fs::read(fixture("types.gguf")).unwrap();
    opened(&whole).unwrap();
    // The last tensor is filled up to a multiple of 32.
    for length in (0..whole.len() - 32).step_by(7).chain([whole.len() - 32]) {
        assert!(opened(&whole[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn other_files_and_versions_are_named() {
    let valid = file(&[], &[tensor("a", &[4], 0, 0)], 16);
    assert_eq!(opened(&valid).unwrap().values("a"), Some(vec![0.0; 4]));
    let version = |bytes: [u8; 4]| [&valid[..4], &bytes, &valid[8..]].concat();
    assert!(opened(&version([2, 0, 0, 0])).is_ok());
    assert_refused(&version([1, 0, 0, 0]), &["version 1", "2 and 3"]);
    assert_refused(&version([4, 0, 0, 0]), &["version 4"]);
    assert_refused(&version([0, 0, 0, 3]), &["version 3", "big-endian"]);
    assert_refused(b"", &["empty"]);
    assert_refused(b"tjgg\x03\0\0\0", &["`ggjt`", "before GGUF"]);
    assert_refused(b"PK\x03\x04", &["zip"]);
    assert_refused(b"something else", &["not a GGUF file"]);
    let folder = tempfile::tempdir().unwrap();
    let error = GgufFile::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("a folder"), "{error}");
    let missing = GgufFile::open(&folder.path().join("x.gguf"));
    assert!(matches!(missing, Err(GgufError::Io { .. })));
}

/// Nothing is allocated by a number that the file alone vouches for; the harness of the fuzzer bounds it too.
#[test]
fn counts_beyond_the_file_are_refused_by_number() {
    let valid = file(&[], &[tensor("a", &[4], 0, 0)], 16);
    let count = |at: usize, count: u64| {
        let mut bytes = valid.clone();
        bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
        bytes
    };
    for huge in [1 << 40, u64::MAX] {
        assert_refused(&count(8, huge), &[&huge.to_string(), "tensors", "bytes"]);
        assert_refused(&count(16, huge), &[&huge.to_string(), "keys"]);
        let list = |kind: u32| [&kind.to_le_bytes()[..], &huge.to_le_bytes()].concat();
        for kind in [0, 5, 8, 12] {
            assert_refused(&file(&[key("list", 9, &list(kind))], &[], 0), &["`list`"]);
        }
        let named = [&huge.to_le_bytes()[..], b"name"].concat();
        assert_refused(&file(&[named], &[], 64), &["key 0", &huge.to_string()]);
        assert_refused(
            &file(&[], &[tensor("a", &[huge, huge], 0, 0)], 64),
            &["`a`", "any file"],
        );
        assert_refused(
            &file(&[], &[tensor("a", &[huge & !31], 8, 0)], 64),
            &["`a`"],
        );
    }
}

#[test]
fn tensors_that_do_not_fit_the_file_are_named() {
    let one = |entry: Vec<u8>, data: usize| file(&[], &[entry], data);
    assert!(opened(&one(tensor("a", &[32, 2], 8, 0), 68)).is_ok());
    assert_refused(
        &one(tensor("a", &[32, 2], 8, 0), 67),
        &["`a`", "68 bytes", "offset 0"],
    );
    assert_refused(&one(tensor("a", &[4], 0, 64), 64), &["`a`", "offset 64"]);
    assert_refused(
        &one(tensor("a", &[4], 0, 8), 64),
        &["`a`", "offset 8", "multiple of 32"],
    );
    let last = !31;
    assert_refused(&one(tensor("a", &[64], 0, last), 64), &["`a`"]);
    assert_refused(
        &one(tensor("a", &[33], 8, 0), 64),
        &["`a`", "33", "Q8_0", "32"],
    );
    assert_refused(
        &one(tensor("a", &[256], 10, 0), 999),
        &["`a`", "Q2_K", "Q4_K"],
    );
    assert_refused(&one(tensor("a", &[4], 77, 0), 64), &["`a`", "type 77"]);
    assert_refused(&one(tensor("a", &[], 0, 0), 64), &["`a`", "0 dimensions"]);
    assert_refused(
        &one(tensor("a", &[1; 5], 0, 0), 64),
        &["`a`", "5 dimensions"],
    );
    let twice = [tensor("a", &[4], 0, 0), tensor("a", &[4], 0, 32)];
    assert_refused(&file(&[], &twice, 64), &["`a`", "twice"]);
}

#[test]
fn metadata_that_contradict_themselves_are_named() {
    let one = |entry: Vec<u8>| file(&[entry], &[], 0);
    let number = |value: u32| value.to_le_bytes().to_vec();
    let twice = [key("a", 4, &number(1)), key("a", 4, &number(2))];
    assert_refused(&file(&twice, &[], 0), &["`a`", "twice"]);
    assert_refused(&one(key("a", 13, &number(1))), &["`a`", "type 13"]);
    assert_refused(&one(key("a", 7, &[2])), &["`a`", "2", "0 or 1"]);
    let nested = [number(9), number(0), number(0)].concat();
    assert_refused(&one(key("a", 9, &nested)), &["`a`", "list of lists"]);
    let no_text = [&2u64.to_le_bytes()[..], b"\xff\xfe"].concat();
    assert_refused(&one(key("a", 8, &no_text)), &["`a`", "UTF-8"]);
    for alignment in [0, 3] {
        let entry = key("general.alignment", 4, &number(alignment));
        assert_refused(&one(entry), &["`general.alignment`", "power of two"]);
    }
    let entry = key("general.alignment", 7, &[1]);
    assert_refused(&one(entry), &["`general.alignment`", "true"]);
    // A wider alignment moves the numbers.
    let wide = [key("general.alignment", 4, &number(256))];
    let mut bytes = file(&wide, &[tensor("a", &[1], 0, 256)], 0);
    bytes.resize(512, 0);
    bytes.extend(1.5f32.to_le_bytes());
    assert_eq!(opened(&bytes).unwrap().values("a"), Some(vec![1.5]));
}

#[test]
fn lists_are_decoded_when_they_are_asked_for() {
    let entries = [text("fine"), [&1u64.to_le_bytes()[..], b"\xff"].concat()].concat();
    let list = [&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &entries].concat();
    let file = opened(&file(&[key("list", 9, &list)], &[], 0)).unwrap();
    assert!(file.is_list("list") && file.has("list") && !file.has("other"));
    let error = file.texts("list").unwrap_err().to_string();
    for part in ["model.gguf", "`list`", "UTF-8", "entry 1"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}
