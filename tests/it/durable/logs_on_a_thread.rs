//! A log served by a thread of its own: an answer is a promise.

use std::io;
use std::time::Duration;

use durable::{Log, RealDisk, Store};
use socketman_lab::disk::{Chooser, SimDisk};

use super::log_content::NAME;

const LONG: Duration = Duration::from_secs(30);

struct Records {
    disk: SimDisk,
    log: Log,
}

impl Store for Records {
    type Request = Vec<u8>;
    type Reply = io::Result<u64>;

    fn handle(&mut self, payload: Vec<u8>) -> io::Result<u64> {
        self.log.append(&mut self.disk, &payload)
    }

    fn commit(&mut self) -> io::Result<()> {
        self.log.sync(&mut self.disk)
    }
}

fn payload(n: u64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

#[tokio::test]
async fn what_was_answered_as_synced_survives_a_power_cut_at_any_moment() {
    for seed in 0..100 {
        let mut chooser = Chooser::seeded(seed);
        let mut disk = SimDisk::new();
        let (log, _) = Log::open(&mut disk, NAME, &mut |_, _| {}).unwrap();
        let store = Records {
            disk: disk.clone(),
            log,
        };
        disk.cut_power_at(disk.calls() + chooser.choose(60) as u64);
        let (thread, handle) = RealDisk::start("records", store).unwrap();
        let asked: Vec<_> = (0..50)
            .map(|n| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.ask(payload(n), LONG).await.unwrap() })
            })
            .collect();
        let mut promised = Vec::new();
        for (n, asked) in (0..).zip(asked) {
            let answer = asked.await.unwrap();
            if let (Ok(sequence), Ok(())) = (answer.reply, answer.synced) {
                promised.push((sequence, payload(n)));
            }
        }
        assert!(thread.end(LONG).await || disk.is_dead());
        let mut found = Vec::new();
        Log::open(&mut disk.crash(&mut chooser), NAME, &mut |sequence, p| {
            found.push((sequence, p.to_vec()));
        })
        .unwrap();
        assert!(promised.iter().all(|record| found.contains(record)));
        // Requests that wait together share a sync: names once, and a sync for many records.
        assert!(disk.written().syncs <= 1 + 50);
    }
}
