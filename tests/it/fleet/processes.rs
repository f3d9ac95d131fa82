//! Fifty agents as processes at one mosquitto and one API.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rumqttc::{PublishOptions, QoS};
use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::agent_process::{AgentProcess, AgentProgram};
use socketman_lab::collector::{Collector, WEB_CHECK};
use socketman_lab::lab::AGENT_ENDS_WITHIN;
use socketman_lab::router::{Tree, World};
use socketman_lab::schedules::VARIABLE;
use socketman_lab::ubusd::Ubusd;
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::time::{sleep_until, Instant};

use crate::mqtt::operator::Operator;
use crate::mqtt::server::Server;

const AGENTS: u64 = 50;

/// A report comes every 3.75 s, a heartbeat lasts 15 s.
const SCALE: u32 = 4;

/// Between two jobs of each agent.
const EVERY: Duration = Duration::from_secs(5);

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// A device: a bus, files and an agent.
struct Device {
    mac: String,
    boot_id: String,
    agent: AgentProcess,
    _bus: Ubusd,
}

impl Device {
    fn start(number: u64, dir: &Path, binary: &Path, port: u16, api: &Collector) -> Self {
        let dir = dir.join(number.to_string());
        let root = dir.join("root");
        let world = World::new(4, number, 1_780_000_000);
        Tree::at(&root, &world).unwrap();
        let mac = format!("94:83:c4:00:00:{number:02x}");
        let program = AgentProgram::below(&dir, binary.to_owned(), SCALE).unwrap();
        let settings = json!({
            "mac": mac,
            "mqtt_host": "127.0.0.1",
            "port": port,
            "topic": "fleet",
            "key": "secret",
            "stats_url": api.url("/stats"),
            "health_url": api.addr().ip().to_string(),
            "health_port": api.addr().port(),
            "web_url": api.url(WEB_CHECK),
            "spread": 20,
        });
        program.configure(&settings).unwrap();
        Device {
            mac,
            boot_id: world.boot_id.clone(),
            _bus: Ubusd::start(&program.ubus_socket).unwrap(),
            agent: program.start().unwrap(),
        }
    }

    /// KiB of memory that is there.
    fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.agent.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.unwrap().trim().trim_end_matches(" kB");
        size.parse().unwrap()
    }
}

/// Devices, and what they reach.
struct Fleet {
    server: Server,
    operator: Operator,
    api: Collector,
    devices: Vec<Device>,
    dir: TempDir,
}

impl Fleet {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let binary = agent_binary::find().await.unwrap();
        let server = Server::mosquitto().await;
        let mut operator = Operator::new(server.port()).await;
        let api = Collector::start(([127, 0, 0, 1], 0).into(), dir.path());
        let api = api.await.unwrap();
        let one = |number| Device::start(number, dir.path(), &binary, server.port(), &api);
        let devices: Vec<Device> = (0..AGENTS).map(one).collect();
        let mut online = BTreeSet::new();
        while online.len() < devices.len() {
            let (topic, status) = operator.next("CONNECT").await;
            assert_eq!(status["meta"]["online"], "1");
            online.insert(topic);
        }
        Fleet {
            server,
            operator,
            api,
            devices,
            dir,
        }
    }

    /// The file that a job writes a line to whenever it runs.
    fn file(&self, id: &str) -> PathBuf {
        self.dir.path().join(id)
    }

    /// Sends a job to every device, and waits for all their answers. Returns how many jobs there were.
    async fn job(&mut self, round: u32) -> usize {
        let mut open = BTreeMap::new();
        for device in &self.devices {
            let id = format!("{round}-{}", device.mac.replace(':', ""));
            let run = format!("echo ran >> {}; echo {id}", self.file(&id).display());
            let job = json!({"id": id, "meta": {"msg": run}}).to_string();
            let topic = format!("sub/fleet/secret/{}", device.mac);
            let options = PublishOptions::new(QoS::AtLeastOnce);
            let sent = self.operator.client.publish_tracked(topic, job, options);
            let notice = within("publish", sent).await.unwrap();
            within("PUBACK", notice.wait_async()).await.unwrap();
            open.insert(id, device.mac.clone());
        }
        let count = open.len();
        while !open.is_empty() {
            let (topic, result) = self.operator.next("PROCESSED").await;
            let id = result["id"].as_str().unwrap();
            // An answer may come twice.
            if let Some(mac) = open.remove(id) {
                assert_eq!(topic, format!("pub/fleet/secret/{mac}"));
                assert_eq!(result["meta"]["msg"], format!("{id}\n"));
                assert_eq!(fs::read_to_string(self.file(id)).unwrap(), "ran\n");
            }
        }
        count
    }

    /// Every device has delivered at least `count` reports.
    async fn has_reports(&self, count: usize) {
        let devices = self.devices.len();
        let enough = self.api.wait_for(DEADLINE, |record| {
            let mut per_boot: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
            for report in &record.reports {
                per_boot
                    .entry(&report.boot_id)
                    .or_default()
                    .insert(report.seq);
            }
            per_boot.len() == devices && per_boot.values().all(|seqs| seqs.len() >= count)
        });
        enough.await.unwrap();
    }

    /// No report is missing among those that came, and none is declared missing.
    fn lost_nothing(&self) -> usize {
        let record = self.api.record();
        assert_eq!(record.missing(), []);
        let boots: BTreeSet<&str> = record
            .reports
            .iter()
            .map(|report| &*report.boot_id)
            .collect();
        let expected: BTreeSet<&str> = self.devices.iter().map(|device| &*device.boot_id).collect();
        assert_eq!(boots, expected);
        for line in self.api.lines().unwrap() {
            let report: Value = serde_json::from_str(&line).unwrap();
            let gaps = report["gaps"].as_array().cloned().unwrap_or_default();
            // Nobody can know what was before the boot.
            assert!(gaps.iter().all(|gap| gap["reason"] == "power"), "{gaps:?}");
        }
        record.reports.len() - record.duplicates().len()
    }
}

#[tokio::test]
async fn fifty_agents_at_one_broker_lose_no_report_and_no_job() {
    let lasts = match std::env::var_os(VARIABLE) {
        Some(_) => Duration::from_secs(120),
        None => Duration::from_secs(20),
    };
    let mut fleet = Fleet::start().await;
    let begun = Instant::now();
    let (mut jobs, mut round) = (0, 0);
    while begun.elapsed() < lasts {
        jobs += fleet.job(round).await;
        round += 1;
        sleep_until(begun + round * EVERY).await;
    }
    // A heartbeat of reports may be on its way.
    let due = lasts.as_secs() * u64::from(SCALE) / 15;
    fleet.has_reports(usize::try_from(due).unwrap() - 4).await;
    let rss: Vec<u64> = fleet.devices.iter().map(Device::rss).collect();
    for device in &mut fleet.devices {
        device
            .agent
            .terminate(AGENT_ENDS_WITHIN + DEADLINE)
            .await
            .unwrap();
    }
    let reports = fleet.lost_nothing();
    let text = format!(
        "fifty agents for {} s: {reports} reports, {jobs} jobs, RSS {} KiB in all, {} KiB the largest\n",
        begun.elapsed().as_secs(),
        rss.iter().sum::<u64>(),
        rss.iter().max().unwrap()
    );
    let _ = io::stdout().write_all(text.as_bytes());
    fleet.server.stop().await;
}
