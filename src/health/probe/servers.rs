//! Every name server that is configured, asked by ourselves, each with a deadline of its own.
//!
//! The resolver of the C library says only that none of them answered. On a router it asks dnsmasq on
//! loopback (/etc/resolv.conf), which asks those of the provider (resolv.conf.auto). Whether dnsmasq itself
//! is dead, a question shows that it answers alone: `localhost` never goes upstream.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::time::{timeout_at, Instant};

use super::dns::{self, Kind};
use super::lookup::Resolved;
use super::millis;
use crate::collect::kernel;
use crate::http::refused;
use crate::process::file::read_up_to;

/// File with the name servers that the C library asks.
const SYSTEM: &str = "etc/resolv.conf";

/// Files with the name servers that dnsmasq asks; since 19.07, and before.
const UPSTREAM: [&str; 2] = ["tmp/resolv.conf.d/resolv.conf.auto", "tmp/resolv.conf.auto"];

/// Bytes of such a file that are looked at.
const FILE_MAX: u64 = 16 << 10;

/// Name servers of one file: the C libraries use no more.
const SERVERS_MAX: usize = 3;

/// Deadline of a name server for all questions; those of the C library have longer.
pub(super) const WITHIN: Duration = Duration::from_secs(3);

/// Time until a question is asked again: packets get lost.
const AGAIN: Duration = Duration::from_secs(1);

const ANSWER_MAX: usize = 2048;

/// A name server that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configured {
    at: SocketAddr,
    /// The C library asks it; the others are those our own resolver asks.
    pub(super) system: bool,
}

/// A name server, and what came of asking it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    pub address: IpAddr,
    /// The C library asks it; the others are those our own resolver asks.
    pub system: bool,
    /// Duration.
    pub ms: u64,
    pub result: Resolved,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The server is on loopback and does not answer a question that needs no other server.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_dead: bool,
}

/// Reads which name servers there are, below `root`.
pub(super) fn configured(root: &Path) -> Vec<Configured> {
    let mut found: Vec<Configured> = Vec::new();
    let mut add = |path: &str, system| {
        let read = read_up_to(&root.join(path), FILE_MAX);
        let (bytes, _) = read.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let servers = text.lines().filter_map(|line| name_server(root, line));
        for at in servers.take(SERVERS_MAX) {
            if found.iter().all(|known| known.at != at) {
                found.push(Configured { at, system });
            }
        }
    };
    add(SYSTEM, true);
    UPSTREAM.iter().for_each(|path| add(path, false));
    found
}

/// The address in a line `nameserver ADDRESS`, where a link-local one may have `%DEVICE` behind it.
fn name_server(root: &Path, line: &str) -> Option<SocketAddr> {
    let mut words = line.split_ascii_whitespace();
    let address = words.nth(1).filter(|_| line.starts_with("nameserver"))?;
    match address.split_once('%') {
        None => Some((address.parse::<IpAddr>().ok()?, 53).into()),
        Some((address, device)) => {
            let index = kernel::index(root, device)?;
            Some(SocketAddrV6::new(address.parse().ok()?, 53, 0, index).into())
        }
    }
}

struct Question {
    id: u16,
    packet: Vec<u8>,
    /// About the name; else the one that our own resolver answers alone.
    of_name: bool,
    /// True while there is no answer.
    waits: bool,
}

/// Questions to one name server, and the answers so far.
struct Exchange {
    questions: Vec<Question>,
    answered: bool,
    addresses: Vec<IpAddr>,
    /// The best code of an answer about the name.
    code: Option<u8>,
}

impl Exchange {
    fn new(name: Option<&str>, is_own: bool) -> Self {
        let base = fastrand::u16(..);
        let of_name = name.into_iter();
        let of_name = of_name.flat_map(|name| [(name, Kind::A, true), (name, Kind::Aaaa, true)]);
        let local = is_own.then_some(("localhost", Kind::A, false));
        let asked = of_name.chain(local).zip(0u16..);
        let questions = asked.filter_map(|((name, kind, of_name), n)| {
            let id = base.wrapping_add(n);
            Some(Question {
                id,
                packet: dns::question(id, name, kind)?,
                of_name,
                waits: true,
            })
        });
        Exchange {
            questions: questions.collect(),
            answered: false,
            addresses: Vec::new(),
            code: None,
        }
    }

    fn take(&mut self, packet: &[u8]) {
        let Some(answer) = dns::answer(packet) else {
            return;
        };
        let mut questions = self.questions.iter_mut();
        let Some(question) = questions.find(|one| one.waits && one.id == answer.id) else {
            return;
        };
        question.waits = false;
        self.answered = true;
        if question.of_name {
            self.addresses.extend(answer.addresses);
            // "No error" and "no such name" before what the server could not do.
            let code = if answer.code == 3 { 0 } else { answer.code };
            self.code = Some(self.code.map_or(code, |best| best.min(code)));
        }
    }

    /// Nothing that is still to come would say more.
    fn is_over(&self) -> bool {
        !self.addresses.is_empty() || self.questions.iter().all(|one| !one.waits)
    }
}

/// Asks a name server for `name`, within `within`.
pub(super) async fn ask(server: Configured, name: Option<String>, within: Duration) -> Server {
    let start = Instant::now();
    let is_own = server.at.ip().is_loopback();
    let mut exchange = Exchange::new(name.as_deref(), is_own);
    let failed = converse(server.at, &mut exchange, start + within).await;
    let mut error = failed.err().as_ref().map(refused);
    let result = match exchange.code {
        _ if name.is_none() => Resolved::NotAsked,
        _ if !exchange.addresses.is_empty() => Resolved::Found,
        Some(0) => Resolved::NoSuchName,
        code => {
            error.get_or_insert_with(|| match code {
                Some(2) => "SERVFAIL".to_owned(),
                Some(5) => "REFUSED".to_owned(),
                Some(code) => format!("error {code}"),
                None => format!("no answer within {} s", within.as_secs()),
            });
            Resolved::Dead
        }
    };
    Server {
        address: server.at.ip(),
        system: server.system,
        ms: millis(start),
        result,
        own_dead: is_own && !exchange.answered,
        addresses: exchange.addresses,
        error,
    }
}

/// Asks until everything is answered, or `end`.
///
/// # Errors
///
/// The network or the server refused; silence is no error.
async fn converse(at: SocketAddr, exchange: &mut Exchange, end: Instant) -> io::Result<()> {
    let any: IpAddr = match at {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(at).await?;
    let mut buffer = vec![0; ANSWER_MAX];
    while Instant::now() < end && !exchange.is_over() {
        for question in exchange.questions.iter().filter(|one| one.waits) {
            socket.send(&question.packet).await?;
        }
        let again = end.min(Instant::now() + AGAIN);
        while let Ok(received) = timeout_at(again, socket.recv(&mut buffer)).await {
            let count = match received {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                received => received?,
            };
            exchange.take(&buffer[..count]);
            if exchange.is_over() {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn name_servers_of_the_system_come_first_and_each_once() {
        let root = root(&[
            (
                "etc/resolv.conf",
                "search lan\nnameserver 127.0.0.1\nnameserver ::1\nnameserver\nnameserver x\n",
            ),
            (
                "tmp/resolv.conf.d/resolv.conf.auto",
                "# Interface wan\nnameserver 9.9.9.9\nnameserver 127.0.0.1\nnameserver fe80::1%wan\n",
            ),
            ("sys/class/net/wan/ifindex", "7\n"),
        ]);
        let found = configured(root.path());
        let found: Vec<(String, bool)> = found
            .iter()
            .map(|one| (one.at.to_string(), one.system))
            .collect();
        let expected = [
            ("127.0.0.1:53", true),
            ("[::1]:53", true),
            ("9.9.9.9:53", false),
            ("[fe80::1%7]:53", false),
        ];
        assert_eq!(found, expected.map(|(at, system)| (at.to_owned(), system)));
        assert_eq!(configured(Path::new("/nonexistent")), []);
    }

    /// Asks a server on loopback that answers each question with what `answer` makes of it.
    async fn asked(answer: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = Configured {
            at: socket.local_addr().unwrap(),
            system: true,
        };
        let serve = async {
            let mut buffer = [0; 512];
            loop {
                let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
                if let Some(answer) = answer(buffer[..count].to_vec()) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        };
        let within = Duration::from_millis(1500);
        tokio::select! {
            server = ask(server, Some("w.example".to_owned()), within) => server,
            () = serve => unreachable!(),
        }
    }

    fn is_of_localhost(question: &[u8]) -> bool {
        question.windows(9).any(|part| part == b"localhost")
    }

    fn coded(mut question: Vec<u8>, code: u8) -> Vec<u8> {
        (question[2], question[3]) = (0x81, 0x80 | code);
        question
    }

    #[tokio::test]
    async fn each_end_of_a_question_is_told_from_the_others() {
        let servfail = asked(|question| Some(coded(question, 2))).await;
        assert_eq!(
            (servfail.result, servfail.own_dead),
            (Resolved::Dead, false)
        );
        assert_eq!(servfail.error.as_deref(), Some("SERVFAIL"));
        let none = asked(|question| Some(coded(question, 3))).await;
        assert_eq!((none.result, none.error), (Resolved::NoSuchName, None));
        let found = asked(|question| {
            let mut answer = coded(question, 0);
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 9, 9, 9, 9]);
            Some(answer)
        });
        let found = found.await;
        assert_eq!(found.result, Resolved::Found);
        assert_eq!(found.addresses, [IpAddr::from([9, 9, 9, 9])]);
    }

    #[tokio::test]
    async fn our_own_resolver_that_waits_for_others_is_alive_and_a_silent_or_closed_one_is_dead() {
        let waits = asked(|question| is_of_localhost(&question).then(|| coded(question, 0))).await;
        assert_eq!((waits.result, waits.own_dead), (Resolved::Dead, false));
        let silent = asked(|_| None).await;
        assert_eq!((silent.result, silent.own_dead), (Resolved::Dead, true));
        assert_eq!(silent.error.as_deref(), Some("no answer within 1 s"));
        let port = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr();
        let closed = Configured {
            at: port.unwrap(),
            system: true,
        };
        let within = Duration::from_secs(5);
        let closed = ask(closed, Some("w.example".to_owned()), within).await;
        assert_eq!((closed.result, closed.own_dead), (Resolved::Dead, true));
        assert!(closed.error.unwrap().contains("refused"));
        assert!(closed.ms < 1000);
    }

    #[tokio::test]
    async fn what_was_not_asked_is_no_answer() {
        let stranger = asked(|mut question| {
            question[0] ^= 0x55;
            Some(coded(question, 0))
        });
        let stranger = stranger.await;
        assert_eq!((stranger.result, stranger.own_dead), (Resolved::Dead, true));
    }
}
