//! The loop that serves the spool's handles, here or on a thread.

use std::io;
use std::time::Duration;

use durable::{AskError, RealDisk, Store};
use tokio::sync::{mpsc, oneshot, watch};

use super::handle::{Inbox, Request, Settings};
use super::keeper::Keeper;
use super::Facts;

/// Flash that does not answer for so long is an error in the log.
const PATIENCE: Duration = Duration::from_secs(600);

/// Time in which reports in RAM alone get to flash when the agent ends, or never.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Serves the spool until the last handle is gone.
///
/// A spool on flash works on a thread of its own, so that nobody else waits for flash. A directory
/// that cannot be opened is in the facts and is tried again with each report; reports wait in memory
/// meanwhile.
pub async fn run(settings: Settings, inbox: Inbox) {
    let Inbox {
        mut requests,
        facts,
    } = inbox;
    let mut next = Some(Served::new(settings, facts));
    while let Some(served) = next {
        next = match served.keeper.is_on_flash() {
            true => on_thread(served, &mut requests).await,
            false => here(served, &mut requests).await,
        };
    }
}

/// Serves a spool without flash. Some if it is on flash now.
async fn here(mut served: Served, requests: &mut mpsc::Receiver<Request>) -> Option<Served> {
    while let Some(request) = requests.recv().await {
        served.serve(request);
        if served.keeper.is_on_flash() {
            return Some(served);
        }
    }
    served.serve(Request::Close);
    None
}

/// Serves a spool with flash on a thread. Some if it is to be served in another way now.
async fn on_thread(served: Served, requests: &mut mpsc::Receiver<Request>) -> Option<Served> {
    let (disk, ask) = match RealDisk::start("spool", OnThread(Some(served))) {
        Ok(started) => started,
        Err(error) => {
            log::error!("spool: no thread for it: {error}");
            return None;
        }
    };
    while let Some(request) = requests.recv().await {
        let settles = matches!(request, Request::Settle(_));
        match ask.ask(request, PATIENCE).await {
            Ok(_) => {}
            Err(AskError::Late) => log::error!("spool: flash has not answered for 10 min"),
            Err(error) => {
                log::error!("spool: {error}; reports are no longer kept");
                return None;
            }
        }
        if settles {
            let answer = ask.ask(Request::GiveBack, PATIENCE).await;
            return answer.ok()?.reply;
        }
    }
    let closed = ask.ask(Request::Close, END_WITHIN).await.is_ok();
    if !closed || !disk.end(END_WITHIN).await {
        log::warn!("spool: flash did not take the newest reports in time");
    }
    None
}

/// The spool with its watchers.
struct Served {
    keeper: Keeper,
    facts: watch::Sender<Facts>,
}

/// A spool on a thread, until it is given back.
struct OnThread(Option<Served>);

impl Store for OnThread {
    type Request = Request;
    type Reply = Option<Served>;

    fn handle(&mut self, request: Request) -> Option<Served> {
        if matches!(request, Request::GiveBack) {
            return self.0.take();
        }
        if let Some(served) = &mut self.0 {
            served.serve(request);
        }
        None
    }

    /// Does nothing: the spool syncs by itself when it is due, because flash wears.
    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Served {
    fn new(settings: Settings, facts: watch::Sender<Facts>) -> Self {
        let keeper = Keeper::new(settings);
        facts.send_replace(keeper.facts());
        Served { keeper, facts }
    }

    /// Serves a request. The facts are published first, so that they hold everything that was answered.
    fn serve(&mut self, request: Request) {
        match request {
            Request::Append(build, answer) => self.tell(answer, |keeper| keeper.append(build)),
            Request::NextFew(max_bytes, reports, answer) => self.tell(answer, |keeper| {
                keeper.with(|spool, now| spool.next_few(max_bytes, reports, now))
            }),
            Request::Newest(answer) => {
                self.tell(answer, |keeper| keeper.with(|spool, now| spool.newest(now)));
            }
            Request::Alone(report, answer) => self.tell(answer, |keeper| {
                keeper.with(|spool, now| spool.alone(&report, now))
            }),
            Request::TakeBack(reports, answer) => {
                self.tell(answer, |keeper| keeper.take_back(&reports));
            }
            Request::TakeBackAll(answer) => self.tell(answer, Keeper::take_back_all),
            Request::Halve(id, answer) => self.tell(answer, |keeper| {
                keeper.with(|spool, now| spool.halve(id, now))
            }),
            Request::Settled(id, how, answer) => {
                self.tell(answer, |keeper| keeper.settled(id, how));
            }
            Request::Settle(place) => self.keeper.settle(place),
            Request::ServerDate(date) => self.keeper.server_date(date),
            Request::WantsDate(answer) => self.tell(answer, Keeper::wants_date),
            Request::Close => self.keeper.close(),
            Request::GiveBack => {}
        }
        self.publish();
    }

    fn tell<T>(&mut self, answer: oneshot::Sender<T>, ask: impl FnOnce(&mut Keeper) -> T) {
        let told = ask(&mut self.keeper);
        self.publish();
        // An asker that went away needs no answer.
        let _ = answer.send(told);
    }

    fn publish(&self) {
        let now = self.keeper.facts();
        self.facts
            .send_if_modified(|known| std::mem::replace(known, now.clone()) != now);
    }
}
