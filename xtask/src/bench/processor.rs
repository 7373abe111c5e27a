//! The processor that the numbers are of.

use std::fs;

/// Instruction sets that matter for matrix products, as `/proc/cpuinfo` names them.
const MATRIX_UNITS: [&str; 4] = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"];

/// Threads that this process may use at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What the system tells of its processor.
#[derive(Debug, PartialEq)]
pub(crate) struct Processor {
    /// Model and matrix units.
    pub(crate) name: String,
    pub(crate) bf16: Bf16,
}

/// Whether the processor has instructions that multiply bf16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bf16 {
    /// It has, or the system does not tell.
    Multiplied,
    /// It has not: a library that computes in bf16 is much slower than in f32.
    Emulated,
}

impl Processor {
    pub(crate) fn of_this_machine() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self::of_cpuinfo(&cpuinfo)
    }

    fn of_cpuinfo(cpuinfo: &str) -> Self {
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim())
        };
        let sets = field("flags").or_else(|| field("Features"));
        let bf16 = match sets {
            Some(sets) if !sets.contains("bf16") => Bf16::Emulated,
            _ => Bf16::Multiplied,
        };
        let units = sets.unwrap_or_default().split_whitespace();
        let units: Vec<&str> = units.filter(|set| MATRIX_UNITS.contains(set)).collect();
        let model = field("model name").unwrap_or(std::env::consts::ARCH);
        let name = match units.is_empty() {
            true => model.to_owned(),
            false => format!("{model} ({})", units.join(", ")),
        };
        Self { name, bf16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_named_with_its_matrix_units() {
        let text = "model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f\nmodel name\t: Some CPU\n";
        let processor = Processor::of_cpuinfo(text);
        assert_eq!(processor.name, "Some CPU (avx2, avx512f)");
        assert_eq!(processor.bf16, Bf16::Emulated);
    }

    #[test]
    fn bf16_is_found_on_either_architecture_and_assumed_where_nothing_is_told() {
        for text in [
            "flags\t: avx2 avx512_bf16\n",
            "Features\t: asimd i8mm bf16\n",
            "",
        ] {
            assert_eq!(Processor::of_cpuinfo(text).bf16, Bf16::Multiplied, "{text}");
        }
        assert_eq!(Processor::of_cpuinfo("").name, std::env::consts::ARCH);
    }
}
