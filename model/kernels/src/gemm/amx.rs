//! Intel's matrix units: 16 × 16 sums of 32 products in one instruction.
//!
//! Written in assembly: the compiler's intrinsics are not stable. Tiles hold nothing between tasks.

use crate::gemm::rounded::Block;
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// Whether the CPU has the units and Linux lets this process use them; asked once.
pub(crate) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        const TILE_AND_BF16: u32 = 1 << 24 | 1 << 22;
        const OSXSAVE: u32 = 1 << 27;
        const TILE_STATE: u32 = 1 << 17 | 1 << 18;
        let leaf = __cpuid_count(0, 0).eax;
        if leaf < 7 || __cpuid_count(1, 0).ecx & OSXSAVE == 0 {
            return false;
        }
        if __cpuid_count(7, 0).edx & TILE_AND_BF16 != TILE_AND_BF16 {
            return false;
        }
        let saved: u32;
        // SAFETY: OSXSAVE says that the instruction exists.
        unsafe { asm!("xgetbv", in("ecx") 0, out("eax") saved, out("edx") _, options(nomem, nostack)) };
        saved & TILE_STATE == TILE_STATE && permitted()
    })
}

/// Asks Linux for the tiles' state, which it gives to the whole process.
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let result: i64;
    // SAFETY: the call reads and writes no memory of ours.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

/// Runs `f` with all tiles shaped as 16 rows of 64 bytes, and clears them after.
///
/// # Safety
/// The units are [`available`]; `f` does not unwind.
pub(super) unsafe fn with_tiles(f: impl FnOnce()) {
    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }
    let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    config.row_bytes[..8].fill(64);
    config.rows[..8].fill(16);
    // SAFETY: palette 1 has eight tiles of this shape.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly));
        f();
        asm!("tilerelease", options(nostack, nomem));
    }
}

/// Adds a block's products.
///
/// # Safety
/// Within [`with_tiles`]; the operands are valid for their shapes.
pub(super) unsafe fn run(block: &Block) {
    let from_stride = block.from_stride * size_of::<f32>();
    let to_stride = block.to_stride * size_of::<f32>();
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(second) = block.second {
            asm!(
                "tileloadd tmm0, [{from} + {from_stride}]",
                "tileloadd tmm1, [{from} + {from_stride} + 64]",
                "tileloadd tmm2, [{from2} + {from_stride}]",
                "tileloadd tmm3, [{from2} + {from_stride} + 64]",
                "2:",
                "tileloadd tmm6, [{w} + {line2}]",
                "tileloadd tmm4, [{x} + {line}]",
                "tileloadd tmm7, [{w} + {line2} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{x2} + {line}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "prefetcht1 [{ahead}]",
                "prefetcht1 [{ahead} + 64]",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "prefetcht1 [{ahead} + 128]",
                "prefetcht1 [{ahead} + 192]",
                "add {ahead}, 256",
                "add {x}, 1024",
                "add {x2}, 1024",
                "add {w}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{to} + {to_stride}], tmm0",
                "tilestored [{to} + {to_stride} + 64], tmm1",
                "tilestored [{to2} + {to_stride}], tmm2",
                "tilestored [{to2} + {to_stride} + 64], tmm3",
                from = in(reg) block.from,
                from2 = in(reg) block.from.wrapping_add(16 * block.from_stride),
                from_stride = in(reg) from_stride,
                x = inout(reg) block.x => _,
                x2 = inout(reg) second => _,
                w = inout(reg) block.weights => _,
                steps = inout(reg) block.steps => _,
                ahead = inout(reg) block.ahead => _,
                line = in(reg) 64_usize,
                line2 = in(reg) 128_usize,
                to = in(reg) block.to,
                to2 = in(reg) block.to.wrapping_add(16 * block.to_stride),
                to_stride = in(reg) to_stride,
                options(nostack),
            );
        } else {
            asm!(
                "tileloadd tmm0, [{from} + {from_stride}]",
                "tileloadd tmm1, [{from} + {from_stride} + 64]",
                "2:",
                "tileloadd tmm6, [{w} + {line2}]",
                "tileloadd tmm4, [{x} + {line}]",
                "tileloadd tmm7, [{w} + {line2} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {x}, 1024",
                "add {w}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{to} + {to_stride}], tmm0",
                "tilestored [{to} + {to_stride} + 64], tmm1",
                from = in(reg) block.from,
                from_stride = in(reg) from_stride,
                x = inout(reg) block.x => _,
                w = inout(reg) block.weights => _,
                steps = inout(reg) block.steps => _,
                line = in(reg) 64_usize,
                line2 = in(reg) 128_usize,
                to = in(reg) block.to,
                to_stride = in(reg) to_stride,
                options(nostack),
            );
        }
    }
}
