//! What NVIDIA's tool tells of the graphics cards.

use std::process::Command;

use anyhow::Result;

use crate::process;

/// Name, memory in mebibytes and driver of the cards, where NVIDIA's tool tells.
pub(super) fn name() -> String {
    match nvidia_smi("--query-gpu=name,memory.total,driver_version") {
        Ok(cards) => cards.lines().collect::<Vec<_>>().join("; "),
        Err(_) => "unknown, nvidia-smi does not answer".to_owned(),
    }
}

/// Kilobytes that a process holds on the cards; `None` where the tool does not tell.
pub(super) fn memory_of(process: u32) -> Option<u64> {
    let table = nvidia_smi("--query-compute-apps=pid,used_gpu_memory").ok()?;
    memory_in(&table, process)
}

/// The tool's answer as lines of values, memory in mebibytes.
fn nvidia_smi(query: &str) -> Result<String> {
    let mut ask = Command::new("nvidia-smi");
    ask.args([query, "--format=csv,noheader,nounits"]);
    process::output(ask)
}

/// Lines of `PID, MEBIBYTES`.
fn memory_in(table: &str, process: u32) -> Option<u64> {
    let of_process = table.lines().filter_map(|line| {
        let (id, mebibytes) = line.split_once(',')?;
        (id.trim().parse() == Ok(process)).then(|| mebibytes.trim().parse::<u64>().ok())?
    });
    of_process
        .map(|mebibytes| mebibytes * 1024)
        .reduce(|sum, more| sum + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process_is_summed_over_cards() {
        let table = "12, 100\n7, 512\n12, 24\nno line\n";
        assert_eq!(memory_in(table, 12), Some(124 * 1024));
        assert_eq!(memory_in(table, 7), Some(512 * 1024));
        assert_eq!(memory_in(table, 8), None);
        assert_eq!(memory_in("12, [N/A]", 12), None);
    }
}
