//! The way to the server: `stats_url`, or `backup_stats_url` while that fails.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, Instant};

use super::Part;
use crate::health;
use crate::http::{Answer, Body, Client, Endpoint, HttpError, Method, Reply};
use crate::outage::Outage;

/// Why something was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{host} {answer}")]
    NotAccepted {
        host: String,
        answer: Answer,
        /// Nobody but the server can have given it.
        verified: bool,
    },
    #[error("{main}; backup: {backup}")]
    Both {
        main: Box<LinkError>,
        backup: Box<LinkError>,
    },
}

/// The way of reports to servers, and the time that passes on it.
#[allow(async_fn_in_trait)] // Its futures are those of types that are known where they are spawned.
pub trait Way {
    /// A new attempt: `stats_url` comes first again.
    fn begin(&mut self);

    /// Posts `body`, and says which host took it; each server has `within` to answer.
    async fn post(&mut self, body: Body, within: Duration) -> Result<String, LinkError>;

    /// Asks the server that the time is believed of for its clock: [`Way::take_date`] has it then. False if
    /// there is no such server, or it does not say.
    async fn ask_date(&mut self) -> Result<bool, LinkError>;

    /// The clock of the server that answered last, if it is to be believed, seconds since the epoch;
    /// handed out once.
    fn take_date(&mut self) -> Option<u64>;

    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn pause(&self, wait: Duration) {
        sleep(wait).await;
    }
}

impl LinkError {
    /// True if it says nothing about what was sent, so that another server may take it.
    fn is_the_servers(&self) -> bool {
        match self {
            LinkError::NotAccepted { answer, .. } => answer.is_the_servers(),
            _ => true,
        }
    }

    /// True if a verified server does not take our credentials.
    pub(super) fn is_denial(&self) -> bool {
        match self {
            LinkError::NotAccepted {
                answer, verified, ..
            } => *verified && answer.is_denial(),
            LinkError::Both { main, backup } => main.is_denial() || backup.is_denial(),
            LinkError::Http(_) => false,
        }
    }

    /// The server that refused what was sent for what is in it, and the status of its answer.
    pub(super) fn refusal(&self) -> Option<(&str, u16)> {
        match self {
            LinkError::NotAccepted { host, answer, .. } => match answer {
                Answer::Refused { status } if answer.is_about_the_batch() => Some((host, *status)),
                _ => None,
            },
            // The first server is out of order, and the second one speaks for itself.
            LinkError::Both { backup, .. } => backup.refusal(),
            LinkError::Http(_) => None,
        }
    }

    /// True if a server was connected and did not answer in time.
    pub(super) fn is_late(&self) -> bool {
        match self {
            LinkError::Http(error) => error.is_no_answer_in_time(),
            LinkError::Both { main, backup } => main.is_late() || backup.is_late(),
            LinkError::NotAccepted { .. } => false,
        }
    }

    /// The pause that the server asks for.
    pub(super) fn asked_wait(&self) -> Duration {
        match self {
            LinkError::NotAccepted { answer, .. } => answer.asked_wait(),
            LinkError::Both { main, backup } => main.asked_wait().max(backup.asked_wait()),
            LinkError::Http(_) => Duration::ZERO,
        }
    }
}

/// The servers that take reports: `stats_url`, and `backup_stats_url` if it is set.
pub(super) struct Link {
    client: Client,
    /// To know a captive portal, which answers for everybody.
    health: watch::Receiver<health::Facts>,
    /// The clock of the server that answered last, until it is taken; seconds since the epoch.
    date: Option<u64>,
    /// A server has an https URL, so that only an answer over verified TLS says what time it is.
    has_https: bool,
    main: Endpoint,
    backup: Option<Endpoint>,
    /// The backup took something, and is asked first until [`Link::begin`].
    on_backup: bool,
    /// Of the first server, while the backup works.
    outage: Outage,
}

impl Link {
    /// # Errors
    ///
    /// `stats_url` is no URL to send to. A bad `backup_stats_url` is only logged.
    pub(super) fn new(part: &Part) -> Result<Self, HttpError> {
        let Part {
            settings,
            mac,
            resolver,
            health,
            dates,
            commands,
            ..
        } = part;
        let main = Endpoint::new(
            "stats_url",
            &settings.upload.url,
            &settings.api,
            mac.as_str(),
        )?;
        let backup = match settings.upload.backup_url.as_str() {
            "" => None,
            url => match Endpoint::new("backup_stats_url", url, &settings.api, mac.as_str()) {
                Ok(backup) => Some(backup),
                Err(error) => {
                    log::warn!("{error}: there is no backup");
                    None
                }
            },
        };
        let has_https = main.is_https() || backup.as_ref().is_some_and(Endpoint::is_https);
        let client = Client::new(settings.api.clone(), resolver.clone());
        Ok(Link {
            client: client
                .with_dates(dates.clone())
                .with_commands(commands.clone()),
            health: health.clone(),
            date: None,
            has_https,
            main,
            backup,
            on_backup: false,
            outage: Outage::default(),
        })
    }

    async fn post_to(
        &mut self,
        to: &Endpoint,
        body: Body,
        within: Duration,
    ) -> Result<String, LinkError> {
        let host = to.host().to_owned();
        let sent = self.client.send(Method::POST, to, body, within);
        let reply = sent.await?;
        match self.judge(to, reply) {
            Answer::Accepted => Ok(host),
            answer => Err(LinkError::NotAccepted {
                host,
                answer,
                verified: to.is_verified(),
            }),
        }
    }

    /// The answer, with a captive portal in mind; notes its date if that is believed.
    fn judge(&mut self, from: &Endpoint, reply: Reply) -> Answer {
        let Reply { answer, date } = reply;
        let answer = self.health.borrow().believed(answer, from);
        if self.is_believed(from) && (from.is_verified() || answer.is_the_apis()) {
            self.date = date;
        }
        answer
    }

    /// True if answers of this server may say what time it is.
    fn is_believed(&self, server: &Endpoint) -> bool {
        server.is_verified() || !self.has_https
    }
}

impl Way for Link {
    fn begin(&mut self) {
        self.on_backup = false;
    }

    async fn post(&mut self, body: Body, within: Duration) -> Result<String, LinkError> {
        let (main, backup) = (self.main.clone(), self.backup.clone());
        let Some(backup) = backup else {
            return self.post_to(&main, body, within).await;
        };
        if self.on_backup {
            return self.post_to(&backup, body, within).await;
        }
        let error = match self.post_to(&main, body.clone(), within).await {
            Err(error) if error.is_the_servers() => error,
            done => {
                self.outage.over();
                return done;
            }
        };
        match self.post_to(&backup, body, within).await {
            Ok(host) => {
                self.on_backup = true;
                let text = error.to_string();
                let level = self.outage.level(&text);
                log::log!(level, "delivery: {text}; {host} takes it instead");
                Ok(host)
            }
            Err(second) => {
                // It works, and has to be asked for a part of it.
                self.on_backup = second.refusal().is_some();
                Err(LinkError::Both {
                    main: Box::new(error),
                    backup: Box::new(second),
                })
            }
        }
    }

    async fn ask_date(&mut self) -> Result<bool, LinkError> {
        let servers = [Some(self.main.clone()), self.backup.clone()];
        let mut servers = servers.into_iter().flatten();
        let Some(server) = servers.find(|server| self.is_believed(server)) else {
            return Ok(false);
        };
        let reply = self.client.head(&server).await?;
        self.judge(&server, reply);
        Ok(reply.date.is_some())
    }

    fn take_date(&mut self) -> Option<u64> {
        self.date.take()
    }
}
