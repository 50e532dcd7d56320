//! The log line in which an invocation of a shipped function says how much it read and wrote.

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    records_in: u64,
    records_out: u64,
}

/// The line: `{"records_in":3,"records_out":3}`.
#[cfg(any(feature = "bootstrap", test))]
pub(crate) fn line(records_in: u64, records_out: u64) -> String {
    serde_json::to_string(&Line { records_in, records_out }).unwrap_or_default()
}

/// What the lines of this kind in a log say, all together; none where there is none.
pub(crate) fn read(log: &str) -> Option<(u64, u64)> {
    let lines = log.lines().filter(|line| line.starts_with("{\"records_in\":"));
    let counts = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    counts.fold(None, |all, line| {
        let (read, written) = all.unwrap_or((0, 0));
        Some((read + line.records_in, written + line.records_out))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let log = format!("START RequestId: r\n{}\nother\n{}\r\nEND", line(3, 2), line(1, 0));
        assert_eq!(read(&log), Some((4, 2)));
        assert_eq!(read("START\n{\"records_in\":\nEND"), None);
    }
}
