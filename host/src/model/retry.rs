//! When to ask again, and how long to wait before.
//!
//! The wait is what the endpoint asks for in `Retry-After`, else it doubles from attempt to attempt
//! with jitter. The jitter comes from a seed that the client derives from its own seed and the
//! request's purpose: concurrent requests spread out, and yet a run with the same seed waits the same
//! times, whatever the number of jobs.

use super::ModelError;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use reqwest::header::{self, HeaderMap};
use std::time::Duration;

/// How often and how long to try. Every value is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests after the first one, at most.
    pub max_retries: u32,
    /// Requests after one whose answer was malformed, at most: such an answer was paid for.
    pub max_malformed_retries: u32,
    /// The wait before the second attempt, without jitter.
    pub min_delay: Duration,
    /// The longest wait that this program chooses by itself, without jitter.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// Starts the schedule of one request.
    pub(super) fn schedule(&self, jitter_seed: u64) -> RetrySchedule {
        let delays = ExponentialBuilder::new()
            .with_min_delay(self.min_delay)
            .with_max_delay(self.max_delay)
            .with_factor(2.0)
            .with_jitter()
            .with_jitter_seed(jitter_seed)
            .without_max_times()
            .build();
        RetrySchedule {
            delays,
            retries_left: self.max_retries,
            malformed_left: self.max_malformed_retries,
        }
    }
}

/// What is left of the patience with one request.
#[derive(Debug)]
pub(super) struct RetrySchedule {
    delays: ExponentialBackoff,
    retries_left: u32,
    malformed_left: u32,
}

impl RetrySchedule {
    /// Returns how long to wait before the next attempt, or nothing if there is to be none: because
    /// `error` will not go away by itself, because there were enough attempts, or because the wait
    /// would last longer than `time_left`.
    pub(super) fn next_delay(
        &mut self,
        error: &ModelError,
        time_left: Duration,
    ) -> Option<Duration> {
        if !error.is_retryable() {
            return None;
        }
        self.retries_left = self.retries_left.checked_sub(1)?;
        if matches!(error, ModelError::Malformed { .. }) {
            self.malformed_left = self.malformed_left.checked_sub(1)?;
        }
        // The schedule advances even when the endpoint names a time.
        let own = self.delays.next()?;
        let delay = error.retry_after().unwrap_or(own);
        (delay < time_left).then_some(delay)
    }
}

/// Returns the wait that a response asks for: seconds, or a date.
///
/// A date is counted from the `Date` of the same response, so that a clock that is wrong here or
/// there does no harm; without one it is counted from `now`. A date in the past means no wait.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = parse_http_date(value)?;
    let now = headers
        .get(header::DATE)
        .and_then(|date| parse_http_date(date.to_str().ok()?.trim()))
        .unwrap_or(now);
    Some(until.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

/// Parses the date form of HTTP, which is that of mail. Its two obsolete forms are not sent any more.
fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, ModelError, RetryPolicy, retry_after};
    use jiff::Timestamp;
    use std::time::Duration;

    const POLICY: RetryPolicy = RetryPolicy {
        max_retries: 4,
        max_malformed_retries: 1,
        min_delay: Duration::from_millis(100),
        max_delay: Duration::from_millis(400),
    };
    const LONG: Duration = Duration::from_mins(10);

    fn server_error(retry_after: Option<Duration>) -> ModelError {
        let (url, message) = ("http://x".to_owned(), String::new());
        ModelError::Server { url, status: 500, message, retry_after }
    }

    fn malformed() -> ModelError {
        let (url, reason, excerpt) = ("http://x".to_owned(), String::new(), String::new());
        ModelError::Malformed { url, reason, excerpt }
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn delays(seed: u64) -> Vec<Duration> {
        let mut schedule = POLICY.schedule(seed);
        std::iter::from_fn(|| schedule.next_delay(&server_error(None), LONG)).collect()
    }

    #[test]
    fn delays_double_with_jitter_up_to_the_limit_and_repeat_with_the_seed() {
        let seen = delays(7);
        assert_eq!(seen.len(), 4, "one delay for each retry");
        for (delay, floor_ms) in seen.iter().zip([100, 200, 400, 400]) {
            let floor = Duration::from_millis(floor_ms);
            assert!(*delay >= floor && *delay <= floor * 2, "{delay:?} with floor {floor:?}");
        }
        assert_eq!(seen, delays(7));
        assert_ne!(seen, delays(8));
    }

    #[test]
    fn endpoint_decides_the_delay_if_it_fits() {
        let asks = server_error(Some(Duration::from_secs(3)));
        assert_eq!(POLICY.schedule(0).next_delay(&asks, LONG), Some(Duration::from_secs(3)));
        assert_eq!(POLICY.schedule(0).next_delay(&asks, Duration::from_secs(2)), None);
    }

    #[test]
    fn malformed_answers_have_a_bound_of_their_own() {
        let mut schedule = POLICY.schedule(0);
        assert!(schedule.next_delay(&malformed(), LONG).is_some());
        assert!(schedule.next_delay(&malformed(), LONG).is_none());
        assert!(schedule.next_delay(&server_error(None), LONG).is_some());
    }

    #[test]
    fn refusal_is_final() {
        let (url, message) = ("http://x".to_owned(), String::new());
        let refused = ModelError::Refused { url, status: 400, message };
        assert_eq!(POLICY.schedule(0).next_delay(&refused, LONG), None);
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let wait = |fields: &[(&'static str, &str)]| retry_after(&headers(fields), now);
        let date = ("retry-after", "Sun, 22 Nov 2026 10:00:30 GMT");
        assert_eq!(wait(&[("retry-after", " 7")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[date]), Some(Duration::from_secs(30)));
        // The endpoint's clock is ten seconds ahead of ours, and counts.
        assert_eq!(
            wait(&[date, ("date", "Sun, 22 Nov 2026 10:00:10 GMT")]),
            Some(Duration::from_secs(20))
        );
        assert_eq!(wait(&[("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-1")]), None);
        assert_eq!(wait(&[]), None);
    }
}
