//! Results and presence over HTTP, with option `rest`: what goes to the broker without it.
//!
//! ```text
//! PATCH <api_url>/operations/<id>    what became of a job
//! POST  <api_url>/ping               the device is there
//! ```
//!
//! A result is sent until the API has accepted it. What is wrong with the API or the way to it holds
//! up all of them and is tried again by the one retry rule; an API that refuses one result gets the
//! others first. While a captive portal answers for the web, only an answer over verified TLS counts.

mod ping;

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep_until, Instant};

use crate::config::{self, Api, Config, Ping};
use crate::health;
use crate::http::{
    deadline, path_part, Answer, Attempts, Body, Client, Commands, Dates, Endpoint, Facts,
    HttpError, Method,
};
use crate::identity::Identity;
use crate::jobs::{Replies, Reply};
use crate::lookup::Resolver;
use crate::outage::Outage;
use crate::process::clock::{self, Pace};

/// Settings the part is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub rest: config::Rest,
    pub api: Api,
    pub ping: Ping,
    pub spread: Duration,
    pub pace: Pace,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            rest: config.rest.clone(),
            api: config.api.clone(),
            ping: config.ping.clone(),
            spread: config.spread,
            pace: config.pace,
        }
    }
}

/// The belongings of the part.
pub struct Part {
    pub settings: Settings,
    /// As the API knows the device.
    pub mac: Identity,
    /// Shared with all parts but the broker link.
    pub resolver: Resolver,
    pub replies: Replies,
    pub dates: Dates,
    pub commands: Commands,
    /// `None` while `rest` is not set.
    pub facts: watch::Sender<Option<Facts>>,
    /// For the code in pings, and to know a captive portal.
    pub health: watch::Receiver<health::Facts>,
}

/// Why a request did not do what it was to do.
#[derive(Debug, thiserror::Error)]
enum RestError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{host} {answer}")]
    NotAccepted { host: String, answer: Answer },
}

impl RestError {
    /// True if it is about the one request that was sent.
    fn is_about_the_request(&self) -> bool {
        matches!(self, RestError::NotAccepted { answer, .. } if answer.is_about_the_request())
    }

    /// The pause that the server asks for.
    fn asked_wait(&self) -> Duration {
        match self {
            RestError::NotAccepted { answer, .. } => answer.asked_wait(),
            RestError::Http(_) => Duration::ZERO,
        }
    }
}

/// Sends results and pings until `shutdown`; returns the replies for the next publisher.
///
/// Without `rest` it only waits, and without a usable `api_url` too: then the facts say so.
pub async fn run(part: Part, shutdown: impl Future<Output = ()>) -> Replies {
    let Part {
        settings,
        mac,
        resolver,
        mut replies,
        dates,
        commands,
        facts,
        health,
    } = part;
    replies.give_back();
    if !settings.rest.enabled {
        facts.send_replace(None);
        shutdown.await;
        return replies;
    }
    facts.send_replace(Some(Facts::default()));
    let work = async {
        match Endpoint::new("api_url", &settings.rest.url, &settings.api, mac.as_str()) {
            Ok(api) => {
                let rest = Rest {
                    client: Client::new(settings.api.clone(), resolver)
                        .with_dates(dates)
                        .with_commands(commands),
                    attempts: Attempts::new(settings.spread, settings.pace),
                    refusals: Outage::default(),
                    pings: Outage::default(),
                    settings: &settings,
                    mac: mac.as_str(),
                    api,
                    facts: &facts,
                    health: &health,
                };
                rest.run(&mut replies).await;
            }
            Err(error) => {
                let why = error.to_string();
                log::warn!("{why}: results of jobs are kept, none is sent");
                facts.send_replace(Some(Facts {
                    last_error: Some(why),
                    ..Facts::default()
                }));
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown => {}
    }
    replies
}

struct Rest<'a> {
    settings: &'a Settings,
    mac: &'a str,
    api: Endpoint,
    client: Client,
    attempts: Attempts,
    /// Of single results by an API that works.
    refusals: Outage,
    pings: Outage,
    facts: &'a watch::Sender<Option<Facts>>,
    health: &'a watch::Receiver<health::Facts>,
}

impl Rest<'_> {
    async fn run(mut self, replies: &mut Replies) {
        let mut ping = self.settings.pace.interval(self.settings.ping.interval);
        let mut held: Option<Reply> = None;
        let mut due = Instant::now();
        let mut more = true;
        loop {
            tokio::select! {
                reply = replies.next(), if held.is_none() && more => {
                    more = reply.is_some();
                    held = reply;
                }
                () = sleep_until(due), if held.is_some() => {
                    if let Some(reply) = held.take() {
                        if let Err((reply, wait)) = self.report(reply).await {
                            held = Some(reply);
                            due = Instant::now() + wait;
                        }
                    }
                }
                _ = ping.tick(), if !self.settings.ping.off => self.ping(held.is_some()).await,
                // No more results, and no pings.
                else => std::future::pending().await,
            }
        }
    }

    /// Sends a result; gives it back with how long to wait if it has to be sent again.
    async fn report(&mut self, reply: Reply) -> Result<(), (Reply, Duration)> {
        let Some(id) = path_part(&reply.id) else {
            // Nothing hands these to the API; kept, it goes to the broker once `rest` is off.
            let text = format!("the id '{}' fits no URL; its result is kept", reply.id);
            log::log!(self.refusals.level(&text), "{text}");
            self.tell(text);
            reply.refused();
            return Ok(());
        };
        let to = self.api.below(&format!("/operations/{id}"));
        let body = Body::json(reply.payload.clone());
        self.change(|facts| facts.next_attempt = None);
        match self.send(Method::PATCH, &to, body).await {
            Ok(()) => {
                self.attempts.accepted(Instant::now());
                self.accepted();
                reply.acknowledged();
            }
            Err(error) if error.is_about_the_request() => {
                let text = format!("{error} to the result of a job");
                log::log!(self.refusals.level(&text), "{text}; it is sent again later");
                self.tell(text);
                reply.refused();
            }
            Err(error) => {
                let text = error.to_string();
                let wait = self.attempts.failed(
                    "result of a job",
                    &text,
                    error.asked_wait(),
                    Instant::now(),
                );
                let at = clock::epoch_seconds() + wait.as_secs_f64().ceil() as u64;
                self.tell(text);
                self.change(|facts| facts.next_attempt = Some(at));
                return Err((reply, wait));
            }
        }
        Ok(())
    }

    /// Says that the device is there, once: the next ping replaces a retry. While a result
    /// has to be sent again, that is what the facts are about.
    async fn ping(&mut self, failing: bool) {
        let health = self.health.borrow().code;
        let body = Body::json(ping::encode(clock::epoch_seconds(), self.mac, health));
        match self
            .send(Method::POST, &self.api.below("/ping"), body)
            .await
        {
            Ok(()) => {
                self.pings.over();
                if !failing {
                    self.accepted();
                }
            }
            Err(error) => {
                let text = error.to_string();
                log::log!(self.pings.level(&text), "ping: {text}");
                if !failing {
                    self.tell(text);
                }
            }
        }
    }

    async fn send(&mut self, method: Method, to: &Endpoint, body: Body) -> Result<(), RestError> {
        let within = deadline(body.bytes.len());
        let reply = self.client.send(method, to, body, within).await?;
        let answer = self.health.borrow().believed(reply.answer, to);
        match answer {
            Answer::Accepted => Ok(()),
            answer => {
                let is_denial = self.api.is_verified() && answer.is_denial();
                self.change(|facts| facts.denied(is_denial));
                Err(RestError::NotAccepted {
                    host: to.host().to_owned(),
                    answer,
                })
            }
        }
    }

    fn accepted(&self) {
        let host = self.api.host().to_owned();
        self.change(|facts| facts.accepted(host));
    }

    fn tell(&self, error: String) {
        self.change(|facts| facts.last_error = Some(error));
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        self.facts
            .send_modify(|facts| change(facts.get_or_insert_default()));
    }
}
