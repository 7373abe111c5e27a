//! Numbers out of their blocks, operation by operation as the Python package `gguf` has them.

use burn::tensor::{bf16, f16};

use super::GgufType;

/// All numbers of whole blocks.
pub(super) fn dequantised(kind: GgufType, bytes: &[u8]) -> Vec<f32> {
    let count = bytes.len() / kind.block_bytes() * kind.block();
    let mut values = Vec::with_capacity(count);
    let into = &mut values;
    match kind {
        GgufType::F32 => each(bytes, |word| into.push(f32::from_le_bytes(*word))),
        GgufType::F16 => each(bytes, |word| into.push(f16::from_le_bytes(*word).to_f32())),
        GgufType::BF16 => each(bytes, |word| into.push(bf16::from_le_bytes(*word).to_f32())),
        GgufType::Q4_0 => each(bytes, |block: &[u8; 18]| {
            let scale = half(block, 0);
            into.extend(nibbles(&block[2..]).map(|q| scale * (f32::from(q) - 8.0)));
        }),
        GgufType::Q4_1 => each(bytes, |block: &[u8; 20]| {
            let (scale, least) = (half(block, 0), half(block, 2));
            into.extend(nibbles(&block[4..]).map(|q| scale * f32::from(q) + least));
        }),
        GgufType::Q5_0 => each(bytes, |block: &[u8; 22]| {
            let scale = half(block, 0);
            let values = fives(&block[2..6], &block[6..]);
            into.extend(values.map(|q| scale * (f32::from(q) - 16.0)));
        }),
        GgufType::Q5_1 => each(bytes, |block: &[u8; 24]| {
            let (scale, least) = (half(block, 0), half(block, 2));
            let values = fives(&block[4..8], &block[8..]);
            into.extend(values.map(|q| scale * f32::from(q) + least));
        }),
        GgufType::Q8_0 => each(bytes, |block: &[u8; 34]| {
            let scale = half(block, 0);
            into.extend(block[2..].iter().map(|q| f32::from(*q as i8) * scale));
        }),
        GgufType::Q4_K => each(bytes, |block: &[u8; 144]| {
            let values = &block[16..];
            affine(block, into, |group, at| {
                values[group / 2 * 32 + at] >> (group % 2 * 4) & 15
            });
        }),
        GgufType::Q5_K => each(bytes, |block: &[u8; 176]| {
            let (high, low) = block[16..].split_at(32);
            affine(block, into, |group, at| {
                let low = low[group / 2 * 32 + at] >> (group % 2 * 4) & 15;
                low | (high[at] >> group & 1) << 4
            });
        }),
        GgufType::Q6_K => each(bytes, |block: &[u8; 210]| sixes(block, into)),
    }
    values
}

fn each<const BYTES: usize>(bytes: &[u8], read: impl FnMut(&[u8; BYTES])) {
    let (blocks, _) = bytes.as_chunks::<BYTES>();
    blocks.iter().for_each(read);
}

fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The lower halves of all bytes, then the upper ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let low = bytes.iter().map(|byte| byte & 15);
    low.chain(bytes.iter().map(|byte| byte >> 4))
}

/// Numbers of 5 bits: the highest of each in `high`, the others in `low`.
fn fives(high: &[u8], low: &[u8]) -> impl Iterator<Item = u8> {
    let bit = |at: usize| high[at / 8] >> (at % 8) & 1;
    let numbered = nibbles(low).enumerate();
    numbered.map(move |(at, low)| low | bit(at) << 4)
}

/// 256 numbers in 8 groups, each with a scale and a least value of 6 bits; `number` is the one at a place of a group.
fn affine(block: &[u8], into: &mut Vec<f32>, number: impl Fn(usize, usize) -> u8) {
    let (scale, least) = (half(block, 0), half(block, 2));
    let packed = &block[4..16];
    for group in 0..8 {
        // The first four of either are whole; of the others, four bits are together and two in the first ones' bytes.
        let (of_scale, of_least) = match group {
            0..4 => (packed[group] & 63, packed[group + 4] & 63),
            _ => {
                let low = packed[group + 4];
                (
                    low & 15 | packed[group - 4] >> 6 << 4,
                    low >> 4 | packed[group] >> 6 << 4,
                )
            }
        };
        let (scale, least) = (scale * f32::from(of_scale), least * f32::from(of_least));
        into.extend((0..32).map(|at| scale * f32::from(number(group, at)) - least));
    }
}

/// 256 numbers of 6 bits: 4 in `low`, 2 in `high`, in 8 rows of 32.
fn sixes(block: &[u8; 210], into: &mut Vec<f32>) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, _) = rest.split_at(16);
    let scale = half(block, 208);
    for row in 0..8 {
        let (side, part) = (row / 4, row % 4);
        for at in 0..32 {
            let low = low[side * 64 + part % 2 * 32 + at] >> (part / 2 * 4) & 15;
            let number = low | (high[side * 32 + at] >> (2 * part) & 3) << 4;
            let scale = scale * f32::from(scales[row * 2 + at / 16] as i8);
            into.push(scale * (f32::from(number) - 32.0));
        }
    }
}
