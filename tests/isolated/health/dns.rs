//! The name server of the world, which does what a test says.

use std::net::{IpAddr, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

/// The name server's treatment of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Manner {
    Answers,
    Silent,
    Servfail,
    /// Of five questions, it does not hear two.
    Lossy,
}

const MANNERS: [Manner; 4] = [
    Manner::Answers,
    Manner::Silent,
    Manner::Servfail,
    Manner::Lossy,
];

/// A name server on one or more sockets; they end with the process.
#[derive(Clone)]
pub(crate) struct NameServer {
    manner: Arc<AtomicU8>,
    names: Arc<Mutex<Vec<(String, IpAddr)>>>,
}

impl NameServer {
    pub(crate) fn new(names: &[(&str, &str)]) -> Self {
        let server = NameServer {
            manner: Arc::default(),
            names: Arc::default(),
        };
        server.knows(names);
        server
    }

    /// From now on it behaves so.
    pub(crate) fn is(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::SeqCst);
    }

    /// From now on it knows these names and no others.
    pub(crate) fn knows(&self, names: &[(&str, &str)]) {
        let names = names.iter();
        let names = names.map(|(name, address)| ((*name).to_owned(), address.parse().unwrap()));
        *self.names.lock().unwrap() = names.collect();
    }

    /// Answers what comes to `socket`.
    pub(crate) fn serve(&self, socket: UdpSocket) {
        let server = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            let mut heard = 0u32;
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                heard += 1;
                let manner = MANNERS[usize::from(server.manner.load(Ordering::SeqCst))];
                let question = buffer[..count].to_vec();
                let answer = match manner {
                    Manner::Silent => None,
                    Manner::Lossy if heard % 5 < 2 => None,
                    Manner::Servfail => Some(coded(question, 2)),
                    Manner::Answers | Manner::Lossy => Some(server.answer(question)),
                };
                if let Some(answer) = answer {
                    // The one who asked may have no way back.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
    }

    fn answer(&self, question: Vec<u8>) -> Vec<u8> {
        let (name, end) = name(&question);
        let kind = u16::from_be_bytes([question[end], question[end + 1]]);
        let names = self.names.lock().unwrap();
        let known: Vec<IpAddr> = names
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, address)| *address)
            .collect();
        if known.is_empty() {
            return coded(question, 3);
        }
        let mut answer = coded(question[..end + 4].to_vec(), 0);
        // No record but those of the answer: no EDNS either.
        answer[10..12].fill(0);
        for address in known {
            let (of, data) = match address {
                IpAddr::V4(v4) => (1u16, v4.octets().to_vec()),
                IpAddr::V6(v6) => (28, v6.octets().to_vec()),
            };
            if of == kind {
                answer[7] += 1;
                answer.extend([0xc0, 12]);
                answer.extend(of.to_be_bytes());
                answer.extend([0, 1, 0, 0, 0, 1, 0, data.len() as u8]);
                answer.extend(data);
            }
        }
        answer
    }
}

/// The name in a question, and where it ends.
fn name(question: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
        at = end;
    }
    (labels.join(".").to_lowercase(), at + 1)
}

fn coded(mut question: Vec<u8>, code: u8) -> Vec<u8> {
    (question[2], question[3]) = (0x81, 0x80 | code);
    question
}
