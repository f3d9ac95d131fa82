//! A collection's answers about radios, for the part that would ask the same.

use bytes::Bytes;
use tokio::time::Instant;

use super::sources::question::Question;
use super::sources::replies::Reply;
use ubus::Error;

/// The answers of one collection as they came.
#[derive(Debug)]
pub struct Answers {
    /// Before the first was asked for.
    pub asked: Instant,
    /// The objects `hostapd*`; `None` if nobody said which there are.
    hostapd: Option<Option<Vec<String>>>,
    replies: Vec<(String, &'static str, Option<Bytes>)>,
}

impl Answers {
    pub(super) fn asked_now() -> Self {
        Answers {
            asked: Instant::now(),
            hostapd: None,
            replies: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_test(
        hostapd: Vec<String>,
        replies: Vec<(String, &'static str, Option<Bytes>)>,
    ) -> Self {
        Answers {
            asked: Instant::now(),
            hostapd: Some(Some(hostapd)),
            replies,
        }
    }

    /// Keeps what others judge by, too.
    pub(super) fn note(&mut self, question: &Question, reply: &Result<Reply, Error>) {
        match (question, reply) {
            (Question::Aps, Ok(Reply::Paths(paths))) => self.hostapd = Some(Some(paths.clone())),
            (Question::Aps, _) => self.hostapd = Some(None),
            (Question::Radios | Question::Dump | Question::Status(_), reply) => {
                let (path, method, _) = question.call();
                let data = match reply {
                    Ok(Reply::Data(data)) => Some(data.clone()),
                    _ => None,
                };
                self.replies.push((path, method, data));
            }
            _ => {}
        }
    }

    /// The objects `hostapd*`, or that nobody said; `None` if that was not asked.
    pub fn hostapd(&self) -> Option<Option<Vec<String>>> {
        self.hostapd.clone()
    }

    /// The answer to a call without arguments, or its failure; `None` if the call was not made.
    pub fn reply(&self, path: &str, method: &str) -> Option<Option<Bytes>> {
        let mut replies = self.replies.iter();
        let found = replies.find(|(of, called, _)| of == path && *called == method);
        found.map(|(_, _, data)| data.clone())
    }
}
