//! Which instructions does this CPU have? Asked once, overridden in tests.
//!
//! Every path gives the same bits: the choice changes speed alone. `YUAN_KERNELS_ISA` (`portable`, `avx2`, `avx512`, `amx`) asks for one
//! path in a whole process, [`force`] in one closure; a path the CPU lacks gives way to the best one it has.

use std::cell::Cell;
use std::sync::OnceLock;

/// A set of instructions that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the target guarantees: NEON on aarch64. On x86-64, fused multiply-adds are then calls, which is slow.
    Portable,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512, and Intel's matrix units (AMX) for products of bf16, where Linux grants them.
    Amx,
}

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

impl Isa {
    /// The path that a call made now on this thread takes: forced, named by `YUAN_KERNELS_ISA`, or the best.
    pub fn current() -> Self {
        FORCED.get().unwrap_or_else(|| {
            static NAMED: OnceLock<Isa> = OnceLock::new();
            *NAMED.get_or_init(|| match std::env::var("YUAN_KERNELS_ISA").as_deref() {
                Ok("portable") => Self::Portable,
                Ok("avx2") => Self::Avx2.min(Self::best()),
                Ok("avx512") => Self::Avx512.min(Self::best()),
                _ => Self::best(),
            })
        })
    }

    /// The best path of this CPU.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("f16c") {
                let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
                if wide && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                    #[cfg(target_os = "linux")]
                    if crate::gemm::amx::available() {
                        return Self::Amx;
                    }
                    return Self::Avx512;
                }
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Every path this CPU can take, the slowest first.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx].into_iter().filter(|&isa| isa <= Self::best())
    }
}

/// Runs `f` with the calls it makes on this thread bound to `isa`, or to the best path where the CPU lacks it.
///
/// A kernel asks for its path where it is called, not on the threads it spreads over: the whole of a call obeys.
pub fn force<T>(isa: Isa, f: impl FnOnce() -> T) -> T {
    struct Restore(Option<Isa>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(Some(isa.min(Isa::best()))));
    f()
}

/// Defines functions compiled once for each [`Isa`], the path chosen where they are called.
///
/// The body must be plain code that LLVM vectorises, built from operations that round alike everywhere (`+`, `*`, `/`,
/// `f32::mul_add`, comparisons): then every path gives the same bits.
macro_rules! multiversion {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            fn avx512($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
            match $crate::isa::Isa::current() {
                // SAFETY: `Isa::current` names only paths whose instructions this CPU has.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx512 | $crate::isa::Isa::Amx => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    )*};
}
pub(crate) use multiversion;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_path_ends_with_its_closure() {
        let before = Isa::current();
        assert_eq!(force(Isa::Portable, Isa::current), Isa::Portable);
        assert_eq!(force(Isa::Amx, Isa::current), Isa::best());
        assert_eq!(Isa::current(), before);
    }
}
