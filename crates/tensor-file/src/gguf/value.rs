//! Values of metadata.

use std::ops::Range;

use super::cursor::Cursor;

/// The types of the format, by number.
const NAMES: [&str; 13] = [
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "text", "array", "u64", "i64", "f64",
];
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A value; of a list, only where it is, for lists reach millions of entries.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum GgufValue {
    Integer(i128),
    Number(f64),
    Flag(bool),
    Text(String),
    List(GgufList),
}

/// Entries of one type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GgufList {
    kind: u32,
    /// As many as the bytes hold.
    count: u64,
    bytes: Range<usize>,
}

impl GgufValue {
    /// The value at a place, its type in front of it.
    pub(super) fn read(cursor: &mut Cursor<'_>, what: &str) -> Result<Self, String> {
        let kind = cursor.u32(what)?;
        match kind {
            ARRAY => GgufList::read(cursor, what).map(Self::List),
            kind => scalar(cursor, kind, what),
        }
    }

    /// The type in words.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Integer(value) => format!("the integer {value}"),
            Self::Number(value) => format!("the number {value}"),
            Self::Flag(value) => format!("{value}"),
            Self::Text(_) => "a text".to_owned(),
            Self::List(list) => {
                let name = NAMES.get(list.kind as usize).unwrap_or(&"unknown");
                format!("a list of {} of type {name}", list.count)
            }
        }
    }
}

impl GgufList {
    fn read(cursor: &mut Cursor<'_>, what: &str) -> Result<Self, String> {
        let kind = cursor.u32(what)?;
        let count = cursor.u64(what)?;
        let start = cursor.at();
        match (kind, width(kind)) {
            (_, Some(width)) => {
                let length = count.saturating_mul(width);
                cursor.range(length, what)?;
            }
            // Each reads at least its length, so that the file's end ends a count that is too high.
            (TEXT, _) => {
                for _ in 0..count {
                    let length = cursor.u64(what)?;
                    cursor.range(length, what)?;
                }
            }
            (ARRAY, _) => return Err(format!("{what} is a list of lists, which no key has")),
            _ => return Err(unknown(kind, what)),
        }
        Ok(Self {
            kind,
            count,
            bytes: start..cursor.at(),
        })
    }

    /// The entries out of the file's bytes.
    pub(super) fn entries<'b>(
        &self,
        bytes: &'b [u8],
        what: &'b str,
    ) -> impl Iterator<Item = Result<GgufValue, String>> + use<'b> {
        let mut cursor = Cursor::new(&bytes[..self.bytes.end], self.bytes.start);
        let kind = self.kind;
        (0..self.count).map(move |index| {
            scalar(&mut cursor, kind, what).map_err(|problem| format!("{problem}, entry {index}"))
        })
    }
}

/// Bytes of an entry; `None` for those that tell it themselves, and for unknown types.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn scalar(cursor: &mut Cursor<'_>, kind: u32, what: &str) -> Result<GgufValue, String> {
    Ok(match kind {
        0 => GgufValue::Integer(u8::from_le_bytes(cursor.array(what)?).into()),
        1 => GgufValue::Integer(i8::from_le_bytes(cursor.array(what)?).into()),
        2 => GgufValue::Integer(u16::from_le_bytes(cursor.array(what)?).into()),
        3 => GgufValue::Integer(i16::from_le_bytes(cursor.array(what)?).into()),
        4 => GgufValue::Integer(cursor.u32(what)?.into()),
        5 => GgufValue::Integer(i32::from_le_bytes(cursor.array(what)?).into()),
        // As its shortest decimal, so that 1e-6 does not become 9.999999974752427e-7.
        6 => {
            let value = f32::from_le_bytes(cursor.array(what)?);
            GgufValue::Number(value.to_string().parse().unwrap_or_else(|_| value.into()))
        }
        7 => match cursor.array(what)? {
            [0] => GgufValue::Flag(false),
            [1] => GgufValue::Flag(true),
            [other] => return Err(format!("{what} is {other}, must be 0 or 1")),
        },
        TEXT => GgufValue::Text(cursor.text(what)?.to_owned()),
        10 => GgufValue::Integer(cursor.u64(what)?.into()),
        11 => GgufValue::Integer(i64::from_le_bytes(cursor.array(what)?).into()),
        12 => GgufValue::Number(f64::from_le_bytes(cursor.array(what)?)),
        _ => return Err(unknown(kind, what)),
    })
}

fn unknown(kind: u32, what: &str) -> String {
    format!("{what} has type {kind}, the format has 0 to 12")
}
