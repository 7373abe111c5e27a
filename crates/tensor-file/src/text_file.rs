//! Reading text files of others: whole, of bounded length, in UTF-8 with or without a byte order mark.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::FileKind;

/// Largest text file that is read, in bytes: tokenizers reach 40 MB.
pub const MAX_TEXT_BYTES: u64 = 256 << 20;

/// What can go wrong with a text file.
#[derive(Debug, thiserror::Error)]
pub enum TextFileError {
    /// Reading failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is not the text that it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// A whole text file in UTF-8; a byte order mark in front is dropped.
///
/// # Errors
/// When the file cannot be read, is longer than [`MAX_TEXT_BYTES`] or is no UTF-8; the message says what it looks
/// like instead.
pub fn read_text(path: &Path) -> Result<String, TextFileError> {
    let io = |source| TextFileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    let text = match bytes.len() as u64 > MAX_TEXT_BYTES {
        true => Err(format!(
            "more than {MAX_TEXT_BYTES} bytes, the most that is read"
        )),
        false => decode_text(bytes),
    };
    text.map_err(|problem| TextFileError::Content {
        path: path.to_owned(),
        problem,
    })
}

/// A JSON file in UTF-8; a byte order mark in front is dropped.
///
/// # Errors
/// As [`read_text`] and [`parse_json`].
pub fn read_json_text<T: DeserializeOwned>(path: &Path) -> Result<T, TextFileError> {
    let text = read_text(path)?;
    parse_json(&text).map_err(|problem| TextFileError::Content {
        path: path.to_owned(),
        problem,
    })
}

/// Bytes as text in UTF-8; a byte order mark in front is dropped.
///
/// # Errors
/// Says what the bytes look like instead, and where.
///
/// ```
/// use treelora_tensor_file::decode_text;
///
/// assert_eq!(decode_text(b"\xef\xbb\xbfred".to_vec()).as_deref(), Ok("red"));
/// assert!(decode_text(b"\xff\xfer\0e\0d\0".to_vec()).unwrap_err().contains("UTF-16"));
/// ```
pub fn decode_text(bytes: Vec<u8>) -> Result<String, String> {
    if let Some(encoding) = wide_encoding(&bytes) {
        return Err(format!(
            "not UTF-8, looks like {encoding}; save it as UTF-8"
        ));
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Ok(text)
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let cut = error.utf8_error().error_len().is_none();
            Err(invalid_utf8(error.as_bytes(), at, cut))
        }
    }
}

/// A value from JSON.
///
/// # Errors
/// The parser's own words, but for half a surrogate pair, which it does not name, and for files that are something
/// else from their first byte on.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| json_problem(&error, text))
}

/// What `error` says of `text`, in words of its own where the parser's hide the cause.
pub fn json_problem(error: &serde_json::Error, text: &str) -> String {
    const HALVES: [&str; 2] = [
        "lone leading surrogate in hex escape",
        "unexpected end of hex escape",
    ];
    match FileKind::of(text.trim_start().as_bytes()) {
        None | Some(FileKind::Json) => {}
        // Where JSON would break off says nothing of a pointer or a page.
        Some(kind) => return format!("not JSON but {kind}"),
    }
    let message = error.to_string();
    match HALVES.into_iter().find(|half| message.contains(half)) {
        Some(words) => {
            let escape = escape_before(text, error.line(), error.column());
            let half = format!("half a surrogate pair{escape}, which is no character");
            message.replace(words, &half)
        }
        None => message,
    }
}

/// The last `\uXXXX` of a line up to a column, both from 1.
fn escape_before(text: &str, line: usize, column: usize) -> String {
    let Some(line) = text.split('\n').nth(line.saturating_sub(1)) else {
        return String::new();
    };
    let end = column.min(line.len());
    let before = line.get(..end).unwrap_or(line);
    let escape = before
        .rmatch_indices("\\u")
        .find_map(|(at, _)| line.get(at..at + 6));
    escape.map_or_else(String::new, |escape| format!(" `{escape}`"))
}

/// UTF-16 and UTF-32, with their mark or by the zeros of the first characters, which are ASCII in files of settings
/// and records. Without this, the text would be read as UTF-8 with zeros between the letters.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Some("UTF-32 (it begins with its byte order mark)");
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Some("UTF-16 (it begins with its byte order mark)");
        }
        _ => {}
    }
    let zeros = |start: &[u8]| start.iter().map(|byte| *byte == 0).collect::<Vec<_>>();
    match bytes.get(..4).map(zeros).as_deref() {
        Some([false, true, true, true] | [true, true, true, false]) => Some("UTF-32"),
        Some([false, true, false, true] | [true, false, true, false]) => Some("UTF-16"),
        _ => None,
    }
}

/// What bytes that are no UTF-8 from `at` on look like.
fn invalid_utf8(bytes: &[u8], at: usize, cut: bool) -> String {
    let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
    let place = format!("byte {:02X} at offset {at}, line {line}", bytes[at]);
    let is_control = |byte: &u8| *byte < 0x20 && !b"\t\n\r\x0b\x0c\x1b".contains(byte);
    let looks = match FileKind::of(bytes) {
        Some(kind) if kind != FileKind::Json => return format!("not text but {kind}"),
        _ if matches!(bytes[at..], [0xed, 0xa0..=0xbf, ..]) => {
            "half a surrogate pair is stored as if it were a character"
        }
        _ if bytes.contains(&0) => "looks like UTF-16 or binary data",
        _ if bytes.iter().any(is_control) => "looks like binary data",
        _ if cut => "the file breaks off within a character",
        _ => "looks like Latin-1 (or Windows-1252); save it as UTF-8",
    };
    format!("not UTF-8 ({place}): {looks}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        decode_text(bytes.to_vec()).unwrap_err()
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn one_byte_order_mark_in_front_is_dropped() {
        let text = decode_text("\u{feff}\u{feff}a\u{feff}".into()).unwrap();
        assert_eq!(text, "\u{feff}a\u{feff}");
        assert_eq!(decode_text("äß".into()).unwrap(), "äß");
        assert_eq!(decode_text(Vec::new()).unwrap(), "");
    }

    #[test]
    fn other_encodings_are_named() {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            for text in ["\u{feff}[\"a\"]", "[\"a\"]", "{}", "\u{feff}\u{4e2d}"] {
                let problem = refusal(&utf16(text, order));
                assert!(problem.contains("looks like UTF-16"), "{problem}");
            }
        }
        let utf32: Vec<u8> = "[]"
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        assert!(refusal(&utf32).contains("UTF-32"));
        let latin = refusal(b"one\ncaf\xe9 au lait");
        for part in ["Latin-1", "byte E9", "offset 7", "line 2"] {
            assert!(latin.contains(part), "`{part}` is not in: {latin}");
        }
        assert!(refusal(b"a\xed\xa0\xbd").contains("half a surrogate pair"));
        assert!(refusal("aä".as_bytes().split_last().unwrap().1).contains("breaks off"));
        assert!(refusal(&[0x1f, 0x8b, 8, 0, 0xff]).contains("gzip"));
        assert!(refusal(b"\x93NUMPY\x01").contains("NumPy"));
    }

    #[test]
    fn half_a_surrogate_pair_is_named_with_its_escape() {
        for (text, escape) in [
            ("[\"good\",\n\"\\ud83d\"]", "\\ud83d"),
            ("[\"good\",\n\"a \\ude00 b\"]", "\\ude00"),
            ("[\"good\",\n\"\\ud83d and more\"]", "\\ud83d"),
        ] {
            let problem = parse_json::<Vec<String>>(text).unwrap_err();
            let named = format!("half a surrogate pair `{escape}`");
            assert!(problem.contains(&named), "{problem}");
            assert!(problem.contains("line 2"), "{problem}");
        }
        let whole: Vec<String> = parse_json("[\"\\ud83d\\ude00\"]").unwrap();
        assert_eq!(whole, ["😀"]);
    }

    #[test]
    fn what_is_no_json_at_all_is_named() {
        for (text, kind) in [
            ("", "empty"),
            (" \n", "empty"),
            ("version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            ("<!DOCTYPE html>", "HTML"),
            ("{\"a\": }", "line 1 column 7"),
        ] {
            let problem = parse_json::<serde_json::Value>(text).unwrap_err();
            assert!(problem.contains(kind), "`{kind}` is not in: {problem}");
        }
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        assert!(matches!(read_text(&path), Err(TextFileError::Io { .. })));
        std::fs::write(&path, b"\xef\xbb\xbf[1]").unwrap();
        assert_eq!(read_json_text::<Vec<u8>>(&path).unwrap(), [1]);
        std::fs::write(&path, b"\xff\xfe[\0").unwrap();
        let error = read_text(&path).unwrap_err().to_string();
        assert!(
            error.contains("x.json") && error.contains("UTF-16"),
            "{error}"
        );
    }
}
