//! Callers and listeners, by what they wait for.

use tokio::sync::{mpsc, oneshot, watch};

use crate::command::{Declaring, ReplyTo};
use crate::error::{Error, Status};
use crate::listening::Heard;
use crate::object::ObjectInfo;
use crate::ordered::Map;
use crate::protocol::{Answer, Incoming, Notice, Token};

/// Callers and listeners, by what they wait for.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) data: Map<Token, ReplyTo>,
    pub(super) lookups: Map<Token, oneshot::Sender<Result<Vec<ObjectInfo>, Error>>>,
    pub(super) declared: Map<Token, Declaring>,
    pub(super) objects: Map<Token, (mpsc::Sender<Incoming>, watch::Sender<bool>)>,
    pub(super) listeners: Map<Token, (mpsc::Sender<Heard>, u32)>,
    pub(super) subscriptions: Map<Token, (mpsc::Sender<Notice>, u32)>,
}

impl Users {
    /// A user who stopped waiting has dropped his end; the answer is nobody's then.
    pub(super) fn answer(&mut self, token: Token, result: Result<Answer, Error>) {
        if let Some(answer) = self.data.remove(&token) {
            let _ = answer.send(result.map(|answer| match answer {
                Answer::Data(data, status) => (data, status),
                _ => (Vec::new(), Status::OK),
            }));
        } else if let Some(answer) = self.lookups.remove(&token) {
            let _ = answer.send(result.map(|answer| match answer {
                Answer::Objects(objects) => objects,
                _ => Vec::new(),
            }));
        } else if let Some(answer) = self.declared.remove(&token) {
            answer.answer(token, result.map(drop));
        }
    }
}

/// Queues `item`; what does not fit is counted, and the count is queued before the next that fits.
pub(super) fn offer<T>(
    queue: &mpsc::Sender<T>,
    lost: &mut u32,
    item: T,
    report: impl Fn(u32) -> T,
) {
    if *lost > 0 {
        if queue.try_send(report(*lost)).is_err() {
            *lost = lost.saturating_add(1);
            return;
        }
        *lost = 0;
    }
    if queue.try_send(item).is_err() {
        *lost = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_do_not_fit_are_counted_before_the_next_that_does() {
        let (queue, mut items) = mpsc::channel(2);
        let mut lost = 0;
        let mut add = |item: &str| {
            let report = |count: u32| format!("{count} lost");
            offer(&queue, &mut lost, item.to_owned(), report);
        };
        ["a", "b", "c", "d"].into_iter().for_each(&mut add);
        let mut next = || items.try_recv().ok();
        assert_eq!(
            [next(), next(), next()],
            [Some("a".into()), Some("b".into()), None]
        );
        // There is room for the count and for one more.
        ["e", "f"].into_iter().for_each(&mut add);
        let heard = [Some("2 lost".into()), Some("e".into()), None];
        assert_eq!([next(), next(), next()], heard);
        add("g");
        let heard = [Some("1 lost".into()), Some("g".into()), None];
        assert_eq!([next(), next(), next()], heard);
    }
}
