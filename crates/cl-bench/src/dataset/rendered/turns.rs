//! Transforms that move pixels and change none.

use crate::dataset::Picture;

/// A picture whose pixel at column `x` and row `y` is that `from(x, y)` of another.
fn moved(
    picture: &Picture,
    [width, height]: [u32; 2],
    from: impl Fn(u32, u32) -> (u32, u32),
) -> Picture {
    let mut rgb = Vec::with_capacity(picture.rgb().len());
    for y in 0..height {
        for x in 0..width {
            let (x, y) = from(x, y);
            rgb.extend(picture.pixel(x, y));
        }
    }
    Picture::new(width, height, rgb)
}

/// Against the clock: the right column becomes the first row.
pub(super) fn rotated_90(picture: &Picture) -> Picture {
    let [width, height] = [picture.width(), picture.height()];
    moved(picture, [height, width], |x, y| (width - 1 - y, x))
}

pub(super) fn rotated_180(picture: &Picture) -> Picture {
    let [width, height] = [picture.width(), picture.height()];
    moved(picture, [width, height], |x, y| {
        (width - 1 - x, height - 1 - y)
    })
}

/// With the clock: the left column becomes the first row, from below.
pub(super) fn rotated_270(picture: &Picture) -> Picture {
    let [width, height] = [picture.width(), picture.height()];
    moved(picture, [height, width], |x, y| (y, height - 1 - x))
}

/// Upside down.
pub(super) fn flipped(picture: &Picture) -> Picture {
    let [width, height] = [picture.width(), picture.height()];
    moved(picture, [width, height], |x, y| (x, height - 1 - y))
}
