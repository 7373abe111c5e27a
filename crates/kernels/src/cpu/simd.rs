//! Element functions and reductions written so that the compiler turns them into vector instructions.
//!
//! [`vectorised`] compiles its closure once for every instruction set (AVX2, AVX-512, NEON, scalar) and picks one at
//! run time; everything called inside is `inline(always)` and free of branches. Sums use [`LANES`] partial sums
//! whatever the vector width, so that all instruction sets with fused multiply-add give the same bits.

use rayon::prelude::*;

/// Partial sums of a reduction: enough independent chains to hide the latency of an addition.
pub(super) const LANES: usize = 64;

/// Elements of one task of an element-wise operation.
pub(super) const CHUNK: usize = 1 << 14;

/// Runs `f` with the widest vectors of this processor.
#[inline]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Calls `f(index, chunk)` for the chunks of `data`, in parallel when there are several.
pub(super) fn for_each_chunk<T: Send>(
    data: &mut [T],
    chunk: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if data.len() <= chunk {
        if !data.is_empty() {
            f(0, data);
        }
    } else {
        data.par_chunks_mut(chunk)
            .enumerate()
            .for_each(|(i, part)| f(i, part));
    }
}

/// `exp(x)` within 2 units in the last place for `x <= 88`; below -87.3 it gives the smallest normal number or zero.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves that integer in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-87.3, 88.3);
    let shifted = clamped.mul_add(core::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let p = 1.987_569_1e-4_f32
        .mul_add(r, 1.398_199_9e-3)
        .mul_add(r, 8.333_452e-3)
        .mul_add(r, 4.166_579_6e-2)
        .mul_add(r, 1.666_666_5e-1)
        .mul_add(r, 0.5)
        .mul_add(r * r, r)
        + 1.0;
    let scaled = f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23));
    // Hidden keys have a score of -infinity.
    if x < -87.3 { 0.0 } else { scaled }
}

/// `erf(x)` within 4e-7: an odd rational minimax approximation on [-4, 4].
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let p = (-2.726_142_3e-10_f32)
        .mul_add(s, 2.770_681_3e-8)
        .mul_add(s, -2.101_024e-6)
        .mul_add(s, -5.692_506_3e-5)
        .mul_add(s, -7.349_906_4e-4)
        .mul_add(s, -2.954_599_7e-3)
        .mul_add(s, -1.609_603_3e-2);
    let q = (-1.456_607_2e-5_f32)
        .mul_add(s, -2.133_740_6e-4)
        .mul_add(s, -1.682_827e-3)
        .mul_add(s, -7.373_329_3e-3)
        .mul_add(s, -1.426_473_9e-2);
    x * p / q
}

/// `tanh(x)` within 4e-7 of its value, relatively.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let s = x * x;
    let series = (-1_382.0 / 155_925.0_f32)
        .mul_add(s, 62.0 / 2_835.0)
        .mul_add(s, -17.0 / 315.0)
        .mul_add(s, 2.0 / 15.0)
        .mul_add(s, -1.0 / 3.0)
        .mul_add(s * x, x);
    // Near zero this would cancel, and the series is short.
    let far = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    if s < 0.09 { series } else { far.copysign(x) }
}

/// `sum f(x)` over a row.
#[inline(always)]
pub(super) fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f(x);
    }
    fold(lanes, |a, b| a + b)
}

/// The largest element of a row; -infinity for an empty row.
#[inline(always)]
pub(super) fn max_of(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = if x > *lane { x } else { *lane };
    }
    fold(lanes, |a, b| if b > a { b } else { a })
}

/// The largest `f(x, y)` over a pair of rows; -infinity for empty rows.
#[inline(always)]
pub(super) fn max_of_pairs(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            let value = f(x, y);
            *lane = if value > *lane { value } else { *lane };
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(xs.remainder()).zip(ys.remainder()) {
        let value = f(x, y);
        *lane = if value > *lane { value } else { *lane };
    }
    fold(lanes, |a, b| if b > a { b } else { a })
}

/// Two sums over a pair of rows at once.
#[inline(always)]
pub(super) fn sums_of_pairs(
    x: &[f32],
    y: &[f32],
    f: impl Fn(f32, f32) -> (f32, f32),
) -> (f32, f32) {
    let mut first = [0.0_f32; LANES];
    let mut second = [0.0_f32; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for lane in 0..LANES {
            let (a, b) = f(x[lane], y[lane]);
            first[lane] += a;
            second[lane] += b;
        }
    }
    for (lane, (&x, &y)) in xs.remainder().iter().zip(ys.remainder()).enumerate() {
        let (a, b) = f(x, y);
        first[lane] += a;
        second[lane] += b;
    }
    (fold(first, |a, b| a + b), fold(second, |a, b| a + b))
}

/// Halves the lanes until one is left, always in the same order.
#[inline(always)]
fn fold(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function by its series, in f64.
    fn erf_series(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * core::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn erf_is_within_4e_7_of_the_series() {
        for i in -500..=500 {
            let x = i as f32 / 100.0;
            let exact = erf_series(f64::from(x));
            assert!(
                (f64::from(erf(x)) - exact).abs() < 4e-7,
                "erf({x}) = {} != {exact}",
                erf(x)
            );
        }
    }

    #[test]
    fn tanh_is_within_4e_7_everywhere() {
        for i in -2000..=2000 {
            let x = i as f32 / 97.0;
            let exact = f64::from(x).tanh();
            let error = (f64::from(tanh(x)) - exact).abs();
            assert!(error <= 4e-7 * exact.abs(), "tanh({x}) = {}", tanh(x));
        }
        assert_eq!((tanh(100.0), tanh(-100.0)), (1.0, -1.0));
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            let relative = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(relative < 2.4e-7, "exp({x}): relative error {relative}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn reductions_take_the_remainder_along() {
        for length in [0, 1, 63, 64, 65, 130] {
            let x: Vec<f32> = (0..length).map(|i| i as f32 - 3.0).collect();
            assert_eq!(sum_of(&x, |x| x), x.iter().sum::<f32>());
            assert_eq!(
                max_of(&x),
                x.iter().copied().fold(f32::NEG_INFINITY, f32::max)
            );
            let (a, b) = sums_of_pairs(&x, &x, |x, y| (x, x * y));
            assert_eq!((a, b), (x.iter().sum(), x.iter().map(|x| x * x).sum()));
        }
    }
}
