//! Output of running jobs on a line that is slow, or to a broker that does not want it.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::within::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, Instant};

use super::{Stalls, World};

/// Bytes a second on the slow line.
const SLOW: u32 = 1000;

/// Bytes that it passes on at once.
const PIECE: usize = 32;

/// The delay that live output may cause.
const LATE: Duration = Duration::from_secs(1);

/// A machine that is busy delays something now and then; a defect of ours does so every time.
const ATTEMPTS: u32 = 3;

/// The agent's line to the broker.
struct Line {
    address: SocketAddr,
    facts: Arc<Facts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Facts {
    /// Bytes a second to the broker; 0 is no limit.
    rate: AtomicU32,
    /// Connections cut because of a message to `live/`.
    cut: AtomicU32,
}

impl Line {
    /// To the broker at `port`. One that is `strict` cuts the connection at the first message to `live/`.
    async fn to(port: u16, strict: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let facts = Arc::new(Facts::default());
        let shared = Arc::clone(&facts);
        let task = tokio::spawn(async move {
            loop {
                let (agent, _) = listener.accept().await.unwrap();
                let broker = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(connect(agent, broker, Arc::clone(&shared), strict));
            }
        });
        Line {
            address,
            facts,
            task,
        }
    }

    fn limit(&self, rate: u32) {
        self.facts.rate.store(rate, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes on until one side ends the connection, or this one does.
async fn connect(mut agent: TcpStream, mut broker: TcpStream, facts: Arc<Facts>, strict: bool) {
    agent.set_nodelay(true).unwrap();
    broker.set_nodelay(true).unwrap();
    let (mut from_agent, mut to_agent) = agent.split();
    let (mut from_broker, mut to_broker) = broker.split();
    let up = async {
        // A topic may come in two pieces.
        let mut before = Vec::new();
        let mut piece = [0; PIECE];
        loop {
            let Ok(count @ 1..) = from_agent.read(&mut piece).await else {
                return;
            };
            before.extend_from_slice(&piece[..count]);
            if strict && before.windows(11).any(|bytes| bytes == b"live/fleet/") {
                facts.cut.fetch_add(1, Ordering::Relaxed);
                return;
            }
            before.drain(..before.len().saturating_sub(10));
            if to_broker.write_all(&piece[..count]).await.is_err() {
                return;
            }
            let rate = facts.rate.load(Ordering::Relaxed);
            if rate > 0 {
                sleep(Duration::from_secs(1) * count as u32 / rate).await;
            }
        }
    };
    tokio::select! {
        () = up => {}
        _ = tokio::io::copy(&mut from_broker, &mut to_agent) => {}
    }
}

impl World {
    /// A world whose agent is connected over `line`.
    async fn over(line: &Line, mut world: World) -> World {
        let file = world.lab.program().config_file();
        let mut config: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        config["port"] = line.address.port().into();
        config["job_workers"] = 8.into();
        config["job_output_max"] = 1024.into();
        world.lab.program().configure(&config).unwrap();
        world.start_agent();
        world.connected().await;
        world
    }
}

/// The longest times of a while.
#[derive(Debug)]
struct Longest {
    /// From a job to its result.
    result: Duration,
    between_pings: Duration,
    live: u32,
}

/// Looks at ten jobs, one after the other, and at the pings meanwhile.
async fn watch(world: &mut World, name: &str) -> Longest {
    let mut longest = Longest {
        result: Duration::ZERO,
        between_pings: Duration::ZERO,
        live: 0,
    };
    let mut last_ping = None;
    for n in 0..10 {
        let id = format!("{name}-{n}");
        let began = Instant::now();
        let ping = json!({"id": id, "meta": {"type": "ping"}});
        world.operator.send(ping.to_string()).await;
        loop {
            let message = within("a message", world.operator.any()).await;
            if message["seq"].is_u64() {
                longest.live += 1;
            } else if message["event_type"] == "PING" {
                let last = last_ping.replace(Instant::now());
                let between = last.map_or(Duration::ZERO, |last| last.elapsed());
                longest.between_pings = longest.between_pings.max(between);
            } else if message["event_type"] == "PROCESSED" && message["id"] == id.as_str() {
                break;
            }
        }
        longest.result = longest.result.max(began.elapsed());
    }
    assert!(longest.between_pings > Duration::ZERO, "no pings");
    longest
}

#[tokio::test]
async fn two_hundred_live_jobs_on_a_slow_line_delay_results_and_pings_by_a_second_at_most() {
    let world = World::new().await;
    let line = Line::to(world.server.port(), false).await;
    let mut world = World::over(&line, world).await;
    let stalls = Stalls::new();
    line.limit(SLOW);
    let without = watch(&mut world, "without").await;
    line.limit(0);
    let talk = "while :; do echo a line of some length, said again and again; sleep 1; done";
    for n in 0..200 {
        let job = json!({"id": format!("live-{n}"), "meta": {"msg": talk, "live": true}});
        world.operator.send(job.to_string()).await;
    }
    // On the slow line their receipts would take half a minute.
    for _ in 0..200 {
        world.operator.next("DELIVERED").await;
    }
    let waits = |status: &Value| status["jobs"]["queued"] == 192 && status["jobs"]["running"] == 8;
    world.status(waits).await;
    line.limit(SLOW);
    world.operator.live().await;
    assert_eq!(without.live, 0);
    let mut held = false;
    for attempt in 0..ATTEMPTS {
        let with = watch(&mut world, &format!("with-{attempt}")).await;
        println!("without live output {without:?}, with it {with:?}");
        let allowed = LATE + stalls.most();
        held = with.result <= without.result + allowed
            && with.between_pings <= without.between_pings + allowed;
        if held {
            break;
        }
    }
    assert!(held, "live output holds up results or pings");
    line.limit(0);
    world.end().await;
}

#[tokio::test]
async fn a_broker_that_cuts_the_connection_at_live_output_gets_every_result() {
    let world = World::new().await;
    let line = Line::to(world.server.port(), true).await;
    let mut world = World::over(&line, world).await;
    for n in 0..20 {
        let talk = format!("echo one; sleep 0.{n:02}; echo two");
        let job = json!({"id": n.to_string(), "meta": {"msg": talk, "live": true}});
        world.operator.send(job.to_string()).await;
    }
    let mut open: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    while !open.is_empty() {
        let (_, result) = world.operator.next("PROCESSED").await;
        assert_eq!(result["meta"]["msg"], "one\ntwo\n");
        // It may come once more when the connection was cut before it was acknowledged.
        open.retain(|id| result["id"] != id.as_str());
    }
    // The second time it is switched off, and the connection holds.
    let talk = |id: &str| {
        let meta = json!({"msg": "echo 1; sleep 1; echo 2", "live": true});
        json!({"id": id, "meta": meta}).to_string()
    };
    let mut n = 20;
    while line.facts.cut.load(Ordering::Relaxed) < 2 {
        world.operator.send(talk(&n.to_string())).await;
        world.operator.result(&n.to_string()).await;
        n += 1;
    }
    let off =
        |status: &Value| status["mqtt"]["live_off"] == true && status["mqtt"]["connected"] == true;
    world.status(off).await;
    world.operator.send(talk("last")).await;
    assert_eq!(world.operator.result("last").await["msg"], "1\n2\n");
    assert_eq!(line.facts.cut.load(Ordering::Relaxed), 2);
    world.end().await;
}
