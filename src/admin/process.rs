//! What the kernel says about this process, from `/proc/self`; nothing where there is no such place.

use std::fs;

/// Clock ticks per second in `/proc`; Linux keeps it at 100 towards programs, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Open file descriptors.
pub(super) fn open_fds() -> Option<u64> {
    // Since Linux 6.2 the directory's size is the number of its entries; before, it is 0.
    match fs::metadata("/proc/self/fd").ok()?.len() {
        // The descriptor the directory is read with is none of ours.
        0 => (fs::read_dir("/proc/self/fd").ok()?.count() as u64).checked_sub(1),
        count => Some(count),
    }
}

/// Resident memory in bytes.
pub fn resident_bytes() -> Option<u64> {
    resident_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Processor time used so far, in seconds, in user and kernel mode.
pub(super) fn cpu_seconds() -> Option<f64> {
    cpu_in(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn cpu_in(stat: &str) -> Option<f64> {
    // The program's name is in parentheses and may hold anything, spaces and parentheses too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, kernel): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user as f64 + kernel as f64) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kernel_are_understood() {
        assert_eq!(resident_in("Name:\ttether\nVmHWM:\t  9 kB\nVmRSS:\t    2048 kB\n"), Some(2048 * 1024));
        let stat = "7 (a) b)) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 3 0 99 1 2";
        assert_eq!(cpu_in(stat), Some(1.75));
    }

    #[test]
    fn other_texts_are_no_number() {
        assert_eq!(resident_in("VmRSS:\tmuch\n"), None);
        assert_eq!(resident_in(""), None);
        assert_eq!(cpu_in("7 (a) S 1"), None);
        assert_eq!(cpu_in(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen() {
        let before = open_fds().expect("counted");
        let held: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").expect("opened")).collect();
        assert!(open_fds().expect("counted") >= before.min(3) + held.len() as u64);
        assert!(resident_bytes().expect("known") > 100 * 1024);
        assert!(cpu_seconds().is_some());
    }
}
