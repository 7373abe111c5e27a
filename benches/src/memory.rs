//! Resident memory of this process, where the system tells (Linux).

use std::fs;

/// In kilobytes.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// Now.
    pub current: u64,
    /// At most since the start or the last [`reset_peak`].
    pub peak: u64,
}

impl Resident {
    /// What the system tells; `None` where it does not.
    pub fn now() -> Option<Self> {
        Self::of_status(&fs::read_to_string("/proc/self/status").ok()?)
    }

    fn of_status(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        Some(Self {
            current: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }
}

/// Forget the peak of building the model. Where the system refuses, the peak is that of the whole process.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_process_is_read() {
        let status = "Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t    512 kB\nVmRSS:\t    256 kB\n";
        let resident = Resident::of_status(status).unwrap();
        assert_eq!((resident.current, resident.peak), (256, 512));
        assert!(Resident::of_status("VmHWM:\t1 kB\n").is_none());
    }
}
