//! The meaning of a server's answer.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::date;

/// A server may hold us off for this long at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// An answer to a delivery. Only [`Answer::Accepted`] lets the reports go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 2xx, and not a page for people.
    Accepted,
    /// 2xx with HTML: a portal or a proxy in between, not our API.
    Page { status: u16 },
    /// 3xx: not followed, for it would take the token to another place.
    Redirect { status: u16 },
    /// 429 or 503: too many of us; `retry_after` as asked for, at most an hour.
    Busy {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// Anything at all while a captive portal answers for the web: it may be the portal's.
    Captive { status: u16 },
    /// Anything else.
    Refused { status: u16 },
}

/// The lines of a head that decide.
#[derive(Debug, Default)]
pub(crate) struct Head<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: Option<Cow<'a, str>>,
    pub(crate) retry_after: Option<Cow<'a, str>>,
    /// The server's clock, seconds since the epoch.
    pub(crate) date: Option<u64>,
}

impl Answer {
    /// Judges the head and the beginning of the body.
    pub(crate) fn judge(head: &Head<'_>, body: &[u8]) -> Self {
        let status = head.status;
        match status {
            200..=299 if is_html(head.content_type.as_deref(), body) => Answer::Page { status },
            200..=299 => Answer::Accepted,
            300..=399 => Answer::Redirect { status },
            429 | 503 => Answer::Busy {
                status,
                retry_after: head.wait(),
            },
            _ => Answer::Refused { status },
        }
    }

    /// True if it says something of the server or of what lies before it, and nothing of what was
    /// sent or of who sent it: another server may take that.
    pub fn is_the_servers(&self) -> bool {
        match self {
            Answer::Accepted | Answer::Busy { .. } => false,
            Answer::Page { .. } | Answer::Redirect { .. } | Answer::Captive { .. } => true,
            Answer::Refused { status } => !matches!(status, 400 | 401 | 403 | 413 | 422),
        }
    }

    /// True if it is about what was sent alone, so that something else may be accepted.
    pub fn is_about_the_request(&self) -> bool {
        match self {
            Answer::Refused { status } => {
                (400..500).contains(status) && !matches!(status, 401 | 403 | 407 | 408)
            }
            _ => false,
        }
    }

    /// True if fewer reports at a time may be accepted, or else the fault may be the one
    /// report's that was sent.
    pub fn is_about_the_batch(&self) -> bool {
        match self {
            Answer::Refused { status } => matches!(status, 400 | 413 | 422),
            _ => false,
        }
    }

    /// True if it says that our credentials are not valid.
    pub fn is_denial(&self) -> bool {
        matches!(self, Answer::Refused { status: 401 | 403 })
    }

    /// True if the request is too large.
    pub fn is_about_the_size(&self) -> bool {
        matches!(self, Answer::Refused { status: 413 })
    }

    /// True if only the API itself can give it.
    pub fn is_the_apis(&self) -> bool {
        !matches!(
            self,
            Answer::Page { .. } | Answer::Redirect { .. } | Answer::Captive { .. }
        )
    }

    /// The same answer, given while a captive portal was in the way.
    #[must_use]
    pub fn under_a_portal(self) -> Self {
        let status = match self {
            Answer::Accepted => 200,
            Answer::Page { status }
            | Answer::Redirect { status }
            | Answer::Busy { status, .. }
            | Answer::Captive { status }
            | Answer::Refused { status } => status,
        };
        Answer::Captive { status }
    }

    /// The pause that the server asks for.
    pub fn asked_wait(&self) -> Duration {
        match self {
            Answer::Busy { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}

fn is_html(content_type: Option<&str>, body: &[u8]) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next();
    let declared = essence.is_some_and(|essence| {
        let essence = essence.trim().to_ascii_lowercase();
        essence == "text/html" || essence == "application/xhtml+xml"
    });
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    declared || body.trim_ascii_start().starts_with(b"<")
}

impl Head<'_> {
    /// The wait that Retry-After asks for, at most an hour: a number of seconds, or a date. The date is
    /// read by the clock that it was set by, the server's own; without `Date` it says nothing.
    fn wait(&self) -> Option<Duration> {
        let value = self.retry_after.as_deref()?.trim();
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let wait = match is_number {
            true => value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs),
            false => Duration::from_secs(date::parse(value)?.saturating_sub(self.date?)),
        };
        Some(wait.min(RETRY_AFTER_MAX))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Accepted => f.write_str("accepted"),
            Answer::Page { status } => write!(f, "answered {status} with a web page"),
            Answer::Redirect { status } => write!(f, "answered {status}, a redirect"),
            Answer::Captive { status } => {
                write!(f, "answered {status}, or a captive portal in its place")
            }
            Answer::Busy {
                status,
                retry_after: Some(wait),
            } => write!(
                f,
                "answered {status}, to be asked again in {} s",
                wait.as_secs()
            ),
            Answer::Busy { status, .. } | Answer::Refused { status } => {
                write!(f, "answered {status}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16) -> Answer {
        typed(status, Some("application/json"), "{}")
    }

    fn typed(status: u16, content_type: Option<&str>, body: &str) -> Answer {
        let head = Head {
            status,
            content_type: content_type.map(Cow::from),
            ..Head::default()
        };
        Answer::judge(&head, body.as_bytes())
    }

    /// Seconds to wait after `Retry-After` of this value in an answer of this second.
    fn wait(status: u16, retry_after: &str, date: Option<u64>) -> Option<u64> {
        let head = Head {
            status,
            retry_after: Some(retry_after.into()),
            date,
            ..Head::default()
        };
        match Answer::judge(&head, b"") {
            Answer::Busy { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn only_a_2xx_that_is_no_page_is_accepted() {
        for status in 100..600 {
            let accepted = judge(status) == Answer::Accepted;
            assert_eq!(accepted, (200..300).contains(&status), "{status}");
        }
        for (content_type, body) in [
            (Some("text/html"), ""),
            (Some("Text/HTML; charset=utf-8"), "{}"),
            (Some("application/json"), " \r\n<!doctype html>"),
            (None, "\u{feff}<html>"),
        ] {
            let answer = typed(200, content_type, body);
            assert_eq!(
                answer,
                Answer::Page { status: 200 },
                "{content_type:?} {body:?}"
            );
        }
        assert_eq!(typed(204, None, ""), Answer::Accepted);
    }

    #[test]
    fn the_backup_is_for_what_the_first_server_cannot_help() {
        for status in [301, 307, 404, 405, 500, 502, 504] {
            assert!(judge(status).is_the_servers(), "{status}");
        }
        for status in [200, 204, 400, 401, 403, 413, 422, 429, 503] {
            assert!(!judge(status).is_the_servers(), "{status}");
        }
        let page = typed(200, Some("text/html"), "");
        assert!(page.is_the_servers());
    }

    #[test]
    fn what_is_refused_for_itself_does_not_hold_up_the_rest() {
        for status in [400, 404, 405, 409, 410, 413, 415, 422] {
            assert!(judge(status).is_about_the_request(), "{status}");
        }
        for status in [200, 302, 401, 403, 407, 408, 429, 500, 502, 503, 504] {
            assert!(!judge(status).is_about_the_request(), "{status}");
        }
    }

    #[test]
    fn a_batch_is_halved_on_the_answers_that_are_about_what_is_in_it() {
        for status in 100..600 {
            let halved = [400, 413, 422].contains(&status);
            assert_eq!(judge(status).is_about_the_batch(), halved, "{status}");
        }
    }

    #[test]
    fn under_a_captive_portal_no_answer_is_the_servers_word_on_what_was_sent() {
        for status in 100..600 {
            let answer = judge(status).under_a_portal();
            assert_ne!(answer, Answer::Accepted);
            assert!(answer.is_the_servers() && !answer.is_the_apis(), "{status}");
            assert!(!answer.is_about_the_batch() && !answer.is_about_the_request());
            assert_eq!(answer.asked_wait(), Duration::ZERO);
        }
    }

    #[test]
    fn a_wait_asked_for_in_seconds_counts_up_to_an_hour() {
        let wait = |status, value| wait(status, value, None);
        assert_eq!(wait(429, "120"), Some(120));
        assert_eq!(wait(503, " 7 "), Some(7));
        assert_eq!(wait(503, "99999999999999999999999"), Some(3600));
        assert_eq!(wait(503, "86400"), Some(3600));
        for nonsense in ["", "-1", "+1", "1.5", "soon"] {
            assert_eq!(wait(429, nonsense), None, "{nonsense}");
        }
        assert_eq!(judge(500), Answer::Refused { status: 500 });
    }

    #[test]
    fn a_wait_asked_for_as_a_date_counts_from_the_servers_own_clock() {
        let clock = Some(784_111_777);
        for date in [
            "Sun, 06 Nov 1994 08:50:17 GMT",
            "Sunday, 06-Nov-94 08:50:17 GMT",
            "Sun Nov  6 08:50:17 1994",
        ] {
            assert_eq!(wait(503, date, clock), Some(40), "{date}");
            // By no clock of ours.
            assert_eq!(wait(503, date, None), None, "{date}");
        }
        let later = "Sun, 06 Nov 1994 12:00:00 GMT";
        assert_eq!(wait(429, later, clock), Some(3600));
        let past = "Sun, 06 Nov 1994 08:00:00 GMT";
        assert_eq!(wait(429, past, clock), Some(0));
    }
}
