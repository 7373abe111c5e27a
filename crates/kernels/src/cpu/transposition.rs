//! The transpose of a strided matrix, in blocks that pass through registers.
#![allow(unsafe_code)]

use super::matrix::Left;

/// Rows and columns of a block.
const BLOCK: usize = 8;

/// Columns that are turned before the next rows, so that what is read stays in the first-level cache.
const COLUMNS: usize = 16;

/// Writes the transpose of a strided `[rows, columns]` matrix, row by row of the transpose, `stride` apart.
///
/// # Safety
/// `source` is readable over its whole extent and `target` holds `columns * stride` numbers.
pub(super) unsafe fn transpose(
    source: Left,
    rows: usize,
    columns: usize,
    target: *mut f32,
    stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if source.column == 1 && is_x86_feature_detected!("avx") {
        // SAFETY: the caller's promise, and the processor has the instructions.
        unsafe { in_registers(source, rows, columns, target, stride) };
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { one_by_one(source, [rows, columns], target, stride) };
}

/// # Safety
/// As [`transpose`].
unsafe fn one_by_one(source: Left, [rows, columns]: [usize; 2], target: *mut f32, stride: usize) {
    for start in (0..columns).step_by(COLUMNS) {
        for row in 0..rows {
            // SAFETY: the caller's promise.
            unsafe {
                let from = source.data.offset(row as isize * source.row);
                for column in start..columns.min(start + COLUMNS) {
                    target.add(column * stride + row).write(
                        from.offset(column as isize * source.column)
                            .read_unaligned(),
                    );
                }
            }
        }
    }
}

/// # Safety
/// As [`transpose`], with the numbers of a row side by side and AVX.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn in_registers(source: Left, rows: usize, columns: usize, target: *mut f32, stride: usize) {
    let [whole_rows, whole_columns] = [rows, columns].map(|count| count / BLOCK * BLOCK);
    let part = |row: usize, column: usize| Left {
        data: source
            .data
            .wrapping_offset(row as isize * source.row)
            .wrapping_add(column),
        ..source
    };
    let to = |row: usize, column: usize| target.wrapping_add(column * stride + row);
    // SAFETY: the caller's promise; each part lies inside the matrix.
    unsafe {
        for start in (0..whole_columns).step_by(COLUMNS) {
            for row in (0..whole_rows).step_by(BLOCK) {
                for column in (start..whole_columns.min(start + COLUMNS)).step_by(BLOCK) {
                    turn_block(part(row, column), to(row, column), stride);
                }
            }
        }
        let [rest_rows, rest_columns] = [rows - whole_rows, columns - whole_columns];
        let last_rows = part(whole_rows, 0);
        one_by_one(last_rows, [rest_rows, columns], to(whole_rows, 0), stride);
        let last_columns = part(0, whole_columns);
        let to = to(0, whole_columns);
        one_by_one(last_columns, [whole_rows, rest_columns], to, stride);
    }
}

/// Transposes 8 x 8 numbers. The halves of rows `i` and `i + 4` are put side by side while they are read, which leaves
/// two rounds of shuffles.
///
/// # Safety
/// As [`in_registers`], for 8 rows and columns.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn turn_block(source: Left, target: *mut f32, stride: usize) {
    use core::arch::x86_64::*;

    // SAFETY: the caller's promise.
    let half = |row: usize, column: usize| unsafe {
        let from = source.data.offset(row as isize * source.row).add(column);
        _mm_loadu_ps(from)
    };
    for column in [0, 4] {
        let pair = |row: usize| {
            let low = _mm256_castps128_ps256(half(row, column));
            _mm256_insertf128_ps::<1>(low, half(row + 4, column))
        };
        let rows = [pair(0), pair(1), pair(2), pair(3)];
        let low = _mm256_unpacklo_ps(rows[0], rows[1]);
        let high = _mm256_unpackhi_ps(rows[0], rows[1]);
        let next_low = _mm256_unpacklo_ps(rows[2], rows[3]);
        let next_high = _mm256_unpackhi_ps(rows[2], rows[3]);
        let turned = [
            _mm256_shuffle_ps::<0b01_00_01_00>(low, next_low),
            _mm256_shuffle_ps::<0b11_10_11_10>(low, next_low),
            _mm256_shuffle_ps::<0b01_00_01_00>(high, next_high),
            _mm256_shuffle_ps::<0b11_10_11_10>(high, next_high),
        ];
        for (i, row) in turned.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { _mm256_storeu_ps(target.add((column + i) * stride), row) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_every_size_finds_its_place() {
        for (rows, columns) in [(1, 1), (8, 8), (7, 9), (19, 40), (40, 19), (3, 0), (16, 17)] {
            for (pad, spread) in [(0, 1), (3, 1), (1, 2)] {
                let row = columns * spread + pad;
                let numbers: Vec<f32> = (0..rows * row).map(|i| i as f32).collect();
                let stride = rows + pad;
                let mut turned = vec![-1.0; columns * stride];
                let source = Left {
                    data: numbers.as_ptr(),
                    row: row as isize,
                    column: spread as isize,
                };
                // SAFETY: the vectors hold the matrix and its transpose.
                unsafe { transpose(source, rows, columns, turned.as_mut_ptr(), stride) };
                for (at, number) in turned.into_iter().enumerate() {
                    let (column, row_of) = (at / stride, at % stride);
                    let expected = match row_of < rows {
                        true => (row_of * row + column * spread) as f32,
                        false => -1.0,
                    };
                    assert_eq!(number, expected, "{rows} x {columns} at {at}");
                }
            }
        }
    }
}
