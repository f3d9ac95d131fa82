//! Asks the bus: everything at once as far as the daemon has room for the answers, each with a
//! deadline of its own, so that a callee that hangs costs what it alone knows.

use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use ubus::{Client, Error, Status};

use super::question::Question;
use super::replies::{Replies, Reply};
use crate::collect::Answers;
use crate::process::clock;

/// Longest wait for the answer of one object.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for all answers: less than lies between two reports.
const ALL_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of answers that may be on their way at once: half of what the daemon keeps for us.
const IN_FLIGHT: usize = 512 << 10;

/// Size assumed of answers before the first one.
const UNKNOWN_ANSWER: usize = 16 << 10;

/// A question under way. All are one type, for each further one would be as much code again.
type Asked = Pin<Box<dyn Future<Output = (Question, Result<Reply, Error>)> + Send>>;

/// Asks, and remembers how large answers are: the daemon drops what a client does not read in
/// time, beyond 1 MiB, so no more is asked for at once than fits there.
#[derive(Debug)]
pub(crate) struct Gatherer {
    /// Bytes of the largest answer of the last time.
    largest: usize,
}

impl Gatherer {
    pub(crate) fn new() -> Self {
        Gatherer {
            largest: UNKNOWN_ANSWER,
        }
    }

    /// Asks every source once, and has `others` note the answers; `hints` if what rpcd makes of names is wanted too.
    pub(crate) async fn gather(
        &mut self,
        client: &Client,
        wifi: bool,
        hints: bool,
        others: &mut Answers,
    ) -> Replies {
        use Question::{
            Aps, Board, Devices, Dump, Info, Leases4, Leases6, LuciLeases, Netdevs, Radios,
        };
        let mut questions = VecDeque::from([Board, Info, Dump, Devices, Leases4]);
        if wifi {
            questions.extend([Radios, Aps, Netdevs, Leases6, LuciLeases]);
        }
        if wifi && hints {
            questions.push_back(Question::Hints);
        }
        let until = Instant::now() + ALL_WITHIN;
        let expected = std::mem::take(&mut self.largest);
        let mut replies = Replies::new(wifi);
        let mut asked: Vec<Asked> = Vec::new();
        let mut answers = Vec::new();
        loop {
            let at_once = IN_FLIGHT / expected.max(self.largest).max(1);
            while asked.len() < at_once.max(1) {
                let Some(question) = questions.pop_front() else {
                    break;
                };
                asked.push(Box::pin(ask(client.clone(), question, until)));
            }
            if asked.is_empty() {
                break;
            }
            let (question, reply) = poll_fn(|context| first(&mut asked, context)).await;
            others.note(&question, &reply);
            if let Ok(Reply::Data(data)) = &reply {
                self.largest = self.largest.max(data.len());
            }
            match question {
                // The next questions depend on these.
                Aps | Netdevs | Radios => {
                    questions.extend(replies.take(question, reply, clock::epoch_seconds()));
                }
                // Read when all are here, for nothing is taken from the bus meanwhile.
                _ => answers.push((question, reply)),
            }
        }
        for (question, reply) in answers {
            replies.take(question, reply, clock::epoch_seconds());
        }
        replies
    }
}

async fn ask(
    client: Client,
    question: Question,
    until: Instant,
) -> (Question, Result<Reply, Error>) {
    let (path, method, args) = question.call();
    let within = TIMEOUT.min(until.saturating_duration_since(Instant::now()));
    let reply = match question {
        Question::Aps => match client.lookup(&path, within).await {
            Ok(objects) => Ok(objects.into_iter().map(|object| object.path).collect()),
            Err(Error::Status(Status::NOT_FOUND)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
        .map(Reply::Paths),
        _ => call(&client, path, method, args, within)
            .await
            .map(Reply::Data),
    };
    (question, reply)
}

async fn call(
    client: &Client,
    path: String,
    method: &str,
    args: Vec<u8>,
    within: Duration,
) -> Result<Bytes, Error> {
    let replies = client.call_raw(&path, method, args, within).await?;
    replies.into_iter().next().ok_or(Error::NoData)
}

/// Takes out the first that is done. Cheap enough: they are few, and one poll of a waiting call
/// looks at one channel.
fn first(
    asked: &mut Vec<Asked>,
    context: &mut Context<'_>,
) -> Poll<(Question, Result<Reply, Error>)> {
    for at in 0..asked.len() {
        if let Poll::Ready(answer) = asked[at].as_mut().poll(context) {
            drop(asked.swap_remove(at));
            return Poll::Ready(answer);
        }
    }
    Poll::Pending
}
