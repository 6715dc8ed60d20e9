//! Dates: shown in git's formats, and read from what people type.

use std::time::{SystemTime, UNIX_EPOCH};

use git2::Time;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const DAY: i64 = 86_400;

/// A point in time taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// From Sunday.
    weekday: usize,
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// Days since 1970 of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

pub(crate) fn parts(seconds: i64) -> Parts {
    let day = seconds.div_euclid(DAY);
    let rest = seconds.rem_euclid(DAY);
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * of_year + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    Parts {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * mp + 2) / 5 + 1,
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
        weekday: (day + 4).rem_euclid(7) as usize,
    }
}

fn zone(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// A date as `--date=MODE` shows it; `None` if there is no such mode.
pub(crate) fn show(time: Time, mode: &str) -> Option<String> {
    let (base, local) = match mode.strip_suffix("-local") {
        Some(base) => (base, true),
        None if mode == "local" => ("default", true),
        None => (mode, false),
    };
    let offset = if local { 0 } else { time.offset_minutes() };
    let p = parts(time.seconds() + i64::from(offset) * 60);
    let tail = if local { String::new() } else { format!(" {}", zone(offset)) };
    let (weekday, month) = (DAYS[p.weekday], MONTHS[p.month as usize - 1]);
    let clock = format!("{:02}:{:02}:{:02}", p.hour, p.minute, p.second);
    let date = format!("{:04}-{:02}-{:02}", p.year, p.month, p.day);
    Some(match base {
        "default" | "normal" => format!("{weekday} {month} {} {clock} {}{tail}", p.day, p.year),
        "iso" | "iso8601" => format!("{date} {clock} {}", zone(offset)),
        "iso-strict" | "iso8601-strict" if offset == 0 => format!("{date}T{clock}Z"),
        "iso-strict" | "iso8601-strict" => {
            let zone = zone(offset);
            format!("{date}T{clock}{}:{}", &zone[..3], &zone[3..])
        }
        "rfc" | "rfc2822" => {
            format!("{weekday}, {} {month} {} {clock} {}", p.day, p.year, zone(offset))
        }
        "short" => date,
        "raw" => format!("{} {}", time.seconds(), zone(offset)),
        "unix" => time.seconds().to_string(),
        "relative" => relative(time.seconds(), now()),
        "human" => human(time, p),
        _ => strftime(
            base.strip_prefix("format:").or_else(|| base.strip_prefix("format-local:"))?,
            &p,
            time,
            offset,
        ),
    })
}

fn human(time: Time, p: Parts) -> String {
    let today = parts(now());
    if now() - time.seconds() < DAY && today.day == p.day {
        return relative(time.seconds(), now());
    }
    let month = MONTHS[p.month as usize - 1];
    if p.year == today.year {
        let weekday = DAYS[p.weekday];
        return format!("{weekday} {month} {} {:02}:{:02}", p.day, p.hour, p.minute);
    }
    format!("{month} {} {}", p.day, p.year)
}

/// `3 days ago`.
pub(crate) fn relative(then: i64, now: i64) -> String {
    if then > now {
        return "in the future".to_owned();
    }
    let ago = |n: i64, unit: &str| format!("{n} {unit}{} ago", if n == 1 { "" } else { "s" });
    let seconds = now - then;
    if seconds < 90 {
        return ago(seconds, "second");
    }
    let minutes = (seconds + 30) / 60;
    if minutes < 90 {
        return ago(minutes, "minute");
    }
    let hours = (minutes + 30) / 60;
    if hours < 36 {
        return ago(hours, "hour");
    }
    let days = (hours + 12) / 24;
    if days < 14 {
        return ago(days, "day");
    }
    if days < 70 {
        return ago((days + 3) / 7, "week");
    }
    if days < 365 {
        return ago((days + 15) / 30, "month");
    }
    if days < 1825 {
        let months = (days * 12 * 2 + 365) / (365 * 2);
        let (years, months) = (months / 12, months % 12);
        if months > 0 {
            let plural = |n: i64| if n == 1 { "" } else { "s" };
            return format!("{years} year{}, {months} month{} ago", plural(years), plural(months));
        }
        return ago(years, "year");
    }
    ago((days + 183) / 365, "year")
}

fn strftime(format: &str, p: &Parts, time: Time, offset: i32) -> String {
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let of_year = days(p.year, p.month, p.day) - days(p.year, 1, 1) + 1;
        out += &match letters.next() {
            Some('Y') => p.year.to_string(),
            Some('y') => format!("{:02}", p.year % 100),
            Some('m') => format!("{:02}", p.month),
            Some('d') => format!("{:02}", p.day),
            Some('e') => format!("{:2}", p.day),
            Some('H') => format!("{:02}", p.hour),
            Some('I') => format!("{:02}", (p.hour + 11) % 12 + 1),
            Some('M') => format!("{:02}", p.minute),
            Some('S') => format!("{:02}", p.second),
            Some('p') => if p.hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('j') => format!("{of_year:03}"),
            Some('a') => DAYS[p.weekday].to_owned(),
            Some('A') => {
                ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
                    [p.weekday]
                    .to_owned()
            }
            Some('b' | 'h') => MONTHS[p.month as usize - 1].to_owned(),
            Some('B') => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ][p.month as usize - 1]
                .to_owned(),
            Some('F') => format!("{:04}-{:02}-{:02}", p.year, p.month, p.day),
            Some('T') => format!("{:02}:{:02}:{:02}", p.hour, p.minute, p.second),
            Some('R') => format!("{:02}:{:02}", p.hour, p.minute),
            Some('D') => format!("{:02}/{:02}/{:02}", p.month, p.day, p.year % 100),
            Some('c') => format!(
                "{} {} {:2} {:02}:{:02}:{:02} {}",
                DAYS[p.weekday],
                MONTHS[p.month as usize - 1],
                p.day,
                p.hour,
                p.minute,
                p.second,
                p.year
            ),
            Some('s') => time.seconds().to_string(),
            Some('u') => if p.weekday == 0 { 7 } else { p.weekday }.to_string(),
            Some('w') => p.weekday.to_string(),
            Some('z') => zone(offset),
            Some('Z') => String::new(),
            Some('n') => "\n".to_owned(),
            Some('t') => "\t".to_owned(),
            Some('%') => "%".to_owned(),
            Some(other) => format!("%{other}"),
            None => "%".to_owned(),
        };
    }
    out
}

/// Reads an exact date: seconds with a zone, ISO 8601, RFC 2822 or git's own.
pub(crate) fn parse(text: &str) -> Option<Time> {
    let text = text.trim();
    if let Some(time) = seconds(text) {
        return Some(time);
    }
    let found = Fields::read(text)?;
    let (year, month, day) = (found.year?, found.month?, found.day?);
    let (hour, minute, second) = found.clock?;
    let offset = found.zone.unwrap_or(0);
    let local = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some(Time::new(local - i64::from(offset) * 60, offset))
}

fn seconds(text: &str) -> Option<Time> {
    let (number, zone) = text.split_once(' ').unwrap_or((text, ""));
    let marked = number.starts_with('@');
    let number = number.strip_prefix('@').unwrap_or(number);
    let long = number.len() >= 9 && number.bytes().all(|b| b.is_ascii_digit());
    if !marked && !long {
        return None;
    }
    let zone = if zone.is_empty() { 0 } else { read_zone(zone)? };
    Some(Time::new(number.parse().ok()?, zone))
}

fn read_zone(text: &str) -> Option<i32> {
    if matches!(text, "Z" | "UTC" | "GMT") {
        return Some(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let number: i32 = digits.parse().ok()?;
    Some(sign * if digits.len() <= 2 { number * 60 } else { number / 100 * 60 + number % 100 })
}

/// What the words of a date say.
#[derive(Debug, Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    clock: Option<(i64, i64, i64)>,
    zone: Option<i32>,
}

impl Fields {
    fn read(text: &str) -> Option<Self> {
        let mut fields = Self::default();
        // `2026-01-02T03:04:05Z` is a date, a clock and a zone.
        let spaced = match text.split_once('T') {
            Some((date, rest)) if date.ends_with(|c: char| c.is_ascii_digit()) => {
                format!("{date} {rest}")
            }
            _ => text.to_owned(),
        };
        for word in spaced.split([' ', ',']).filter(|word| !word.is_empty()) {
            fields.word(word)?;
        }
        Some(fields)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        if word.contains(':') && !word.starts_with(['+', '-']) {
            return self.clock(word);
        }
        if let Some(zone) = read_zone(word) {
            self.zone = Some(zone);
            return Some(());
        }
        let lower = word.to_ascii_lowercase();
        if let Some(at) = MONTHS
            .iter()
            .position(|m| lower.len() >= 3 && lower.starts_with(&m.to_ascii_lowercase()))
        {
            self.month = Some(at as i64 + 1);
            return Some(());
        }
        if DAYS.iter().any(|day| lower.len() >= 3 && lower.starts_with(&day.to_ascii_lowercase())) {
            return Some(());
        }
        self.date(word)
    }

    fn clock(&mut self, word: &str) -> Option<()> {
        let end = word.find(['Z', '+', '-']).unwrap_or(word.len());
        if end < word.len() {
            self.zone = Some(read_zone(&word[end..])?);
        }
        let word = word[..end].split('.').next()?;
        let mut numbers = word.split(':').map(|n| n.parse::<i64>().ok());
        self.clock = Some((numbers.next()??, numbers.next()??, numbers.next().unwrap_or(Some(0))?));
        Some(())
    }

    fn date(&mut self, word: &str) -> Option<()> {
        for separator in ['-', '/', '.'] {
            let numbers: Vec<i64> = word.split(separator).filter_map(|n| n.parse().ok()).collect();
            if numbers.len() == 3 {
                let (year, month, day) = match (separator, numbers[0] > 31) {
                    (_, true) => (numbers[0], numbers[1], numbers[2]),
                    ('/', _) => (numbers[2], numbers[0], numbers[1]),
                    _ => (numbers[2], numbers[1], numbers[0]),
                };
                (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
                return Some(());
            }
        }
        let number: i64 = word.parse().ok()?;
        match number {
            1..=31 if self.day.is_none() => self.day = Some(number),
            1970.. => self.year = Some(number),
            _ => return None,
        }
        Some(())
    }
}

/// Reads what people type, `2 weeks ago` or `yesterday` too.
pub(crate) fn approximate(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(time) = parse(text) {
        return Some(time.seconds());
    }
    if let Some(fields) = Fields::read(text)
        && let (Some(month), Some(day)) = (fields.month, fields.day)
    {
        let p = parts(now());
        let (hour, minute, second) = fields.clock.unwrap_or((p.hour, p.minute, p.second));
        let year = fields.year.unwrap_or(p.year);
        return Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second);
    }
    ago(text)
}

fn ago(text: &str) -> Option<i64> {
    let mut time = now();
    let mut number = 1;
    let mut understood = false;
    for word in text.split([' ', '.', '_', ',']).filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        let unit = lower.strip_suffix('s').unwrap_or(&lower);
        let step = match unit {
            "now" | "today" => 0,
            "yesterday" => DAY,
            "second" | "sec" => 1,
            "minute" | "min" => 60,
            "hour" => 3600,
            "day" => DAY,
            "week" => 7 * DAY,
            "month" => 30 * DAY,
            "year" => 365 * DAY,
            "ago" | "last" | "the" => continue,
            "midnight" => {
                time -= time.rem_euclid(DAY);
                understood = true;
                continue;
            }
            "noon" => {
                time -= (time - DAY / 2).rem_euclid(DAY);
                understood = true;
                continue;
            }
            "a" | "an" | "one" => {
                number = 1;
                continue;
            }
            other => {
                number = other.parse().ok()?;
                continue;
            }
        };
        time -= match unit {
            // Months and years keep the day of the month.
            "month" => time - months_before(time, number),
            "year" => time - months_before(time, 12 * number),
            _ => number * step,
        };
        understood = true;
        number = 1;
    }
    understood.then_some(time)
}

fn months_before(time: i64, n: i64) -> i64 {
    let p = parts(time);
    let months = p.year * 12 + p.month - 1 - n;
    days(months.div_euclid(12), months.rem_euclid(12) + 1, p.day) * DAY + time.rem_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_shown() {
        let time = parse("2026-03-01T06:00:00+0130").unwrap();
        assert_eq!((time.seconds(), time.offset_minutes()), (1_772_339_400, 90));
        assert_eq!(show(time, "default").unwrap(), "Sun Mar 1 06:00:00 2026 +0130");
        assert_eq!(show(time, "rfc").unwrap(), "Sun, 1 Mar 2026 06:00:00 +0130");
        for text in [
            "Sun Mar 1 06:00:00 2026 +0130",
            "Sun, 1 Mar 2026 06:00:00 +0130",
            "1772339400 +0130",
            "@1772339400 +0130",
        ] {
            assert_eq!(parse(text).unwrap().seconds(), 1_772_339_400, "{text}");
        }
        assert!(parse("2026-03-01").is_none());
        assert!(approximate("2.weeks.ago").is_some());
    }
}
