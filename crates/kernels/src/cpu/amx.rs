//! Tiles of bf16 pairs with AMX: 16 x 16 sums over 16 pairs in one instruction.
//!
//! The compiler's intrinsics are not stable yet, so that the instructions stand here as assembly. Linux gives the tile
//! registers to a process that asks for them.
#![allow(unsafe_code)]

use core::{arch::asm, marker::PhantomData};
use std::sync::LazyLock;

use super::matrix::{Store, Target};
use super::weight::{PAIRS, PANEL};

/// Rows of the two left tiles.
pub(super) const ROWS: usize = 2 * TILE;
/// Rows of a tile, and 32-bit numbers of one of its rows.
const TILE: usize = 16;

const _: () = assert!(PAIRS == TILE && PANEL == 3 * TILE);

/// Whether this processor has the instructions and the system lets the process use them.
pub(super) fn is_available() -> bool {
    static AVAILABLE: LazyLock<bool> =
        LazyLock::new(|| super::bf16::is_available() && has_amx() && is_permitted());
    *AVAILABLE
}

fn has_amx() -> bool {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (AMX_BF16 | AMX_TILE) == AMX_BF16 | AMX_TILE
}

#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    /// `asm/prctl.h`: permission for a part of the extended state.
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const TILE_DATA: libc::c_ulong = 18;
    // SAFETY: the call takes two numbers and changes what this process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// The tile registers of this thread, eight of 16 x 16 numbers, until it is dropped.
pub(super) struct Tiles(PhantomData<*mut ()>);

impl Tiles {
    /// # Safety
    /// [`is_available`].
    pub(super) unsafe fn configure() -> Self {
        let mut configuration = Configuration {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        configuration.row_bytes[..8].fill(4 * TILE as u16);
        configuration.rows[..8].fill(TILE as u8);
        // SAFETY: the caller's promise; the instruction reads the 64 bytes of the configuration.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, preserves_flags, readonly));
        }
        Self(PhantomData)
    }

    /// `target = left panel` or `target += left panel` for `rows` rows of `pairs` pairs and up to [`PANEL`] columns.
    ///
    /// # Safety
    /// `left` holds `rows` rounded up to [`ROWS`] rows `stride` pairs apart, and `panel` `pairs` rows of `PANEL` pairs;
    /// `pairs` is a multiple of [`PAIRS`]. The target is writable for its rows and columns, initialised when the store
    /// adds.
    pub(super) unsafe fn multiply_panel(
        &self,
        [rows, columns, pairs]: [usize; 3],
        left: *const u32,
        stride: usize,
        panel: *const u32,
        target: Target,
        store: Store,
    ) {
        let depth = pairs / PAIRS;
        for start in (0..rows).step_by(ROWS) {
            let count = (rows - start).min(ROWS);
            let target = target.part(start, 0);
            // SAFETY: the caller's promise, for the rows of each block.
            unsafe {
                let left = left.add(start * stride);
                if count == ROWS && columns == PANEL {
                    self.multiply_block(depth, left, stride, panel, target, store);
                } else {
                    let mut sums = [[0.0_f32; PANEL]; ROWS];
                    let block = Target {
                        data: sums.as_mut_ptr().cast(),
                        row: PANEL as isize,
                    };
                    if store == Store::Add {
                        copy(target, block, [count, columns]);
                    }
                    self.multiply_block(depth, left, stride, panel, block, store);
                    copy(block, target, [count, columns]);
                }
            }
        }
    }

    /// `target = left panel` or `target += left panel` for [`ROWS`] rows and [`PANEL`] columns. What is in the target is
    /// where the sums begin, so that a row gives the same bits in a whole block and in a part of one.
    ///
    /// # Safety
    /// As [`multiply_panel`](Self::multiply_panel), for a depth of `depth` tiles.
    unsafe fn multiply_block(
        &self,
        depth: usize,
        left: *const u32,
        stride: usize,
        panel: *const u32,
        target: Target,
        store: Store,
    ) {
        // SAFETY: the caller's promise. The tile registers belong to this thread until `self` is dropped, and nothing
        // is left in them.
        unsafe {
            asm!(
                "test {adds:e}, {adds:e}",
                "jz 4f",
                "tileloadd tmm0, [{top} + {target_row}]",
                "tileloadd tmm1, [{top} + {target_row} + 64]",
                "tileloadd tmm2, [{top} + {target_row} + 128]",
                "tileloadd tmm3, [{bottom} + {target_row}]",
                "tileloadd tmm4, [{bottom} + {target_row} + 64]",
                "tileloadd tmm5, [{bottom} + {target_row} + 128]",
                "jmp 5f",
                "4:",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "tilezero tmm4",
                "tilezero tmm5",
                "5:",
                "test {depth}, {depth}",
                "jz 3f",
                "2:",
                "tileloadd tmm6, [{upper} + {left_row}]",
                "tileloadd tmm7, [{panel} + {panel_row}]",
                "tdpbf16ps tmm0, tmm6, tmm7",
                "tileloadd tmm7, [{panel} + {panel_row} + 64]",
                "tdpbf16ps tmm1, tmm6, tmm7",
                "tileloadd tmm7, [{panel} + {panel_row} + 128]",
                "tdpbf16ps tmm2, tmm6, tmm7",
                "tileloadd tmm6, [{lower} + {left_row}]",
                "tdpbf16ps tmm5, tmm6, tmm7",
                "tileloadd tmm7, [{panel} + {panel_row} + 64]",
                "tdpbf16ps tmm4, tmm6, tmm7",
                "tileloadd tmm7, [{panel} + {panel_row}]",
                "tdpbf16ps tmm3, tmm6, tmm7",
                "add {upper}, 64",
                "add {lower}, 64",
                "add {panel}, {panel_step}",
                "dec {depth}",
                "jnz 2b",
                "3:",
                "tilestored [{top} + {target_row}], tmm0",
                "tilestored [{top} + {target_row} + 64], tmm1",
                "tilestored [{top} + {target_row} + 128], tmm2",
                "tilestored [{bottom} + {target_row}], tmm3",
                "tilestored [{bottom} + {target_row} + 64], tmm4",
                "tilestored [{bottom} + {target_row} + 128], tmm5",
                adds = in(reg) u32::from(store == Store::Add),
                depth = inout(reg) depth => _,
                upper = inout(reg) left => _,
                lower = inout(reg) left.add(TILE * stride) => _,
                left_row = in(reg) 4 * stride,
                panel = inout(reg) panel => _,
                panel_row = in(reg) 4 * PANEL,
                panel_step = const 4 * PANEL * PAIRS,
                top = in(reg) target.data,
                bottom = in(reg) target.part(TILE, 0).data,
                target_row = in(reg) 4 * target.row,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the registers were configured; released, they need not be saved when the thread is switched.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) }
    }
}

/// Copies the first rows and columns.
///
/// # Safety
/// `from` is readable and `to` writable for them.
unsafe fn copy(from: Target, to: Target, [rows, columns]: [usize; 2]) {
    for row in 0..rows {
        let (from, to) = (from.part(row, 0).data, to.part(row, 0).data);
        // SAFETY: the caller's promise.
        unsafe { to.copy_from_nonoverlapping(from, columns) };
    }
}
