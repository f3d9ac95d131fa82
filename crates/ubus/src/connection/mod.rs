//! The connection: owns the socket, drives [`Protocol`], and connects again when the bus restarts.

mod socket;
mod users;
mod work;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout, Instant};

use self::users::Users;
use super::client::State;
use super::command::{Command, Local};
use super::error::Error;
use super::message::Frame;
use super::protocol::{Protocol, Token};

/// Bytes waiting for the daemon above which nothing new is taken on.
pub const MAX_UNSENT: usize = 2 << 20;

/// Room for frames that is kept when all of them are written, bytes.
const ROOM_KEPT: usize = 4 << 10;

/// The daemon counts as stuck when it has taken nothing that waits for it for this long.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// First wait before connecting again; doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// Longest wait before connecting again: a restarted bus is found within a second.
pub const RETRY_MAX: Duration = Duration::from_secs(1);

/// Wait between attempts where there has never been a bus (plain Linux), after a minute of them.
const RETRY_IDLE: Duration = Duration::from_secs(5);
const ATTEMPTS_BEFORE_IDLE: u32 = 60;

/// The driver of one connection; [`Connection::run`] has to be polled for anything to happen.
#[derive(Debug)]
pub struct Connection {
    path: PathBuf,
    commands: mpsc::Receiver<Command>,
    local: mpsc::UnboundedReceiver<Local>,
    state: watch::Sender<State>,
    protocol: Protocol,
    next_token: Token,
    users: Users,
    out: BytesMut,
    commands_open: bool,
    local_open: bool,
}

/// Why serving a socket ended.
enum End {
    /// The bus is gone, or does not behave.
    Lost(String),
    /// Nobody holds a handle any more.
    Finished,
}

/// The wait after an attempt to connect that followed `failed` failed ones; `seen` says that there was a bus once.
fn pause(failed: u32, seen: bool) -> Duration {
    if !seen && failed >= ATTEMPTS_BEFORE_IDLE {
        return RETRY_IDLE;
    }
    RETRY_MAX.min(RETRY_FIRST * (1 << failed.min(5)))
}

/// The daemon has taken the first `n` bytes. A large reply does not keep its room for as long as the connection lives.
fn take(out: &mut BytesMut, n: usize) {
    out.advance(n);
    if out.is_empty() && out.try_reclaim(ROOM_KEPT + 1) {
        *out = BytesMut::new();
    }
}

impl Connection {
    pub(super) fn new(
        path: PathBuf,
        commands: mpsc::Receiver<Command>,
        local: mpsc::UnboundedReceiver<Local>,
        state: watch::Sender<State>,
    ) -> Self {
        Connection {
            path,
            commands,
            local,
            state,
            protocol: Protocol::default(),
            next_token: 0,
            users: Users::default(),
            out: BytesMut::new(),
            commands_open: true,
            local_open: true,
        }
    }

    /// Serves the bus until every handle is dropped; reconnects as often as needed.
    pub async fn run(mut self) {
        let mut failed: u32 = 0;
        let mut seen = false;
        loop {
            let reason = match UnixStream::connect(&self.path).await {
                Ok(stream) => {
                    let end = self.serve(stream).await;
                    self.out.clear();
                    self.protocol.closed();
                    self.hand_over();
                    match end {
                        End::Finished => return,
                        End::Lost(reason) => reason,
                    }
                }
                Err(error) => error.to_string(),
            };
            // Greeted at least once since the last failure: the bus is there, start over.
            if self.state.borrow().connected {
                seen = true;
                failed = 0;
            }
            self.set_state(false, Some(reason));
            let until = Instant::now() + pause(failed, seen);
            failed = failed.saturating_add(1);
            if self.wait_disconnected(until).await {
                return;
            }
        }
    }

    fn set_state(&self, connected: bool, error: Option<String>) {
        self.state.send_if_modified(|state| {
            let new = State { connected, error };
            let changed = *state != new;
            *state = new;
            changed
        });
    }

    /// Answers commands without a bus; true when all handles are gone.
    async fn wait_disconnected(&mut self, until: Instant) -> bool {
        while self.commands_open || self.local_open {
            tokio::select! {
                () = sleep_until(until) => return false,
                command = self.commands.recv(), if self.commands_open => self.command(command),
                local = self.local.recv(), if self.local_open => self.local(local),
            }
            self.hand_over();
        }
        true
    }

    async fn serve(&mut self, stream: UnixStream) -> End {
        let (mut reader, mut writer) = match socket::halves(stream) {
            Ok(halves) => halves,
            Err(error) => return End::Lost(lost(&error)),
        };
        let mut input = BytesMut::new();
        let mut stuck_at = None;
        self.protocol.opened(Instant::now().into_std());
        loop {
            if let Some(reason) = self.hand_over() {
                return End::Lost(reason);
            }
            if !self.commands_open && !self.local_open && self.out.is_empty() {
                return End::Finished;
            }
            if self.out.is_empty() {
                stuck_at = None;
            } else if stuck_at.is_none() {
                stuck_at = Some(Instant::now() + WRITE_TIMEOUT);
            }
            let room = self.out.len() < MAX_UNSENT;
            let deadline = self.protocol.deadline().map(Instant::from_std);
            let wake = [deadline, stuck_at].into_iter().flatten().min();
            let due = self.protocol.under_way();
            tokio::select! {
                read = reader.read(&mut input, due), if room => match read {
                    Ok(0) => return End::Lost("the bus closed the connection".into()),
                    Ok(_) => {
                        if let Err(reason) = self.frames(&mut input) {
                            return End::Lost(reason);
                        }
                    }
                    Err(error) => return End::Lost(lost(&error)),
                },
                written = writer.write(&self.out), if !self.out.is_empty() => match written {
                    Ok(n) => {
                        take(&mut self.out, n);
                        stuck_at = None;
                    }
                    Err(error) => return End::Lost(lost(&error)),
                },
                command = self.commands.recv(), if room && self.commands_open => {
                    self.command(command);
                    if let Some(reason) = self.others_asked() {
                        return End::Lost(reason);
                    }
                }
                local = self.local.recv(), if self.local_open => self.local(local),
                () = async { sleep_until(wake.unwrap_or_else(Instant::now)).await },
                    if wake.is_some() =>
                {
                    if stuck_at.is_some_and(|at| at <= Instant::now()) {
                        return End::Lost("the bus takes nothing any more".into());
                    }
                    self.protocol.time(Instant::now().into_std());
                }
            }
        }
    }

    /// Takes what else was asked at the same time, so that it all goes out in one write.
    fn others_asked(&mut self) -> Option<String> {
        loop {
            let dropped = self.hand_over();
            if dropped.is_some() || self.out.len() >= MAX_UNSENT {
                return dropped;
            }
            match self.commands.try_recv() {
                Ok(command) => self.command(Some(command)),
                // That nobody can ask any more is found out by who waits for the next.
                Err(_none) => return None,
            }
        }
    }

    fn frames(&mut self, input: &mut BytesMut) -> Result<(), String> {
        let now = Instant::now().into_std();
        while let Some(frame) = Frame::split_from(input).map_err(|reason| reason.to_string())? {
            self.protocol.frame(&frame, now);
        }
        if input.is_empty() {
            // Lets go of what a large frame needed; an idle connection holds no buffer.
            *input = BytesMut::new();
        }
        Ok(())
    }
}

fn lost(error: &io::Error) -> String {
    format!("the connection to the bus broke: {error}")
}

/// Waits until `state` says connected, at most `within`.
pub(super) async fn connected(
    state: &mut watch::Receiver<State>,
    within: Duration,
) -> Result<(), Error> {
    let wait = timeout(within, state.wait_for(|state| state.connected));
    match wait.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(Error::Disconnected),
        Err(_) => Err(Error::Timeout(within.as_millis())),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{ready, Future};
    use std::path::Path;
    use std::pin::Pin;

    use tokio::sync::oneshot;

    use super::*;
    use crate::blob::Writer;
    use crate::connect;
    use crate::message::Kind;

    /// Nothing stays that nobody holds, whether or not there is a bus.
    #[tokio::test]
    async fn nothing_is_declared_for_somebody_who_has_gone() {
        let (client, mut connection) = connect(Path::new("/nonexistent"));
        for step in 0..3 {
            let mut asked: Pin<Box<dyn Future<Output = ()> + '_>> = match step {
                0 => Box::pin(async { drop(client.offer("test", Vec::new()).await) }),
                1 => Box::pin(async { drop(client.listen("test").await) }),
                _ => Box::pin(async { drop(client.subscribe("test").await) }),
            };
            // The command is on its way, and nobody waits any more.
            tokio::select! {
                biased;
                () = &mut asked => panic!("answered without a connection"),
                () = ready(()) => drop(asked),
            }
            let command = connection.commands.recv().await;
            connection.command(command);
            connection.hand_over();
            while let Ok(local) = connection.local.try_recv() {
                connection.local(Some(local));
            }
            let users = &connection.users;
            let is_left = [
                users.declared.is_empty(),
                users.objects.is_empty(),
                users.listeners.is_empty(),
                users.subscriptions.is_empty(),
            ];
            assert_eq!(is_left, [true; 4], "step {step}");
        }
    }

    #[test]
    fn what_is_asked_at_once_goes_out_at_once_while_there_is_room() {
        let (ask, commands) = mpsc::channel(8);
        let (_local, local) = mpsc::unbounded_channel();
        let (state, _) = watch::channel(State::default());
        let mut connection = Connection::new(PathBuf::new(), commands, local, state);
        let now = Instant::now().into_std();
        connection.protocol.opened(now);
        let hello = Frame::new(Kind::Hello, 0, 7, Writer::new());
        connection.protocol.frame(&hello, now);
        let lookup = || {
            let (answer, _) = oneshot::channel();
            let command = Command::Lookup {
                pattern: "system".into(),
                timeout: WRITE_TIMEOUT,
                answer,
            };
            ask.try_send(command).unwrap();
        };
        (0..3).for_each(|_| lookup());
        assert_eq!(connection.others_asked(), None);
        let mut out = connection.out.clone();
        let mut frames = 0;
        while Frame::split_from(&mut out).unwrap().is_some() {
            frames += 1;
        }
        assert_eq!(frames, 3);

        lookup();
        connection.out.resize(MAX_UNSENT, 0);
        assert_eq!(connection.others_asked(), None);
        assert_eq!(connection.out.len(), MAX_UNSENT);
        assert!(connection.commands.try_recv().is_ok());
    }

    #[test]
    fn the_room_of_a_large_reply_is_given_back_and_that_of_small_ones_kept() {
        let mut out = BytesMut::new();
        for (len, keeps) in [(100, true), (MAX_UNSENT, false), (100, true)] {
            out.extend_from_slice(&vec![0; len]);
            while !out.is_empty() {
                let n = out.len().min(60_000);
                take(&mut out, n);
            }
            assert_eq!(out.try_reclaim(100), keeps, "{len}");
            assert!(!out.try_reclaim(ROOM_KEPT + 1), "{len}");
        }
        // Exactly what is kept.
        let mut out = BytesMut::with_capacity(ROOM_KEPT);
        out.extend_from_slice(b"reply");
        take(&mut out, 5);
        assert!(out.try_reclaim(ROOM_KEPT));
    }

    #[test]
    fn a_bus_is_looked_for_each_second_and_less_often_where_there_never_was_one() {
        let millis = |seen| (0..64).map(move |failed| pause(failed, seen).as_millis());
        let first = [100, 200, 400, 800, 1_000, 1_000, 1_000];
        for seen in [false, true] {
            assert!(millis(seen).take(first.len()).eq(first), "{seen}");
        }
        assert!(millis(true).skip(4).all(|wait| wait == 1_000));
        // For a minute.
        assert!(millis(false).skip(4).take(56).all(|wait| wait == 1_000));
        assert!(millis(false).skip(60).all(|wait| wait == 5_000));
    }
}
