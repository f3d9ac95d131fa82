//! A file of a server, fetched in as many attempts as it takes.
//!
//! Bytes that have arrived are kept between attempts and hashed as they come. An attempt asks for the rest (`Range`), of the same
//! file (`If-Match`); a server that answers with the whole file, or has another one meanwhile, makes it start over.
//! An attempt is over when no byte came for 30 s, or when all of it took longer than 30 s + 1 s for 512 bytes; the
//! download is given up when half an hour of attempts has brought no byte further than those before.

mod partial;

use std::time::Duration;

use durable::Directory;
use reqwest::header::{HeaderName, HeaderValue, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION};
use reqwest::Response;
use tokio::time::{sleep, timeout_at, Instant};

use partial::{check_room, judge, Head, Partial, Seen};

use super::request::{to_hex, Source};
use crate::config::Api;
use crate::http::{deadline, Client, Endpoint};
use crate::lookup::Resolver;
use crate::process::backoff::Backoff;
use crate::process::clock::Pace;

/// Longest wait for the next byte.
const SILENCE: Duration = Duration::from_secs(30);

/// Time without progress after which the download is given up.
const STALLED: Duration = Duration::from_secs(1800);

/// The first attempt after one that failed waits for up to this long.
const AGAIN: Duration = Duration::from_secs(2);

/// Redirects of one attempt.
const HOPS: usize = 5;

/// Largest file of which only the server knows the size, bytes.
const UNKNOWN_MAX: u64 = 16 << 20;

/// Why an attempt did not bring the rest.
enum Trouble {
    /// The next attempt may.
    Again(String, Duration),
    /// None would.
    Final(String),
}

fn again(why: impl Into<String>) -> Trouble {
    Trouble::Again(why.into(), Duration::ZERO)
}

/// Hears how far a file is.
pub type Tell<'a> = dyn Fn(u64, Option<u64>, Option<&str>) + Sync + 'a;

/// Fetches files into a directory.
pub struct Download<'a> {
    pub api: &'a Api,
    pub pace: Pace,
    pub resolver: Resolver,
    pub directory: &'a Directory,
    /// Hears of bytes that are there, of the size, and why nothing comes.
    pub tell: &'a Tell<'a>,
}

impl Download<'_> {
    /// Fetches `source` into the file `name`; everything in it is as `source` says.
    ///
    /// # Errors
    ///
    /// Why it was given up.
    pub async fn fetch(&self, source: &Source, name: &str) -> Result<(), String> {
        let pace = self.pace;
        let mut partial = Partial::new(self.directory, name, source.size)?;
        if let Some(size) = source.size {
            check_room(&partial.file, size, 0)?;
        }
        let mut client = Client::new(self.api.clone(), self.resolver.clone());
        let mut backoff = Backoff::new(AGAIN, pace);
        let (mut furthest, mut progress) = (0, Instant::now());
        loop {
            let tried = Box::pin(self.attempt(&mut client, source, &mut partial)).await;
            if partial.have > furthest {
                (furthest, progress) = (partial.have, Instant::now());
                backoff.reset();
            }
            let (why, wait) = match tried {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(why)) => return Err(why),
                Err(Trouble::Again(why, wait)) => (why, wait),
            };
            if progress.elapsed() >= pace.of(STALLED) {
                let s = STALLED.as_secs() / 60;
                return Err(format!("no more bytes for {s} min: {why}"));
            }
            log::debug!("upgrade: {why}; {} bytes so far", partial.have);
            (self.tell)(partial.have, partial.size, Some(&why));
            sleep(backoff.next_wait().max(pace.of(wait))).await;
        }
    }

    async fn attempt(
        &self,
        client: &mut Client,
        source: &Source,
        partial: &mut Partial,
    ) -> Result<(), Trouble> {
        let (mut response, host) = self.open(client, source, partial).await?;
        let headers = response.headers();
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let etag = headers.get(ETAG).cloned();
        let seen = Seen {
            status: response.status().as_u16(),
            range: text(&CONTENT_RANGE),
            etag: etag.as_ref().map(HeaderValue::as_bytes),
        };
        let before = partial.etag.as_ref().map(HeaderValue::as_bytes);
        let length: Option<u64> = text(&CONTENT_LENGTH).and_then(|text| text.trim().parse().ok());
        match judge(seen, partial.have, before, partial.size) {
            Some(Head::Rest) => partial.resumed = true,
            Some(Head::Whole) => {
                partial.start_over()?;
                // A weak one does not promise the same bytes.
                partial.etag = etag.filter(|etag| etag.as_bytes().starts_with(b"\""));
                match (source.size, length) {
                    (Some(size), Some(length)) if size != length => {
                        let why = format!("{host} has {length} bytes, not {size}");
                        return Err(Trouble::Final(why));
                    }
                    (None, length) => partial.size = length,
                    _ => {}
                }
            }
            Some(Head::Other) => {
                partial.start_over()?;
                return Err(again(format!("{host} has another file than before")));
            }
            None => return Err(again(format!("{host} answered {}", seen.status))),
        }
        let max = partial.size.unwrap_or(UNKNOWN_MAX);
        if max > UNKNOWN_MAX && source.size.is_none() {
            let why = format!("{host} has more than {UNKNOWN_MAX} bytes");
            return Err(Trouble::Final(why));
        }
        check_room(&partial.file, max, partial.have).map_err(Trouble::Final)?;
        let rest = usize::try_from(max - partial.have.min(max)).unwrap_or(usize::MAX);
        let ends = Instant::now() + deadline(rest);
        (self.tell)(partial.have, partial.size, None);
        while partial.size.is_none_or(|size| partial.have < size) {
            let until = ends.min(Instant::now() + SILENCE);
            match timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    partial.add(&bytes, max)?;
                    (self.tell)(partial.have, partial.size, None);
                }
                Ok(Ok(None)) => break,
                Ok(Err(_)) => return Err(again(format!("{host} ended in the middle"))),
                Err(_) => return Err(again(format!("{host} is silent or too slow"))),
            }
        }
        if partial.size.is_some_and(|size| partial.have < size) {
            return Err(again(format!("{host} ended in the middle")));
        }
        self.check(source, partial, &host)
    }

    /// Compares the hash.
    fn check(&self, source: &Source, partial: &mut Partial, host: &str) -> Result<(), Trouble> {
        let hash = partial.hash.clone().finish();
        if hash.as_ref() == source.sha256 {
            return Ok(());
        }
        if partial.resumed {
            // Parts of two files, at a server that does not tell them apart.
            partial.start_over()?;
            return Err(again(format!("{host}: the parts do not belong together")));
        }
        let found = to_hex(hash.as_ref());
        Err(Trouble::Final(format!(
            "sha256 of the file of {host} is {found}"
        )))
    }

    /// An answer that is no redirect and may have the file in it, and who gave it.
    async fn open(
        &self,
        client: &mut Client,
        source: &Source,
        partial: &Partial,
    ) -> Result<(Response, String), Trouble> {
        let mut url = source.url.clone();
        for _ in 0..=HOPS {
            let from = Endpoint::elsewhere(url.clone(), self.api);
            let host = from.host().to_owned();
            if !from.is_https() && !self.api.insecure {
                let why = format!("{host} is http, and option insecure is not set");
                return Err(Trouble::Final(why));
            }
            let opened = client.open(&from, partial.headers()).await;
            let (response, answer) = opened.map_err(|error| again(error.to_string()))?;
            let status = response.status().as_u16();
            match status {
                200 | 206 | 412 | 416 => return Ok((response, host)),
                301 | 302 | 303 | 307 | 308 => {
                    let to = response.headers().get(LOCATION);
                    let to = to.and_then(|to| url.join(to.to_str().ok()?).ok());
                    let lost = || Trouble::Final(format!("{host} redirects to nowhere"));
                    url = to.filter(|to| to.has_host()).ok_or_else(lost)?;
                }
                408 | 425 | 429 | 500.. => {
                    let wait = answer.asked_wait();
                    return Err(Trouble::Again(format!("{host} answered {status}"), wait));
                }
                _ => return Err(Trouble::Final(format!("{host} answered {status}"))),
            }
        }
        Err(Trouble::Final("too many redirects".to_owned()))
    }
}
