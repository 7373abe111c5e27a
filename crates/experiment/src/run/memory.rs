//! Memory of this process, as far as the system tells (Linux; `None` elsewhere).

/// Resident bytes now.
pub fn resident_memory() -> Option<u64> {
    of_status("VmRSS:")
}

/// The most resident bytes so far.
pub fn peak_memory() -> Option<u64> {
    of_status("VmHWM:")
}

fn of_status(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
