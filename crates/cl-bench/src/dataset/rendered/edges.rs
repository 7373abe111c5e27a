//! Where the grey picture is steep.

use super::colours::luma;
use crate::dataset::Picture;

/// Sobel magnitude, cut off at white.
pub(super) fn edges(picture: &Picture) -> Picture {
    let bytes = magnitudes(picture).into_iter().map(|m| m.min(255) as u8);
    grey_picture(picture, bytes)
}

/// Black where the Sobel magnitude is above one and a half times its mean over the picture, white elsewhere. Relative
/// to the picture, so that faint ones have lines too.
pub(super) fn sketch(picture: &Picture) -> Picture {
    let magnitudes = magnitudes(picture);
    let sum: u64 = magnitudes.iter().map(|m| u64::from(*m)).sum();
    let count = magnitudes.len() as u64;
    let is_line = |magnitude: u32| 2 * count * u64::from(magnitude) > 3 * sum;
    let bytes = magnitudes
        .iter()
        .map(|magnitude| if is_line(*magnitude) { 0 } else { 255 });
    grey_picture(picture, bytes)
}

fn grey_picture(like: &Picture, bytes: impl Iterator<Item = u8>) -> Picture {
    let rgb = bytes.flat_map(|byte| [byte; 3]).collect();
    Picture::new(like.width(), like.height(), rgb)
}

/// Sobel magnitude of the grey picture at every pixel, rounded down; the pixels at the border repeat beyond it.
fn magnitudes(picture: &Picture) -> Vec<u32> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (pixels, _) = picture.rgb().as_chunks::<3>();
    let grey: Vec<i32> = pixels.iter().map(|pixel| luma(*pixel).into()).collect();
    let mut magnitudes = Vec::with_capacity(grey.len());
    for y in 0..height {
        let row = |y: usize| &grey[y * width..(y + 1) * width];
        let (above, here) = (row(y.saturating_sub(1)), row(y));
        let below = row((y + 1).min(height - 1));
        for x in 0..width {
            let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let column = |x: usize| above[x] + 2 * here[x] + below[x];
            let line = |row: &[i32]| row[left] + 2 * row[x] + row[right];
            let (across, down) = (column(right) - column(left), line(below) - line(above));
            magnitudes.push((across * across + down * down).unsigned_abs().isqrt());
        }
    }
    magnitudes
}
