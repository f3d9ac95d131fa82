//! A broker and a line in simulated time, and a link that connects again and again as [`run`](super::run) does.

use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{duplex, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, Instant};

use super::super::session::{Around, Ended, Session};
use super::super::topic::Topics;
use super::super::{Facts, Link, Refused, Settings, Supply};
use super::MAC;
use crate::config::Config;
use crate::jobs::{self, Live};
use crate::process::backoff::Backoff;

/// A PUBLISH of the device.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

impl Heard {
    pub(super) fn is(&self, channel: &str) -> bool {
        self.topic.split('/').next() == Some(channel)
    }

    /// The id of the job that it is about.
    pub(super) fn id(&self) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.payload).unwrap();
        value["id"].as_str().unwrap_or_default().to_owned()
    }
}

/// The reaction of the broker to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Takes,
    /// It reads it, and says nothing.
    Ignores,
    /// It closes the connection.
    Closes,
}

pub(super) type Judge = fn(&Heard) -> Answer;

/// The first byte of a packet, and what follows its length; `None` if the connection ends before.
pub(super) async fn packet(socket: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = socket.read_u8().await.ok()?;
    let (mut len, mut shift) = (0, 0);
    loop {
        let byte = socket.read_u8().await.ok()?;
        len |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; len];
    socket.read_exact(&mut body).await.ok()?;
    Some((first, body))
}

/// Serves one connection.
pub(super) async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    judge: Judge,
    heard: mpsc::UnboundedSender<Heard>,
) {
    while let Some((first, body)) = packet(&mut socket).await {
        let answer = match first >> 4 {
            // CONNECT, SUBSCRIBE, PINGREQ.
            1 => vec![0x20, 2, 0, 0],
            8 => vec![0x90, 3, body[0], body[1], 1],
            12 => vec![0xd0, 0],
            3 => {
                let len = usize::from(body[0]) << 8 | usize::from(body[1]);
                let topic = String::from_utf8(body[2..2 + len].to_vec()).unwrap();
                let (mut rest, mut id) = (&body[2 + len..], None);
                if first & 6 > 0 {
                    id = Some([rest[0], rest[1]]);
                    rest = &rest[2..];
                }
                let message = Heard {
                    at: Instant::now(),
                    topic,
                    payload: rest.to_vec(),
                };
                let answer = judge(&message);
                if answer == Answer::Closes {
                    return;
                }
                let _ = heard.send(message);
                match id {
                    Some([high, low]) if answer == Answer::Takes => vec![0x40, 2, high, low],
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        if socket.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// A line from the device to the broker; back everything goes at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) bytes_a_second: usize,
    /// Bytes that wait before it at most, in kernels and routers.
    pub(super) buffer: usize,
}

/// A line that slows nobody down.
pub(super) const FAST: Line = Line {
    bytes_a_second: 1_000_000,
    buffer: 1 << 16,
};

fn connection(line: Line) -> (DuplexStream, DuplexStream, JoinHandle<()>) {
    let Line {
        bytes_a_second,
        buffer,
    } = line;
    let (device, near) = duplex(buffer);
    let (far, broker) = duplex(1 << 16);
    let passing = tokio::spawn(async move {
        let (mut near_in, mut near_out) = tokio::io::split(near);
        let (mut far_in, mut far_out) = tokio::io::split(far);
        let up = async {
            let mut some = vec![0; (bytes_a_second / 50).max(1)];
            while let Ok(count @ 1..) = near_in.read(&mut some).await {
                let takes = count as f64 / bytes_a_second as f64;
                sleep(Duration::from_secs_f64(takes)).await;
                if far_out.write_all(&some[..count]).await.is_err() {
                    return;
                }
            }
        };
        let down = async {
            let _ = tokio::io::copy(&mut far_in, &mut near_out).await;
        };
        tokio::select! {
            () = up => {}
            () = down => {}
        }
    });
    (device, broker, passing)
}

/// A device with its jobs part.
pub(super) struct Device {
    pub(super) settings: Settings,
    pub(super) jobs: jobs::Handle,
    pub(super) live: Live,
    pub(super) supply: Supply,
    pub(super) facts: watch::Sender<Facts>,
    topics: Topics,
    backoff: Backoff,
    working: JoinHandle<()>,
    _options: watch::Sender<jobs::Settings>,
    _dir: TempDir,
}

impl Device {
    pub(super) async fn new(config: Config) -> Self {
        let dir = TempDir::new().unwrap();
        let config = config.with(|config| config.state_dir = dir.path().join("state"));
        let mac = MAC.parse().unwrap();
        let (sender, options) = watch::channel((&config).into());
        let (part, jobs, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
        let working = tokio::spawn(part.run(std::future::pending(), Duration::ZERO));
        // While the disk is opened, simulated time passes as it likes.
        jobs.recent().await.unwrap();
        let (live, output) = Live::new();
        Device {
            backoff: Backoff::new(config.spread, config.pace),
            topics: Topics::new("fleet", "secret", &mac).unwrap(),
            supply: Supply::new(outlets.broker, output),
            facts: watch::channel(Facts::default()).0,
            settings: (&config).into(),
            jobs,
            live,
            working,
            _options: sender,
            _dir: dir,
        }
    }

    /// Connects to a broker behind `line`, again and again until `until`.
    /// Returns how many connections there were.
    pub(super) async fn connect(
        &mut self,
        until: Instant,
        line: Line,
        judge: Judge,
        heard: &mpsc::UnboundedSender<Heard>,
    ) -> usize {
        let refused = Refused::default();
        let mut connections = 0;
        loop {
            let again = Instant::now() + self.backoff.next_wait();
            if again >= until {
                sleep_until(until).await;
                return connections;
            }
            sleep_until(again).await;
            connections += 1;
            let (network, far, passing) = connection(line);
            let broker = tokio::spawn(serve(far, judge, heard.clone()));
            let (network, keepalive) = (Box::new(network), self.settings.broker.keepalive);
            let link = Link::new(network, &self.topics.jobs, keepalive, refused.clone());
            let around = Around {
                settings: &self.settings,
                topics: &self.topics,
                jobs: &self.jobs,
                supply: &mut self.supply,
                facts: &self.facts,
                refused: &refused,
            };
            let shutdown = std::pin::pin!(sleep_until(until));
            let ended = Session::new(around, link).run(shutdown).await;
            broker.abort();
            passing.abort();
            match ended {
                Ended::Shutdown => return connections,
                Ended::Lost(lost) => self.backoff.session_ended(lost.held),
            }
        }
    }

    /// Hands in jobs that are answered at once, each so long after the one before.
    pub(super) fn pings(
        &self,
        ids: impl Iterator<Item = String> + Send + 'static,
        every: Duration,
    ) {
        let jobs = self.jobs.clone();
        tokio::spawn(async move {
            for id in ids {
                let job = format!(r#"{{"id":"{id}","meta":{{"type":"ping"}}}}"#);
                while jobs.submit(job.clone().into(), jobs::Source::Mqtt).is_err() {
                    sleep(Duration::from_millis(1)).await;
                }
                sleep(every).await;
            }
        });
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.working.abort();
    }
}

/// Everything heard so far.
pub(super) fn all(heard: &mut mpsc::UnboundedReceiver<Heard>) -> Vec<Heard> {
    std::iter::from_fn(|| heard.try_recv().ok()).collect()
}
