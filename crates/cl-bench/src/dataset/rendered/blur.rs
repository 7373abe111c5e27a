//! Pictures out of focus.

use crate::dataset::Picture;

/// The mean of the box that reaches a sixteenth of the shorter side (at least one pixel) to each side, rounded; the
/// pixels at the border repeat beyond it.
pub(super) fn blurred(picture: &Picture) -> Picture {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let radius = (width.min(height) / 16).max(1);
    let values: Vec<u32> = picture.rgb().iter().map(|value| (*value).into()).collect();
    // The values of a row follow each other by 3, those of a column by the length of a row.
    let rows = box_sums(&values, [width, 3], [height, 3 * width], radius);
    let sums = box_sums(&rows, [height, 3 * width], [width, 3], radius);
    // At most 2049 x 2049 values of 255, which 32 bits hold, for the largest sides that are read.
    let count = ((2 * radius + 1) * (2 * radius + 1)) as u32;
    let rgb = sums.iter().map(|sum| ((sum + count / 2) / count) as u8);
    Picture::new(picture.width(), picture.height(), rgb.collect())
}

/// Sums of `2 radius + 1` values along lines of `length` values `stride` apart; the lines are `lines` times 3 channels.
fn box_sums(
    values: &[u32],
    [length, stride]: [usize; 2],
    [lines, next_line]: [usize; 2],
    radius: usize,
) -> Vec<u32> {
    let mut sums = vec![0; values.len()];
    for start in (0..lines).flat_map(|line| (0..3).map(move |c| line * next_line + c)) {
        let at = |place: usize| values[start + place.min(length - 1) * stride];
        // The box around the first value: that value for all before it.
        let mut sum = at(0) * (radius as u32 + 1) + (1..=radius).map(at).sum::<u32>();
        for place in 0..length {
            sums[start + place * stride] = sum;
            sum += at(place + radius + 1);
            sum -= at(place.saturating_sub(radius));
        }
    }
    sums
}
