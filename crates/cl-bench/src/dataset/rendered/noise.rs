//! Pictures in bad light.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::dataset::Picture;

/// Noise between -127 and 127 with a deviation of 52 on every value, by `example` alone.
pub(super) fn noisy(picture: &Picture, example: usize) -> Picture {
    let mut noise = vec![0; 2 * picture.rgb().len()];
    let seed = treelora_core::mix(&[example as u64]);
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut noise);
    // The sum of two even distributions falls off to both sides.
    let (pairs, _) = noise.as_chunks::<2>();
    let rgb = picture.rgb().iter().zip(pairs).map(|(value, [a, b])| {
        let noise = (i32::from(*a) + i32::from(*b) - 255) / 2;
        (i32::from(*value) + noise).clamp(0, 255) as u8
    });
    Picture::new(picture.width(), picture.height(), rgb.collect())
}
