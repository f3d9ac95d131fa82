//! A device in the lab that is upgraded, and what it says of that.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::collector::Mode;
use socketman_lab::firmware::{Image, Manager, Package, Release};
use socketman_lab::lab::Lab;
use socketman_lab::mqtt_side::{Ear, Said};
use socketman_lab::options::Options;
use tokio::time::{interval, sleep, timeout};
use ubus::{blobmsg, Client};

use super::{DEADLINE, SCALE};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A device whose agent is connected, and everything that it has said.
pub(super) struct World {
    pub(super) lab: Lab,
    ear: Ear,
    said: Vec<Value>,
    /// The messages sent, by the id of the job.
    pub(super) sent: BTreeMap<String, Value>,
    pings: u32,
}

/// The end of something in the middle of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Power,
    Agent,
    Watcher,
}

impl World {
    /// A device that an upgrade may take so many seconds of to prove that it lives.
    pub(super) async fn new(rollback_timeout: u32) -> Self {
        World::with(rollback_timeout, Manager::Opkg).await
    }

    pub(super) async fn with(rollback_timeout: u32, manager: Manager) -> Self {
        let binary = agent_binary::find().await.unwrap();
        let lab = Lab::start(&Options::default(), binary, SCALE).await;
        let mut lab = lab.unwrap();
        lab.install(manager).unwrap();
        lab.set_option("insecure", true.into()).unwrap();
        lab.set_option("rollback_timeout", rollback_timeout.into())
            .unwrap();
        let ear = lab.mqtt.listen();
        lab.start_agent().unwrap();
        let mut world = World {
            lab,
            ear,
            said: Vec::new(),
            sent: BTreeMap::new(),
            pings: 0,
        };
        world.connected().await;
        world
    }

    /// Waits for something, while the device does what it is asked to.
    pub(super) async fn during<T>(&mut self, what: &str, happens: impl Future<Output = T>) -> T {
        match timeout(DEADLINE, self.lab.during(happens)).await {
            Ok(done) => done.unwrap(),
            Err(_) => {
                let log = std::fs::read_to_string(self.lab.place().log()).unwrap_or_default();
                panic!("not in time: {what}; it said {:#?}\n{log}", self.said)
            }
        }
    }

    /// Waits until the agent's status is as wanted.
    pub(super) async fn status(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.answer("status", what, wanted).await
    }

    /// Waits until the agent answers a call as wanted.
    pub(super) async fn answer(
        &mut self,
        method: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let client = self.lab.client().clone();
        let looks = async {
            let mut looks = interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                let answer = ask(&client, method).await;
                if let Some(answer) = answer.filter(|answer| wanted(answer)) {
                    return answer;
                }
            }
        };
        self.during(what, looks).await
    }

    /// Waits until the agent knows the outcome of a job.
    pub(super) async fn decided(&mut self, id: &str) {
        self.answer("jobs", "the job is decided", |jobs| {
            let jobs = jobs["jobs"].as_array();
            jobs.is_some_and(|jobs| {
                jobs.iter()
                    .any(|job| job["id"] == id && job.get("success").is_some())
            })
        })
        .await;
    }

    /// Waits until a program of the router has come to a step for the first time.
    pub(super) async fn reached(&mut self, step: &str) {
        let steps = self.lab.steps.clone();
        self.during(step, async { steps.reached(step, 1).await })
            .await;
    }

    /// Waits until the router runs this release.
    pub(super) async fn runs(&mut self, release: &Release) {
        let file = self.lab.place().root().join("etc/openwrt_release");
        let looks = async {
            let mut looks = interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                if text.contains(&release.revision) {
                    return;
                }
            }
        };
        self.during("another release", looks).await;
    }

    /// Waits until no watcher is left.
    pub(super) async fn unwatched(&mut self) {
        while !self.lab.watchers().is_empty() {
            self.during("no watcher", sleep(LOOK_EVERY)).await;
        }
    }

    /// Waits until nothing of an upgrade is left, in RAM or on flash. The agent clears up on a thread beside the answer.
    pub(super) async fn cleared(&mut self) {
        let root = self.lab.place().root().to_owned();
        let is_cleared = || {
            let on_flash = std::fs::read_dir(root.join("etc/socketman/state/upgrade")).unwrap();
            let mut names = on_flash.map(|entry| entry.unwrap().file_name());
            names.all(|name| name == "watcher") && !root.join("tmp/socketman-upgrade").exists()
        };
        while !is_cleared() {
            self.during("nothing left of it", sleep(LOOK_EVERY)).await;
        }
    }

    /// Waits until nothing runs on the router any more.
    pub(super) async fn dead(&mut self) {
        while self.lab.agent().is_some() || !self.lab.processes().is_empty() {
            self.during("nothing runs", sleep(LOOK_EVERY)).await;
        }
    }

    /// Ends something at once.
    pub(super) async fn suffer(&mut self, fate: Fate) {
        match fate {
            Fate::Power => self.lab.power_cut().await.unwrap(),
            Fate::Agent => drop(self.lab.agent().unwrap().kill().await.unwrap()),
            Fate::Watcher => {
                let watchers = self.lab.watchers();
                assert_eq!(watchers.len(), 1, "{watchers:?}");
                watchers[0].kill();
            }
        }
    }

    /// Ends something while the new software waits for proof that it lives; the proof comes when that waits again.
    pub(super) async fn suffer_on_trial(&mut self, fate: Fate) {
        let is_on_trial = |status: &Value| status["upgrade"]["state"] == "trial";
        self.status("on trial", is_on_trial).await;
        self.suffer(fate).await;
        // Whoever was killed is there again.
        self.status("on trial again", is_on_trial).await;
        self.lab.mqtt.up().await.unwrap();
        self.lab.set_api(Mode::Up).await.unwrap();
    }

    pub(super) async fn connected(&mut self) {
        self.status("a session", |status| status["mqtt"]["connected"] == true)
            .await;
    }

    /// The next message of the device on this topic that `wanted` holds of.
    pub(super) async fn heard(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let said = timeout(DEADLINE, self.lab.during(self.ear.next())).await;
            let Ok(said) = said else {
                let log = std::fs::read_to_string(self.lab.place().log()).unwrap_or_default();
                panic!("not said in time: {what}; it said {:#?}\n{log}", self.said)
            };
            let value = read(&said.unwrap().unwrap());
            self.said.push(value.clone());
            if wanted(&value) {
                return value;
            }
        }
    }

    /// Waits until the job was accepted.
    pub(super) async fn delivered(&mut self, id: &str) {
        self.heard("delivery", |value| {
            value["id"] == id && value["event_type"] == "DELIVERED"
        })
        .await;
    }

    /// The results of a job so far.
    pub(super) fn results(&self, id: &str) -> Vec<Value> {
        let results = self
            .said
            .iter()
            .filter(|value| value["id"] == id && value["event_type"] != "DELIVERED");
        results.cloned().collect()
    }

    /// Asserts that nothing was reported of a job, and that nobody is there to report it.
    pub(super) fn no_result(&mut self, id: &str) {
        assert!(self.lab.agent().is_none());
        assert_eq!(self.lab.processes(), []);
        assert_eq!(self.results(id), [] as [Value; 0]);
    }

    /// Waits for the only result of a job, which has to be PROCESSED with this success.
    async fn processed(&mut self, id: &str, success: bool) -> Value {
        let (kind, meta) = self.only_result(id).await;
        assert_eq!(
            (&*kind, &meta["success"]),
            ("PROCESSED", &json!(success)),
            "{meta:#}"
        );
        meta
    }

    /// Waits for the only result of a job, which has to be a success.
    pub(super) async fn succeeded(&mut self, id: &str) -> Value {
        self.processed(id, true).await
    }

    /// The same of one that failed; its reason.
    pub(super) async fn failed(&mut self, id: &str) -> String {
        let meta = self.processed(id, false).await;
        assert_ne!(meta["rolled_back"], true, "{meta:#}");
        meta["reason"].as_str().unwrap().to_owned()
    }

    /// The same of one that failed and was undone.
    pub(super) async fn undone(&mut self, id: &str) -> String {
        let meta = self.processed(id, false).await;
        assert_eq!(meta["rolled_back"], true, "{meta:#}");
        meta["reason"].as_str().unwrap().to_owned()
    }

    /// The same of one that was refused.
    pub(super) async fn rejected(&mut self, id: &str) -> String {
        let (kind, meta) = self.only_result(id).await;
        assert_eq!(kind, "REJECTED", "{meta:#}");
        meta["reason"].as_str().unwrap().to_owned()
    }

    /// The same of one that was interrupted.
    pub(super) async fn interrupted(&mut self, id: &str) {
        let (kind, meta) = self.only_result(id).await;
        assert_eq!(kind, "INTERRUPTED", "{meta:#}");
    }

    /// Waits for the result of a job, then for that of a later one: `event_type` and `meta` of the only one.
    pub(super) async fn only_result(&mut self, id: &str) -> (String, Value) {
        if self.results(id).is_empty() {
            self.heard("a result", |value| {
                value["id"] == id && value["event_type"] != "DELIVERED"
            })
            .await;
        }
        self.ping().await;
        let results = self.results(id);
        assert_eq!(results.len(), 1, "{results:#?}");
        let kind = results[0]["event_type"].as_str().unwrap().to_owned();
        (kind, results[0]["meta"].clone())
    }

    /// Has a job done by the device that is there now.
    pub(super) async fn ping(&mut self) {
        self.pings += 1;
        let id = format!("ping-{}", self.pings);
        let job = json!({"id": id, "meta": {"type": "ping"}}).to_string();
        self.lab.mqtt.send(job).await.unwrap();
        self.heard("answer to a ping", |value| {
            value["id"] == id.as_str() && value["event_type"] == "PROCESSED"
        })
        .await;
    }

    /// Sends an upgrade to an image.
    pub(super) async fn flash(&mut self, image: &Image) -> String {
        self.flash_with(image, json!({})).await
    }

    /// The same, with these members in the place of those that would be right.
    pub(super) async fn flash_with(&mut self, image: &Image, members: Value) -> String {
        let msg = self.lab.offer_image(image).await.unwrap();
        self.send(merged(msg, members)).await
    }

    pub(super) async fn send(&mut self, msg: Value) -> String {
        let id = self.lab.send_upgrade(&msg).await.unwrap();
        self.sent.insert(id.clone(), msg);
        id
    }

    /// Has the broker bring a job once more; its result.
    pub(super) async fn again(&mut self, id: &str) -> Value {
        let msg = self.sent[id].to_string();
        let job = json!({"id": id, "meta": {"msg": msg, "type": "upgrade"}}).to_string();
        self.said.clear();
        self.lab.mqtt.send(job).await.unwrap();
        let (kind, meta) = self.only_result(id).await;
        assert_eq!(kind, "PROCESSED", "{meta:#}");
        meta
    }

    /// Sends an upgrade to a package.
    pub(super) async fn install(
        &mut self,
        package: &Package,
        undo: Option<&Package>,
        members: Value,
    ) -> String {
        let msg = self.lab.offer_package("ipk", package, undo).await.unwrap();
        self.send(merged(msg, members)).await
    }

    /// The version that runs, and the next one.
    pub(super) fn packages(&self) -> (Package, Package) {
        let first = self.lab.system().unwrap().version().clone();
        let next = first.later(self.lab.place().path()).unwrap();
        (Package::of(first), Package::of(next))
    }

    /// The version of the agent that answers.
    pub(super) async fn version(&mut self) -> String {
        let status = self.status("an agent", |_| true).await;
        status["version"].as_str().unwrap().to_owned()
    }

    /// Asserts that a version is installed and runs.
    pub(super) async fn has(&mut self, package: &Package) {
        assert_eq!(
            self.lab.system().unwrap().installed(),
            Some(package.number())
        );
        assert_eq!(self.version().await, package.version.number);
    }

    /// An image of the next release for this board.
    pub(super) fn image(&self) -> Image {
        Image::for_board(&self.lab.board().unwrap())
    }

    pub(super) fn release(&self) -> String {
        self.lab.release().unwrap()
    }
}

fn read(said: &Said) -> Value {
    serde_json::from_slice(&said.payload).unwrap()
}

fn merged(mut msg: Value, members: Value) -> Value {
    let members: BTreeMap<String, Value> = serde_json::from_value(members).unwrap();
    for (name, value) in members {
        match value {
            Value::Null => drop(msg.as_object_mut().unwrap().remove(&name)),
            value => msg[name] = value,
        }
    }
    msg
}

async fn ask(client: &Client, method: &str) -> Option<Value> {
    let call = client.call_raw("socketman", method, Vec::new(), Duration::from_secs(5));
    let replies = call.await.ok()?;
    let status = blobmsg::Value::from_members(replies.first()?).ok()?;
    serde_json::to_value(status).ok()
}
