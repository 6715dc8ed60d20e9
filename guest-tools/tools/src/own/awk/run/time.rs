//! Dates: `strftime` and `mktime`.

use jiff::civil::date;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// What `strftime` does without a format.
pub(super) const USUAL: &str = "%a %b %e %H:%M:%S %Z %Y";

fn zone(is_utc: bool) -> TimeZone {
    if is_utc { TimeZone::UTC } else { TimeZone::system() }
}

/// Seconds since 1970 as text; the format itself if it is none.
pub(super) fn format(format: &str, seconds: i64, is_utc: bool) -> String {
    let Ok(time) = Timestamp::from_second(seconds) else { return String::new() };
    strtime::format(format, &time.to_zoned(zone(is_utc))).unwrap_or_else(|_| format.to_owned())
}

/// `YYYY MM DD HH MM SS` as seconds since 1970; numbers out of their range carry over.
pub(super) fn from_parts(text: &str, is_utc: bool) -> Option<i64> {
    let parts: Vec<i64> = text.split_whitespace().map_while(|it| it.parse().ok()).collect();
    let [year, month, day, hour, minute, second, ..] = parts.as_slice() else { return None };
    let months = year.checked_mul(12)?.checked_add(month - 1)?;
    let first =
        date(i16::try_from(months.div_euclid(12)).ok()?, (months.rem_euclid(12) + 1) as i8, 1);
    let span = (day - 1).days();
    let at = first.checked_add(span).ok()?.at(0, 0, 0, 0);
    let at = at.checked_add(hour.hours().minutes(*minute).seconds(*second)).ok()?;
    Some(at.to_zoned(zone(is_utc)).ok()?.timestamp().as_second())
}
