//! Image files, decoded strictly: a file that does not hold its whole picture is an error.
//!
//! The decoders underneath are made to show what there is. What they let pass is looked for here, format by format.

mod chunks;

mod jpeg;

mod tiff;

use std::{
    error::Error,
    fs,
    io::{self, Cursor},
    path::Path,
};

use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits};
use treelora_core::FileKind;

use super::DatasetError;

/// Largest width or height of an image file in pixels; larger files are refused before anything is
/// allocated for them.
pub const MAX_SIDE: u32 = 16_384;

/// Largest memory that decoding one image may take, in bytes: a file of a few bytes can declare a
/// huge picture.
const MAX_DECODED_BYTES: u64 = 256 << 20;

/// Largest image file, in bytes: as much as uncompressed pixels may take, and as much again for what goes with them.
const MAX_FILE_BYTES: u64 = 2 * MAX_DECODED_BYTES;

/// The picture of a file, whatever format its first bytes tell; the name says nothing.
pub(super) fn decode(path: &Path) -> Result<DynamicImage, DatasetError> {
    let unread = |e| DatasetError::io(path, e);
    let problem = |problem: String| DatasetError::Image {
        path: path.to_owned(),
        problem,
    };
    let length = fs::metadata(path).map_err(unread)?.len();
    if length > MAX_FILE_BYTES {
        return Err(problem(format!(
            "it has {length} bytes, more than {MAX_FILE_BYTES}"
        )));
    }
    let bytes = fs::read(path).map_err(unread)?;
    let Ok(format) = image::guess_format(&bytes) else {
        return Err(problem(match FileKind::of(&bytes) {
            Some(kind) => format!("it is {kind}"),
            None => "its first bytes are those of no image format".into(),
        }));
    };
    if !format.reading_enabled() {
        let name = format!("{format:?}").to_uppercase();
        return Err(problem(format!(
            "{name} is not read; convert it to PNG, say"
        )));
    }
    let mut reader = ImageReader::with_format(Cursor::new(&bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| problem(cause(&e)))?;
    // Behind the decoder, which keeps the limits.
    let whole = match format {
        ImageFormat::Jpeg => jpeg::check(&bytes),
        ImageFormat::Png => chunks::check_png(&bytes),
        ImageFormat::WebP => chunks::check_webp(&bytes),
        ImageFormat::Tiff => tiff::check(&bytes),
        _ => Ok(()),
    };
    whole.map_err(problem)?;
    Ok(image)
}

/// What a decoder says; that bytes are missing, in our own words.
fn cause(error: &ImageError) -> String {
    let is_end = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    let is_end = match error {
        ImageError::IoError(error) => is_end(error),
        other => {
            let source = other.source().and_then(|source| source.downcast_ref());
            source.is_some_and(is_end)
        }
    };
    match is_end {
        true => format!("the file is cut off ({error})"),
        false => error.to_string(),
    }
}
