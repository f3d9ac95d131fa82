//! The times of probes and the verdicts that follow, in simulated time.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout, Instant};

use super::super::probe::Task;
use super::super::signs::Sign;
use super::super::task::Probe;
use super::super::{run, Facts, Handle, Part, Proof, Settings, Verdict};
use super::*;
use crate::config::Config;
use crate::process::ask::asks;
use crate::process::shutdown::shutdown;
use crate::{collect, http, lookup, mqtt};

const MONITOR: Duration = Duration::from_secs(15);
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Duration of a probe here.
pub(super) const PROBE: Duration = Duration::from_secs(1);

/// Longer than anything waited for, in simulated time.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// The task among parts that only exist as their facts.
pub(super) struct Ward {
    pub(super) mqtt: watch::Sender<mqtt::Facts>,
    api: watch::Sender<http::Facts>,
    pub(super) world: watch::Sender<Findings>,
    /// When each probe began, and how.
    pub(super) begun: mpsc::UnboundedReceiver<(Instant, Task)>,
    pub(super) signs: mpsc::Sender<Sign>,
    pub(super) events: collect::DeviceEvents,
    pub(super) tree: Tree,
    facts: watch::Receiver<Facts>,
    code: watch::Receiver<Option<u8>>,
    pub(super) handle: Handle,
    part: Part,
    begins: mpsc::UnboundedSender<(Instant, Task)>,
    task: JoinHandle<()>,
}

/// /proc and /sys of a device whose way out is by `wan`.
pub(super) struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Tree(tempfile::tempdir().unwrap());
        for dir in ["proc/net", "sys/class/net/wan"] {
            fs::create_dir_all(tree.0.path().join(dir)).unwrap();
        }
        tree.route(true);
        tree.carrier(true);
        tree
    }

    pub(super) fn route(&self, there: bool) {
        let gateway = u32::from_ne_bytes([8, 8, 4, 4]);
        let line = format!("wan\t00000000\t{gateway:08X}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        let table = if there { line.as_str() } else { "" };
        fs::write(self.0.path().join("proc/net/route"), table).unwrap();
    }

    pub(super) fn carrier(&self, there: bool) {
        let carrier = if there { "1\n" } else { "0\n" };
        fs::write(self.0.path().join("sys/class/net/wan/carrier"), carrier).unwrap();
    }
}

fn settings() -> Settings {
    (&Config::default().with(|config| {
        config.upload.url = "http://api.example/".into();
        config.collect.monitor = MONITOR;
        config.upload.heartbeat = HEARTBEAT;
    }))
        .into()
}

pub(super) fn start(world: Findings) -> Ward {
    let (mqtt, mqtt_known) = watch::channel(mqtt::Facts::default());
    let (api, api_known) = watch::channel(http::Facts::default());
    let (facts_sender, facts) = watch::channel(Facts::default());
    let (code_sender, code) = watch::channel(None);
    let world = watch::Sender::new(world);
    let (begins, begun) = mpsc::unbounded_channel();
    let (handle, asks) = asks(facts.clone());
    let tree = Tree::new();
    let events = collect::DeviceEvents::default();
    let part = Part {
        settings: settings(),
        root: tree.0.path().to_owned(),
        resolver: lookup::Resolver::system("lookup"),
        mqtt: mqtt_known,
        api: api_known,
        facts: facts_sender,
        code: code_sender,
        events: events.clone(),
        client: ubus::connect("/nonexistent".as_ref()).0,
        asks,
        known: Arc::default(),
    };
    let (signs, task) = watch_over(&part, &world, &begins);
    Ward {
        mqtt,
        api,
        world,
        begun,
        signs,
        events,
        tree,
        facts,
        code,
        handle,
        part,
        begins,
        task,
    }
}

fn watch_over(
    part: &Part,
    world: &watch::Sender<Findings>,
    begins: &mpsc::UnboundedSender<(Instant, Task)>,
) -> (mpsc::Sender<Sign>, JoinHandle<()>) {
    let (signs, heard) = mpsc::channel(8);
    let (world, begins) = (world.clone(), begins.clone());
    let begin = move |task| -> Probe {
        let _ = begins.send((Instant::now(), task));
        let world = world.clone();
        Box::pin(async move {
            sleep(PROBE).await;
            world.borrow().clone()
        })
    };
    let device = watch::channel(None).0;
    let task = part.clone().watch(Box::new(begin), heard, device);
    (signs, tokio::spawn(task))
}

impl Ward {
    /// Settings change: a part follows on this one.
    pub(super) async fn renew(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        (self.signs, self.task) = watch_over(&self.part, &self.world, &self.begins);
    }

    pub(super) async fn begun(&mut self) -> Instant {
        timeout(LONG, self.begun.recv()).await.unwrap().unwrap().0
    }

    pub(super) async fn facts_when(&mut self, wanted: impl FnMut(&Facts) -> bool) -> Facts {
        let found = timeout(LONG, self.facts.wait_for(wanted)).await;
        found.unwrap().unwrap().clone()
    }

    /// Forgets the probes that have begun.
    pub(super) fn drain(&mut self) {
        while self.begun.try_recv().is_ok() {}
    }

    /// The broker has us, and said something just now.
    pub(super) async fn connect(&mut self) {
        self.mqtt.send_modify(|facts| {
            (facts.connected, facts.host) = (true, "broker.example:1883".into());
            facts.arrived = Some(Instant::now());
        });
        self.facts_when(|facts| facts.evidence.proof.is_some())
            .await;
        // The first probe may still be under way.
        sleep(PROBE).await;
    }

    /// The facts after the next probe to end.
    pub(super) async fn probed(&mut self) -> Facts {
        let before = self.facts.borrow().probes;
        self.facts_when(|facts| facts.probes != before).await
    }
}

#[tokio::test(start_paused = true)]
async fn without_proof_it_is_probed_at_once_and_every_monitor() {
    let mut ward = start(fine());
    let first = ward.begun().await;
    let facts = ward.probed().await;
    assert_eq!((facts.code, facts.verdict), (Some(9), Some(Verdict::Ok)));
    assert_eq!(facts.evidence.proof, None);
    assert_eq!(facts.evidence.probe, Some(fine()));
    assert_eq!(*ward.code.borrow(), Some(9));
    assert_eq!(ward.begun().await - first, PROBE + MONITOR);
}

#[tokio::test(start_paused = true)]
async fn offline_is_believed_after_two_probes_and_probed_more_often() {
    let mut ward = start(fine());
    ward.begun().await;
    ward.probed().await;
    ward.world.send_replace(fine().resolver_dies());
    let doubted = ward.begun().await;
    let facts = ward.probed().await;
    assert_eq!((facts.code, facts.verdict), (Some(9), Some(Verdict::Ok)));
    assert!(facts.evidence.doubt);

    assert_eq!(
        ward.begun().await - doubted,
        PROBE + Duration::from_secs(10)
    );
    let facts = ward.probed().await;
    assert_eq!(
        (facts.code, facts.verdict),
        (Some(1), Some(Verdict::DnsDead))
    );
    assert!(!facts.evidence.doubt);
    assert_eq!(*ward.code.borrow(), Some(1));

    ward.world.send_replace(fine());
    ward.begun().await;
    let facts = ward.probed().await;
    assert_eq!((facts.code, facts.verdict), (Some(9), Some(Verdict::Ok)));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_starts_offline_is_unknown_until_the_second_probe() {
    let mut ward = start(fine().without_route());
    let facts = ward.probed().await;
    assert_eq!((facts.code, facts.verdict), (None, None));
    assert_eq!(*ward.code.borrow(), None);
    let facts = ward.probed().await;
    assert_eq!(
        (facts.code, facts.verdict),
        (Some(0), Some(Verdict::NoRoute))
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_with_the_broker_is_enough_and_a_probe_every_15_minutes_changes_evidence_only() {
    let mut ward = start(fine().resolver_dies());
    ward.probed().await;
    ward.probed().await;
    ward.mqtt.send_modify(|facts| facts.connected = true);
    let facts = ward.facts_when(|facts| facts.code == Some(9)).await;
    assert_eq!(facts.verdict, Some(Verdict::Ok));
    assert_eq!(facts.evidence.proof, Some(Proof::Broker));
    assert_eq!(facts.evidence.probe, None);
    let connected = Instant::now();

    while ward.begun.try_recv().is_ok() {}
    let begun = ward.begun().await - connected;
    assert_eq!(begun, Duration::from_secs(15 * 60));
    let facts = ward.probed().await;
    assert_eq!((facts.code, facts.verdict), (Some(9), Some(Verdict::Ok)));
    assert!(facts.evidence.degraded);
    assert_eq!(facts.evidence.probe, Some(fine().resolver_dies()));
}

#[tokio::test(start_paused = true)]
async fn without_its_proof_the_device_is_probed_at_once_and_believed_twice() {
    let mut ward = start(fine());
    ward.mqtt.send_modify(|facts| facts.connected = true);
    ward.facts_when(|facts| facts.evidence.proof.is_some())
        .await;
    ward.probed().await;
    ward.world.send_replace(fine().without_route());
    while ward.begun.try_recv().is_ok() {}
    ward.mqtt.send_modify(|facts| facts.connected = false);
    let lost = Instant::now();
    assert_eq!(ward.begun().await, lost);
    let facts = ward.probed().await;
    assert_eq!(facts.code, Some(9));
    let facts = ward.probed().await;
    assert_eq!(
        (facts.code, facts.verdict),
        (Some(0), Some(Verdict::NoRoute))
    );
}

#[tokio::test(start_paused = true)]
async fn an_accepted_delivery_is_proof_for_two_heartbeats_and_until_a_request_fails() {
    let mut ward = start(fine());
    ward.probed().await;
    let accept = |facts: &mut http::Facts| {
        facts.accepted = Some(Instant::now());
        facts.last_error = None;
    };
    ward.api.send_modify(accept);
    ward.facts_when(|facts| facts.evidence.proof == Some(Proof::Api))
        .await;
    let accepted = Instant::now();
    ward.facts_when(|facts| facts.evidence.proof.is_none())
        .await;
    assert_eq!(accepted.elapsed(), 2 * HEARTBEAT);

    ward.api.send_modify(accept);
    ward.facts_when(|facts| facts.evidence.proof == Some(Proof::Api))
        .await;
    ward.api.send_modify(|facts| {
        facts.accepted = None;
        facts.last_error = Some("api.example answered 500".into());
    });
    ward.facts_when(|facts| facts.evidence.proof.is_none())
        .await;
    let facts = ward
        .facts_when(|facts| facts.verdict != Some(Verdict::Ok))
        .await;
    assert_eq!(facts.verdict, Some(Verdict::ServerUnreachable));
    assert_eq!(facts.code, Some(9));
    let why = facts.evidence.server.unwrap();
    assert_eq!(why, "API: api.example answered 500");
}

#[tokio::test(start_paused = true)]
async fn calls_for_a_probe_share_one_and_get_its_outcome() {
    let mut ward = start(fine());
    ward.mqtt.send_modify(|facts| facts.connected = true);
    ward.probed().await;
    while ward.begun.try_recv().is_ok() {}
    ward.world.send_replace(fine().web_fails());

    let calls: Vec<_> = (0..20)
        .map(|_| {
            let handle = ward.handle.clone();
            tokio::spawn(async move { handle.probe().await })
        })
        .collect();
    let asked = Instant::now();
    for call in calls {
        let facts = timeout(LONG, call).await.unwrap().unwrap().unwrap();
        assert_eq!(facts.evidence.probe, Some(fine().web_fails()));
        assert_eq!((facts.code, facts.evidence.degraded), (Some(9), true));
    }
    assert_eq!(asked.elapsed(), PROBE);
    assert_eq!(ward.begun().await, asked);
    // And the next one is the regular one.
    assert_eq!(ward.begun().await - asked, PROBE + Duration::from_secs(900));
}

#[tokio::test(start_paused = true)]
async fn the_device_that_had_the_route_is_remembered() {
    let mut ward = start(fine());
    ward.probed().await;
    ward.world.send_replace(fine().without_route());
    ward.tree.route(false);
    let mut told = Vec::new();
    for _ in 0..4 {
        let begun = timeout(LONG, ward.begun.recv()).await;
        told.push(begun.unwrap().unwrap().1.last.device);
    }
    assert_eq!(told, [(); 4].map(|()| Some("wan".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn when_the_other_parts_have_ended_it_goes_on_without_spinning() {
    let mut ward = start(fine());
    ward.probed().await;
    let (mqtt, api) = (
        watch::channel(mqtt::Facts::default()),
        watch::channel(http::Facts::default()),
    );
    drop(std::mem::replace(&mut ward.mqtt, mqtt.0));
    drop(std::mem::replace(&mut ward.api, api.0));
    // Simulated time stands still while somebody spins.
    ward.probed().await;
    ward.probed().await;
    assert!(!ward.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_agent_and_answers_later_questions_with_an_error() {
    let (facts_sender, facts) = watch::channel(Facts::default());
    let (handle, asks) = asks(facts);
    let (stop, stopped) = shutdown();
    let part = Part {
        settings: Settings {
            health: Default::default(),
            ..settings()
        },
        root: "/nonexistent".into(),
        resolver: lookup::Resolver::system("lookup"),
        mqtt: watch::channel(mqtt::Facts::default()).1,
        api: watch::channel(http::Facts::default()).1,
        facts: facts_sender,
        code: watch::channel(None).0,
        events: collect::DeviceEvents::default(),
        client: ubus::connect("/nonexistent".as_ref()).0,
        asks,
        known: Arc::default(),
    };
    let task = tokio::spawn(run(part, stopped));
    let facts = timeout(LONG, handle.probe()).await.unwrap().unwrap();
    assert_eq!(facts.evidence.probe.unwrap().route, Route::default());
    stop.fire();
    timeout(LONG, task).await.unwrap().unwrap();
    assert_eq!(handle.probe().await, None);
}
