//! Hands the requests of handles to the protocol, and does what it answers.

use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::users::offer;
use super::{Connection, MAX_UNSENT};
use crate::command::{Command, Local};
use crate::error::{Error, Status};
use crate::listening::Heard;
use crate::protocol::{Notice, Output, Token};

impl Connection {
    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    pub(super) fn command(&mut self, command: Option<Command>) {
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

    pub(super) fn local(&mut self, local: Option<Local>) {
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
                // Notifications for slow readers are dropped, as ubusd does.
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
    pub(super) fn hand_over(&mut self) -> Option<String> {
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
                    let refused = result.is_err() && self.users.declared.contains(&token);
                    self.users.answer(token, result);
                    if refused {
                        self.withdraw(token);
                    }
                }
                Output::Request(token, incoming) => {
                    let ticket = incoming.ticket;
                    let refused = match self.users.objects.get(&token) {
                        Some((requests, _)) => match requests.try_send(incoming) {
                            Ok(()) => None,
                            Err(TrySendError::Full(_)) => Some(Status::TIMEOUT),
                            Err(TrySendError::Closed(_)) => Some(Status::NOT_FOUND),
                        },
                        // Its owner has just taken the object back.
                        None => Some(Status::NOT_FOUND),
                    };
                    if let Some(status) = refused {
                        self.protocol.finish(ticket, status);
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
