//! Transforms that look at one pixel at a time.

use crate::dataset::Picture;

/// Every pixel by itself.
fn each_pixel(picture: &Picture, of: impl Fn([u8; 3]) -> [u8; 3]) -> Picture {
    let (pixels, _) = picture.rgb().as_chunks::<3>();
    let rgb = pixels.iter().flat_map(|pixel| of(*pixel)).collect();
    Picture::new(picture.width(), picture.height(), rgb)
}

pub(super) fn negative(picture: &Picture) -> Picture {
    each_pixel(picture, |pixel| pixel.map(|value| 255 - value))
}

pub(super) fn grey(picture: &Picture) -> Picture {
    each_pixel(picture, |pixel| [luma(pixel); 3])
}

/// The two upper bits, spread over the whole range.
pub(super) fn posterised(picture: &Picture) -> Picture {
    each_pixel(picture, |pixel| pixel.map(|value| (value >> 6) * 85))
}

pub(super) fn channels_swapped(picture: &Picture) -> Picture {
    each_pixel(picture, |[red, green, blue]| [blue, green, red])
}

/// From 96 to 159.
pub(super) fn low_contrast(picture: &Picture) -> Picture {
    each_pixel(picture, |pixel| pixel.map(|value| 96 + value / 4))
}

/// Brightness of a pixel as Pillow's `convert("L")` has it (ITU-R 601).
pub(super) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
}
