//! Rows of bf16 side by side as the pairs that AVX-512 BF16 and tiles multiply.
#![allow(unsafe_code)]

use core::arch::x86_64::*;

/// Writes `[rows, columns]` numbers as panels of pairs, panel after panel of `pairs` pairs of rows; what lies beyond rows
/// and columns is zeros. Each row is read from end to end, as the processor fetches ahead.
///
/// # Safety
/// The processor has AVX-512 BF16; rows that begin at `data`, `stride` apart, are readable over their columns, and
/// `target` holds `pairs * PANEL` pairs for each panel that has been begun.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn pack_panels<const PANEL: usize>(
    data: *const u16,
    stride: isize,
    [rows, columns]: [usize; 2],
    pairs: usize,
    target: *mut u32,
) {
    for pair in 0..pairs {
        for start in (0..columns.next_multiple_of(PANEL)).step_by(16) {
            let count = columns.saturating_sub(start).min(16);
            let mut halves = [_mm512_setzero_si512(); 2];
            for (i, half) in halves.iter_mut().enumerate() {
                let row = 2 * pair + i;
                if row < rows {
                    let data = data.wrapping_offset(row as isize * stride);
                    let mask = ((1_u32 << count) - 1) as u16;
                    // SAFETY: the caller's promise; masked lanes are not read.
                    *half = _mm512_cvtepu16_epi32(unsafe {
                        _mm256_maskz_loadu_epi16(mask, data.wrapping_add(start).cast())
                    });
                }
            }
            let both = _mm512_or_si512(halves[0], _mm512_slli_epi32::<16>(halves[1]));
            // SAFETY: the caller's promise.
            unsafe {
                let panel = target.add(start / PANEL * pairs * PANEL);
                let to = panel.add(pair * PANEL + start % PANEL);
                to.cast::<__m512i>().write_unaligned(both);
            }
        }
    }
}
