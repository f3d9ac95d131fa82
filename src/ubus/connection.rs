//! The connection: owns the socket, drives [`Protocol`], and connects again when the bus restarts.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep_until, timeout, Instant};

use super::client::{Command, Heard, Local, ReplyTo, State};
use super::error::{Error, Status};
use super::message::Frame;
use super::protocol::{Answer, Incoming, Notice, Output, Protocol, Token};

/// Bytes waiting for the daemon above which nothing new is taken on.
pub const MAX_UNSENT: usize = 2 << 20;

/// How long the daemon may take nothing of what waits for it before it counts as stuck.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// First wait before connecting again; doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// Longest wait before connecting again: a restarted bus is found within a second.
pub const RETRY_MAX: Duration = Duration::from_secs(1);

/// Wait between attempts where there has never been a bus (plain Linux), after a minute of them.
const RETRY_IDLE: Duration = Duration::from_secs(5);
const ATTEMPTS_BEFORE_IDLE: u32 = 60;

/// Read at a time; a larger frame makes the buffer grow, and the buffer is let go afterwards.
const READ_CHUNK: usize = 16 << 10;

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

/// Who waits for what.
#[derive(Debug, Default)]
struct Users {
    data: HashMap<Token, ReplyTo>,
    lookups: HashMap<Token, oneshot::Sender<Result<Vec<super::object::ObjectInfo>, Error>>>,
    declared: HashMap<Token, oneshot::Sender<Result<Token, Error>>>,
    objects: HashMap<Token, (mpsc::Sender<Incoming>, watch::Sender<bool>)>,
    listeners: HashMap<Token, (mpsc::Sender<Heard>, u32)>,
    subscriptions: HashMap<Token, (mpsc::Sender<Notice>, u32)>,
}

/// Why serving a socket ended.
enum End {
    /// The bus is gone, or does not behave.
    Lost(String),
    /// Nobody holds a handle any more.
    Finished,
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
            let wait = if !seen && failed >= ATTEMPTS_BEFORE_IDLE {
                RETRY_IDLE
            } else {
                RETRY_MAX.min(RETRY_FIRST * (1 << failed.min(5)))
            };
            failed = failed.saturating_add(1);
            if self.wait_disconnected(Instant::now() + wait).await {
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
        let (mut reader, mut writer) = stream.into_split();
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
            input.reserve(READ_CHUNK);
            tokio::select! {
                read = reader.read_buf(&mut input), if room => match read {
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
                        self.out.advance(n);
                        stuck_at = None;
                    }
                    Err(error) => return End::Lost(lost(&error)),
                },
                command = self.commands.recv(), if room && self.commands_open => {
                    self.command(command);
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

    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    fn command(&mut self, command: Option<Command>) {
        let now = Instant::now().into_std();
        let token = self.token();
        match command {
            None => self.commands_open = false,
            Some(Command::Call {
                path,
                method,
                args,
                timeout,
                answer,
            }) => {
                self.users.data.insert(token, answer);
                self.protocol
                    .call(token, &path, &method, args, timeout, now);
            }
            Some(Command::Event { name, data, answer }) => {
                self.users.data.insert(token, answer);
                self.protocol.send_event(token, &name, &data, now);
            }
            Some(Command::Lookup {
                pattern,
                timeout,
                answer,
            }) => {
                self.users.lookups.insert(token, answer);
                self.protocol.lookup(token, &pattern, timeout, now);
            }
            Some(Command::Offer {
                path,
                methods,
                requests,
                subscribers,
                answer,
            }) => {
                self.users.objects.insert(token, (requests, subscribers));
                self.users.declared.insert(token, answer);
                self.protocol.add_object(token, &path, methods, now);
            }
            Some(Command::Listen {
                pattern,
                events,
                answer,
            }) => {
                self.users.listeners.insert(token, (events, 0));
                self.users.declared.insert(token, answer);
                self.protocol.listen(token, &pattern, now);
            }
            Some(Command::Subscribe {
                pattern,
                notices,
                answer,
            }) => {
                self.users.subscriptions.insert(token, (notices, 0));
                self.users.declared.insert(token, answer);
                self.protocol.subscribe(token, &pattern, now);
            }
        }
    }

    fn local(&mut self, local: Option<Local>) {
        match local {
            None => self.local_open = false,
            Some(Local::Reply { ticket, data }) => {
                if let Err(Error::TooLarge(size)) = self.protocol.reply(ticket, &data) {
                    log::warn!("ubus: a reply of {size} bytes is over the bus's limit");
                    self.protocol.finish(ticket, Status::NO_MEMORY);
                }
            }
            Some(Local::Finish { ticket, status }) => self.protocol.finish(ticket, status),
            Some(Local::Notify { token, kind, data }) => {
                // Whoever does not read does not get: as the daemon itself does it.
                if self.out.len() < MAX_UNSENT {
                    if let Err(error) = self.protocol.notify(token, &kind, &data) {
                        log::warn!("ubus: notification '{kind}': {error}");
                    }
                }
            }
            Some(Local::End { token }) => self.withdraw(token),
        }
    }

    /// Takes back what was declared under `token`.
    fn withdraw(&mut self, token: Token) {
        let now = Instant::now().into_std();
        self.users.objects.remove(&token);
        self.users.listeners.remove(&token);
        self.users.subscriptions.remove(&token);
        self.protocol.remove_object(token, now);
        self.protocol.unwatch(token, now);
    }

    /// Does what the protocol says; a reason if it gave up on this connection.
    fn hand_over(&mut self) -> Option<String> {
        let mut dropped = None;
        while let Some(output) = self.protocol.poll() {
            match output {
                Output::Send(frame) => {
                    self.out.extend_from_slice(&frame.head());
                    self.out.extend_from_slice(&frame.payload);
                }
                Output::Connected => self.set_state(true, None),
                Output::Drop(reason) => dropped = Some(reason),
                Output::Answer(token, result) => {
                    let refused = result.is_err() && self.users.declared.contains_key(&token);
                    self.users.answer(token, result);
                    if refused {
                        self.withdraw(token);
                    }
                }
                Output::Request(token, incoming) => {
                    let ticket = incoming.ticket;
                    let taken = self
                        .users
                        .objects
                        .get(&token)
                        .is_some_and(|(requests, _)| requests.try_send(incoming).is_ok());
                    if !taken {
                        self.protocol.finish(ticket, Status::NO_MEMORY);
                    }
                }
                Output::Subscribers(token, active) => {
                    if let Some((_, subscribers)) = self.users.objects.get(&token) {
                        subscribers.send_replace(active);
                    }
                }
                Output::Event(token, name, data) => {
                    if let Some((events, lost)) = self.users.listeners.get_mut(&token) {
                        offer(events, lost, Heard::Event { name, data }, |count| {
                            Heard::Lost { count }
                        });
                    }
                }
                Output::Notice(token, notice) => {
                    if let Some((notices, lost)) = self.users.subscriptions.get_mut(&token) {
                        offer(notices, lost, notice, |count| Notice::Lost { count });
                    }
                }
            }
        }
        dropped
    }
}

/// Queues `item`; what does not fit is counted, and the count is queued before the next that fits.
fn offer<T>(queue: &mpsc::Sender<T>, lost: &mut u32, item: T, report: impl Fn(u32) -> T) {
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

impl Users {
    /// A user who stopped waiting has dropped his end; the answer is nobody's then.
    fn answer(&mut self, token: Token, result: Result<Answer, Error>) {
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
            let _ = answer.send(result.map(|_| token));
        }
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
