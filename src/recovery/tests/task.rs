//! The part with its watches, actions that are written down, and flash of its own.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable::Directory;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, Instant};
use ubus::Status;

use crate::actions::{Action, ActionError, Actions, Done, Service};
use crate::boot::{self, Cause, Change, Records, SystemLog};
use crate::collect::DeviceEvents;
use crate::config::{self, Config, Recover};
use crate::health::{self, Uplink, Verdict};
use crate::process::clock::Pace;
use crate::process::shutdown::{shutdown, Trigger};
use crate::recovery::ladder::Step;
use crate::recovery::{last_look, run, Facts, Part};

/// A device that writes down what is done to it, and when.
#[derive(Default)]
pub(super) struct Doings {
    start: Option<Instant>,
    done: Mutex<Vec<(u64, Action)>>,
    /// Actions that fail, by what they are.
    fails: Mutex<Vec<Action>>,
}

impl Actions for Doings {
    fn perform<'a>(&'a self, action: &'a Action) -> Done<'a> {
        let at = self.start.unwrap().elapsed().as_secs();
        self.done.lock().unwrap().push((at, action.clone()));
        let fails = self.fails.lock().unwrap().contains(action);
        Box::pin(async move {
            match fails {
                false => Ok(()),
                true => Err(ActionError::Bus {
                    path: "network.interface.wan".to_owned(),
                    method: "test",
                    error: ubus::Error::Status(Status::PERMISSION_DENIED),
                }),
            }
        })
    }
}

/// A boot of a device, with an agent on it.
pub(super) struct Booted {
    settings: watch::Sender<config::Recovery>,
    pub(super) health: watch::Sender<health::Facts>,
    pub(super) guarded: watch::Sender<bool>,
    pub(super) doings: Arc<Doings>,
    pub(super) facts: watch::Receiver<Facts>,
    events: DeviceEvents,
    pub(super) records: Records,
    end: Trigger,
    agent: JoinHandle<()>,
    /// Never connected.
    _bus: ubus::Connection,
}

fn settings(change: impl FnOnce(&mut config::Recovery)) -> config::Recovery {
    let mut settings = Config::default().recovery;
    change(&mut settings);
    settings
}

pub(super) fn health(verdict: Verdict) -> health::Facts {
    let mut facts = health::Facts::default();
    facts.code = Some(match verdict {
        Verdict::Ok => 9,
        _ => 0,
    });
    facts.verdict = Some(verdict);
    facts.uplink = Some(Uplink {
        interface: "wan".to_owned(),
        device: Some("eth0".to_owned()),
        ..Uplink::default()
    });
    facts
}

impl Booted {
    pub(super) async fn start(dir: &Path, boot: &str, failing: &[Action]) -> Self {
        Booted::with_log(dir, boot, failing, None).await
    }

    /// A device that keeps so many bytes of the system log, which is waited for for 2 s.
    pub(super) async fn with_log(
        dir: &Path,
        boot: &str,
        failing: &[Action],
        size: Option<usize>,
    ) -> Self {
        let (settings, settings_known) = watch::channel(settings(|_| {}));
        let (health, health_known) = watch::channel(health::Facts::default());
        let (guarded, guarded_known) = watch::channel(false);
        let (facts, facts_known) = watch::channel(Facts::default());
        let (end, ends) = shutdown();
        let doings = Arc::new(Doings {
            start: Some(Instant::now()),
            fails: Mutex::new(failing.to_vec()),
            ..Doings::default()
        });
        let records = Records::new(&dir.join("state"), dir, boot, Pace::REAL);
        // The boot part reads it in an agent.
        let _ = records.change(Change::Hour).await;
        let (client, bus) = ubus::connect(&dir.join("ubus.sock"));
        let log = SystemLog {
            client,
            size: watch::channel(size).1,
            records: records.clone(),
        };
        let acting: Arc<dyn Actions> = doings.clone();
        let events = DeviceEvents::default();
        let look = last_look(
            settings_known.clone(),
            health_known.clone(),
            guarded_known.clone(),
        );
        let part = Part {
            settings: settings_known,
            pace: Pace::REAL,
            health: health_known,
            guarded: guarded_known,
            hold: crate::process::starts::Hold::none(),
            actions: Arc::clone(&acting),
            reboot: boot::reboot(records.clone(), acting, log, Some(look)),
            records: records.clone(),
            notes: Directory::open(&dir.join("run")),
            events: events.clone(),
            facts,
        };
        Booted {
            settings,
            health,
            guarded,
            doings,
            facts: facts_known,
            events,
            records,
            end,
            agent: tokio::spawn(run(part, ends)),
            _bus: bus,
        }
    }

    pub(super) fn finds(&self, verdict: Verdict) {
        self.health.send_replace(health(verdict));
    }

    /// Lets time pass, and says what was done until now.
    pub(super) async fn after(&self, seconds: u64) -> Vec<(u64, Action)> {
        sleep(Duration::from_secs(seconds)).await;
        // Everything due in this second is done in it; that may take the disk.
        sleep(Duration::from_millis(500)).await;
        self.doings.done.lock().unwrap().clone()
    }

    pub(super) async fn ends(self) {
        self.end.fire();
        self.agent.await.unwrap();
    }
}

fn wan() -> String {
    "wan".to_owned()
}

pub(super) fn is_reboot(doing: &(u64, Action)) -> bool {
    doing.1 == Action::Reboot
}

#[tokio::test(start_paused = true)]
async fn an_outage_takes_its_steps_in_order_and_reboots_once_also_over_boots() {
    let dir = TempDir::new().unwrap();
    let device = Booted::start(dir.path(), "one", &[]).await;
    device.finds(Verdict::NoRoute);
    let done = device.after(610).await;
    let expected = [
        (30, Action::Renew(wan())),
        (60, Action::Down(wan())),
        (60, Action::Up(wan())),
        (120, Action::Restart(Service::Network)),
        (120, Action::Restart(Service::Firewall)),
        (360, Action::Restart(Service::Network)),
        (360, Action::Restart(Service::Firewall)),
        (600, Action::Reboot),
    ];
    assert_eq!(done, expected);
    let facts = device.facts.borrow().clone();
    assert_eq!(facts.step, Some(Step::Reboot));
    assert_eq!((facts.reboots_24h, facts.reboots_left), (1, 2));
    assert_eq!(facts.why.as_deref(), Some("there is no default route"));
    let steps: Vec<Step> = facts.tried.iter().map(|tried| tried.step).collect();
    assert_eq!(steps.len(), 5);
    assert!(facts.tried.iter().all(|tried| tried.error.is_none()));
    let (events, lost) = device.events.take_all();
    let names: Vec<_> = events.iter().filter_map(|event| event.step).collect();
    let expected = [
        "renew",
        "down_up",
        "network_restart",
        "network_restart",
        "reboot",
    ];
    assert_eq!((names.as_slice(), lost), (&expected[..], 0));
    let why = events[0].why.as_deref();
    assert_eq!(why, Some("there is no default route, 30 s"));
    device.ends().await;

    // It comes up, and nothing is better: no second reboot, for days.
    let device = Booted::start(dir.path(), "two", &[]).await;
    device.finds(Verdict::NoRoute);
    let done = device.after(3 * 86_400).await;
    assert!(done.len() > 100 && !done.iter().any(is_reboot), "{done:?}");
    // Online ends the outage, and the next one may reboot again.
    device.finds(Verdict::Ok);
    device.after(1).await;
    assert_eq!(device.facts.borrow().why, None);
    device.finds(Verdict::GatewayDead);
    let done = device.after(600).await;
    assert_eq!(done.iter().filter(|doing| is_reboot(doing)).count(), 1);
    assert_eq!(device.facts.borrow().reboots_24h, 2);
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_counts_as_taken_and_says_why() {
    let dir = TempDir::new().unwrap();
    let failing = [
        Action::Renew(wan()),
        Action::Restart(Service::Network),
        Action::Restart(Service::Firewall),
    ];
    let device = Booted::start(dir.path(), "one", &failing).await;
    device.finds(Verdict::NoAddress);
    let done = device.after(130).await;
    assert_eq!(done.len(), 5, "{done:?}");
    let facts = device.facts.borrow().clone();
    let errors: Vec<bool> = facts.tried.iter().map(|one| one.error.is_some()).collect();
    assert_eq!(errors, [true, false, true], "{facts:?}");
    let next = facts.next.unwrap();
    assert_eq!(next.step, Step::NetworkRestart);
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_cannot_be_recorded_is_not_asked_for() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("state"), "in the way").unwrap();
    let device = Booted::start(dir.path(), "one", &[]).await;
    device.finds(Verdict::NoRoute);
    let done = device.after(86_400).await;
    assert!(!done.iter().any(is_reboot));
    assert_eq!(device.facts.borrow().reboots_left, 0);
    device.ends().await;

    // Flash that goes bad after it was read.
    let dir = TempDir::new().unwrap();
    let device = Booted::start(dir.path(), "one", &[]).await;
    let keep = dir.path().join("state/keep");
    std::fs::remove_dir_all(&keep).unwrap();
    device.finds(Verdict::NoRoute);
    let done = device.after(601).await;
    assert!(!done.iter().any(is_reboot));
    let facts = device.facts.borrow().clone();
    let error = facts.tried.last().unwrap().error.clone().unwrap();
    assert!(error.starts_with("it is not recorded: "), "{error}");
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn three_reboots_are_a_days_and_the_next_waits() {
    let dir = TempDir::new().unwrap();
    for boot in ["one", "two", "three", "four", "five"] {
        let device = Booted::start(dir.path(), boot, &[]).await;
        device.finds(Verdict::Ok);
        device.after(5).await;
        device.finds(Verdict::NoRoute);
        let done = device.after(1000).await;
        let reboots = done.iter().filter(|doing| is_reboot(doing)).count();
        let allowed = usize::from(!matches!(boot, "four" | "five"));
        assert_eq!(reboots, allowed, "{boot}");
        if allowed == 0 {
            let why = device.facts.borrow().why.clone();
            assert_eq!(why.as_deref(), Some("there is no default route"));
        }
        device.ends().await;
    }
}

#[tokio::test(start_paused = true)]
async fn recover_and_reboot_are_followed_while_the_device_is_offline() {
    let dir = TempDir::new().unwrap();
    let device = Booted::start(dir.path(), "one", &[]).await;
    let recover = |recover| settings(|settings| settings.recover = recover);
    device.settings.send_replace(recover(Recover::Nothing));
    device.finds(Verdict::NoRoute);
    assert_eq!(device.after(1000).await, []);
    let why = device.facts.borrow().why.clone();
    let expected = "there is no default route; option recover is none";
    assert_eq!(why.as_deref(), Some(expected));
    device.settings.send_replace(recover(Recover::Interface));
    assert_eq!(device.after(1000).await.len(), 3);
    let why = device.facts.borrow().why.clone();
    let expected = "there is no default route; all steps that option recover allows were taken";
    assert_eq!(why.as_deref(), Some(expected));
    let soon = settings(|settings| settings.reboot = Duration::from_secs(300));
    device.settings.send_replace(soon);
    let done = device.after(120).await;
    assert!(done.iter().any(is_reboot), "{done:?}");
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn an_armed_guard_suspends_the_ladder() {
    let dir = TempDir::new().unwrap();
    let device = Booted::start(dir.path(), "one", &[]).await;
    device.guarded.send_replace(true);
    device.finds(Verdict::NoRoute);
    assert_eq!(device.after(5000).await, []);
    device.guarded.send_replace(false);
    assert_eq!(device.after(30).await.len(), 1);
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn an_interface_that_was_left_down_is_brought_up_by_whoever_comes_next() {
    let dir = TempDir::new().unwrap();
    let up = Action::Up(wan());
    let device = Booted::start(dir.path(), "one", std::slice::from_ref(&up)).await;
    device.finds(Verdict::NoRoute);
    let done = device.after(85).await;
    let ups = |done: &[(u64, Action)]| done.iter().filter(|(_, doing)| *doing == up).count();
    assert!(ups(&done) > 2, "it is tried again: {done:?}");
    device.ends().await;

    let device = Booted::start(dir.path(), "one", &[]).await;
    device.finds(Verdict::Ok);
    assert_eq!(device.after(60).await, [(0, up.clone())]);
    device.ends().await;
    let device = Booted::start(dir.path(), "one", &[]).await;
    assert_eq!(device.after(60).await, [], "it is forgotten then");
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_place_for_the_note_the_interface_stays_up() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("run"), "in the way").unwrap();
    let device = Booted::start(dir.path(), "one", &[]).await;
    device.finds(Verdict::NoRoute);
    let done = device.after(90).await;
    assert_eq!(done, [(30, Action::Renew(wan()))]);
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_procd_refuses_is_asked_for_again_and_counts_once() {
    let dir = TempDir::new().unwrap();
    let device = Booted::start(dir.path(), "one", &[Action::Reboot]).await;
    device.finds(Verdict::NoRoute);
    let done = device.after(1300).await;
    assert_eq!(done.iter().filter(|doing| is_reboot(doing)).count(), 2);
    assert_eq!(device.facts.borrow().reboots_24h, 1);
    // Online: it is no reason of a later boot.
    device.finds(Verdict::Ok);
    device.after(1).await;
    let memory = device.records.change(Change::Hour).await.unwrap();
    assert_eq!(memory.asked, None);
    let told = Change::Told {
        cause: Cause::Power,
        release: None,
        panics: Vec::new(),
    };
    device.records.change(told).await.unwrap();
    device.ends().await;
}
