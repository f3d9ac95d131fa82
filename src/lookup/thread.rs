//! The thread that waits for the C library.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Address, MAX_ADDRESSES};
use crate::tasks;

/// Look-ups in the queue; parts ask for one name at a time, so this is never reached.
const QUEUE: usize = 32;

/// Stack of the thread, bytes. musl's resolver keeps its packets on it.
const STACK: usize = 256 << 10;

/// Time for which a late answer holds: the next attempt comes within 5 min.
const LATE: Duration = Duration::from_secs(300);

/// The answer of the C library; an error as its words.
pub(super) type Answered = Result<Vec<Address>, String>;

type Ask = fn(&str) -> io::Result<Vec<Address>>;

/// A thread, and the look-ups it has to make.
#[derive(Debug)]
pub(super) struct Thread {
    name: &'static str,
    ask: Ask,
    shared: Arc<Shared>,
}

/// A look-up that was asked for.
pub(super) struct Asked {
    pub(super) answer: oneshot::Receiver<Answered>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Notified when a look-up joins the queue, and when the last handle goes.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(String, oneshot::Sender<Answered>)>,
    /// The look-up under way, and its askers.
    under_way: Option<(String, Vec<oneshot::Sender<Answered>>)>,
    /// An answer that came after everybody had given up, for the next one who asks.
    late: Option<Late>,
    runs: bool,
    /// Nobody can ask any more.
    closed: bool,
}

#[derive(Debug)]
struct Late {
    name: String,
    addresses: Vec<Address>,
    at: Instant,
}

impl Queue {
    /// The addresses of `name` that came too late for the one who asked, if they still hold.
    fn take_late(&mut self, name: &str) -> Option<Vec<Address>> {
        let late = self.late.take_if(|late| late.name == name)?;
        (late.at.elapsed() < LATE).then_some(late.addresses)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    pub(super) fn new(name: &'static str, ask: Ask) -> Self {
        Thread {
            name,
            ask,
            shared: Arc::default(),
        }
    }

    /// Has `name` looked up; joins the look-up of the same name if one is under way.
    ///
    /// # Errors
    ///
    /// The system starts no thread, or the queue is full.
    pub(super) fn ask(&self, name: &str) -> io::Result<Asked> {
        let (sender, answer) = oneshot::channel();
        let mut guard = self.shared.queue();
        let queue = &mut *guard;
        queue.waiting.retain(|(_, sender)| !sender.is_closed());
        if let Some(addresses) = queue.take_late(name) {
            // The receiver is right here.
            let _ = sender.send(Ok(addresses));
            return Ok(Asked { answer });
        }
        match &mut queue.under_way {
            Some((known, waiting)) if known == name => waiting.push(sender),
            _ if queue.waiting.len() >= QUEUE => {
                return Err(io::Error::other("too many look-ups wait"))
            }
            _ => queue.waiting.push_back((name.to_owned(), sender)),
        }
        if !queue.runs {
            self.start()?;
            queue.runs = true;
        }
        drop(guard);
        self.shared.changed.notify_one();
        Ok(Asked { answer })
    }

    /// True if the look-up of another name is under way.
    pub(super) fn is_asking_another(&self, name: &str) -> bool {
        let queue = self.shared.queue();
        let under_way = queue.under_way.as_ref();
        under_way.is_some_and(|(known, _)| known != name)
    }

    fn start(&self) -> io::Result<()> {
        let (shared, ask) = (Arc::clone(&self.shared), self.ask);
        let thread = std::thread::Builder::new()
            .name(self.name.to_owned())
            .stack_size(STACK);
        tasks::thread(thread, Box::new(move || run(&shared, ask))).map(drop)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_one();
    }
}

/// Makes one look-up after the other until nobody can ask any more.
fn run(shared: &Shared, ask: Ask) {
    loop {
        let mut queue = shared.queue();
        let name = loop {
            if queue.closed {
                return;
            }
            match queue.waiting.pop_front() {
                Some((_, sender)) if sender.is_closed() => {}
                Some((name, sender)) => {
                    let mut waiting = vec![sender];
                    let (same, others) = std::mem::take(&mut queue.waiting)
                        .into_iter()
                        .partition::<VecDeque<_>, _>(|(other, _)| *other == name);
                    waiting.extend(same.into_iter().map(|(_, sender)| sender));
                    queue.waiting = others;
                    queue.under_way = Some((name.clone(), waiting));
                    break name;
                }
                None => {
                    let waited = shared.changed.wait(queue);
                    queue = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        drop(queue);
        let answered = ask(&name).map(first_of_each);
        let answered = answered.map_err(|error| error.to_string());
        let mut queue = shared.queue();
        let Some((name, waiting)) = queue.under_way.take() else {
            continue;
        };
        let mut taken = false;
        for sender in waiting {
            taken |= sender.send(answered.clone()).is_ok();
        }
        if let (false, Ok(addresses)) = (taken, answered) {
            let at = Instant::now();
            queue.late = Some(Late {
                name,
                addresses,
                at,
            });
        }
    }
}

/// Each address once, and no more than are used.
fn first_of_each(all: Vec<Address>) -> Vec<Address> {
    let mut kept = Vec::new();
    for address in all {
        if kept.len() < MAX_ADDRESSES && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{channel, Receiver, Sender};
    use std::sync::OnceLock;
    use std::thread::ThreadId;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// Tells the test each name that is asked for, and waits for its word.
    struct Script {
        asked: Receiver<String>,
        answer: Sender<io::Result<Vec<Address>>>,
        thread: Thread,
    }

    type Ends = (Sender<String>, Receiver<io::Result<Vec<Address>>>);

    /// Declares a resolver of the test's own: it is a plain function.
    macro_rules! script {
        () => {{
            static ENDS: OnceLock<Mutex<Ends>> = OnceLock::new();
            static BY: OnceLock<ThreadId> = OnceLock::new();
            let (asks, asked) = channel();
            let (answer, answers) = channel();
            ENDS.set(Mutex::new((asks, answers))).unwrap();
            let thread = Thread::new("scripted", |name| {
                let own = std::thread::current().id();
                assert_eq!(*BY.get_or_init(|| own), own);
                let ends = ENDS.get().unwrap().lock().unwrap();
                ends.0.send(name.to_owned()).unwrap();
                ends.1.recv().unwrap()
            });
            Script {
                asked,
                answer,
                thread,
            }
        }};
    }

    fn addresses(last: u8) -> Vec<Address> {
        vec![std::net::IpAddr::from([192, 0, 2, last]).into()]
    }

    impl Script {
        fn asked(&self) -> String {
            self.asked.recv_timeout(DEADLINE).unwrap()
        }
        fn answer(&self, last: u8) {
            self.answer.send(Ok(addresses(last))).unwrap();
        }
    }

    #[tokio::test]
    async fn a_look_up_that_was_given_up_is_not_made() {
        let script = script!();
        let first = script.thread.ask("a").unwrap();
        assert_eq!(script.asked(), "a");
        let given_up = script.thread.ask("b").unwrap();
        let third = script.thread.ask("c").unwrap();
        assert!(script.thread.is_asking_another("b") && !script.thread.is_asking_another("a"));
        drop(given_up);
        script.answer(1);
        assert_eq!(first.answer.await.unwrap(), Ok(addresses(1)));
        assert_eq!(script.asked(), "c");
        script.answer(3);
        assert_eq!(third.answer.await.unwrap(), Ok(addresses(3)));
    }

    #[tokio::test]
    async fn equal_names_are_looked_up_once_also_while_that_is_under_way() {
        let script = script!();
        let first = script.thread.ask("a").unwrap();
        assert_eq!(script.asked(), "a");
        let joined = script.thread.ask("a").unwrap();
        let others: Vec<_> = (0..3).map(|_| script.thread.ask("b").unwrap()).collect();
        script.answer(1);
        assert_eq!(first.answer.await.unwrap(), Ok(addresses(1)));
        assert_eq!(joined.answer.await.unwrap(), Ok(addresses(1)));
        assert_eq!(script.asked(), "b");
        script.answer(2);
        for other in others {
            assert_eq!(other.answer.await.unwrap(), Ok(addresses(2)));
        }
        let next = script.thread.ask("c").unwrap();
        assert_eq!(script.asked(), "c");
        script.answer(3);
        next.answer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_comes_late_is_there_for_the_next_attempt_once() {
        let script = script!();
        drop(script.thread.ask("slow").unwrap());
        let asked = script.thread.ask("slow").unwrap();
        assert_eq!(script.asked(), "slow");
        drop(asked);
        script.answer(7);
        // The thread has taken the answer when it takes the next name.
        let other = script.thread.ask("other").unwrap();
        assert_eq!(script.asked(), "other");
        let late = script.thread.ask("slow").unwrap();
        assert_eq!(late.answer.await.unwrap(), Ok(addresses(7)));
        let again = script.thread.ask("slow").unwrap();
        script.answer(8);
        assert_eq!(other.answer.await.unwrap(), Ok(addresses(8)));
        assert_eq!(script.asked(), "slow");
        script.answer(9);
        assert_eq!(again.answer.await.unwrap(), Ok(addresses(9)));
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let script = script!();
        let _first = script.thread.ask("a").unwrap();
        assert_eq!(script.asked(), "a");
        let names = (0..QUEUE).map(|n| n.to_string());
        let _waiting: Vec<_> = names
            .map(|name| script.thread.ask(&name).unwrap())
            .collect();
        assert!(script.thread.ask("one more").is_err());
        for _ in 0..=QUEUE {
            script.answer(1);
        }
    }
}
