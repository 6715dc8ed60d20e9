//! Tables at the end of long work.

use crate::units::grouped;
use comfy_table::{Table, presets};
use std::time::Duration;

/// Returns an empty table with the given columns.
pub(super) fn table<const N: usize>(columns: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(columns);
    table
}

/// Returns a number with its thousands apart.
pub(super) fn count(n: impl Into<u64>) -> String {
    grouped(n.into())
}

/// Returns a duration in seconds, or in minutes and seconds.
pub(super) fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, duration};
    use std::time::Duration;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(count(7_u32), "7");
        assert_eq!(count(123_u32), "123");
        assert_eq!(count(1_234_567_u32), "1,234,567");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(Duration::from_millis(1540)), "1.5 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
    }
}
