//! The provider's resolver, on the gateway.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

use super::dns::{Question, NXDOMAIN};

/// Longest query that is read, bytes.
const QUERY_MAX: usize = 512;

/// The resolver's treatment of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    Silent,
    /// Every name has this address.
    Lying(Ipv4Addr),
}

/// The resolver's names, and what it does; shared with the task that answers.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    names: Arc<BTreeMap<String, Ipv4Addr>>,
    manner: Arc<Mutex<Manner>>,
}

impl Resolver {
    pub(super) fn new(names: &[(&str, Ipv4Addr)]) -> Self {
        let names = names.iter().map(|(name, at)| ((*name).to_owned(), *at));
        Resolver {
            names: Arc::new(names.collect()),
            manner: Arc::new(Mutex::new(Manner::Honest)),
        }
    }

    pub(super) fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Answers until it is dropped.
    pub(super) async fn serve(self, socket: UdpSocket) {
        let mut buffer = [0; QUERY_MAX];
        loop {
            // An error is a client that is gone.
            let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
                continue;
            };
            if let Some(answer) = self.answer(&buffer[..length]) {
                let _ = socket.send_to(&answer, client).await;
            }
        }
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let question = Question::read(query)?;
        let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        match manner {
            Manner::Silent => None,
            Manner::Lying(address) => Some(question.answer(query, address)),
            Manner::Honest => Some(match self.names.get(&question.name) {
                Some(address) => question.answer(query, *address),
                None => question.refuse(query, NXDOMAIN),
            }),
        }
    }
}
