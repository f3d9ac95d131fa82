//! The task itself: what is on disk and what netifd is asked, in which order.

use std::path::Path;
use std::sync::Mutex;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use ubus::Status;

use super::*;
use crate::actions::{ActionError, Done};
use crate::health::radio::{Facts, Verdict};
use crate::process::ask::{asks, Asks};
use crate::process::shutdown::{shutdown, Trigger};

/// Longer than anything waited for, in simulated time.
const LONG: Duration = Duration::from_secs(3600);

/// netifd, as far as it is asked; it takes nothing up while it is deaf.
#[derive(Default)]
struct Netifd {
    asked: Mutex<Option<mpsc::UnboundedSender<String>>>,
    deaf: Mutex<bool>,
}

impl Actions for Netifd {
    fn perform<'a>(&'a self, action: &'a Action) -> Done<'a> {
        Box::pin(async move {
            let asked = self.asked.lock().unwrap();
            if let Some(asked) = &*asked {
                let _ = asked.send(action.to_string());
            }
            match *self.deaf.lock().unwrap() && matches!(action, Action::RadioUp(_)) {
                true => Err(ActionError::Bus {
                    path: "network.wireless".into(),
                    method: "up",
                    error: ubus::Error::Status(Status::TIMEOUT),
                }),
                false => Ok(()),
            }
        })
    }
}

/// The task among parts that only exist as their facts.
struct Ward {
    netifd: Arc<Netifd>,
    asked: mpsc::UnboundedReceiver<String>,
    radios: Arc<watch::Sender<Facts>>,
    armed: watch::Sender<bool>,
    restarts: watch::Receiver<Vec<Restarted>>,
    task: JoinHandle<()>,
    end: Trigger,
}

fn facts(faulty: Option<Instant>, looks: u32) -> Facts {
    let radio = RadioFacts {
        name: "radio0".into(),
        up: Some(true),
        verdict: match faulty {
            Some(_) => Verdict::NotBeaconing,
            None => Verdict::Ok,
        },
        since: 0,
        restarts: 0,
        faulty,
        why: "hostapd does not let it beacon",
        vifs: Vec::new(),
    };
    Facts::of_test(vec![radio], looks)
}

/// Answers each ask with the facts there are.
async fn keep_looking(asks: Asks, facts: Arc<watch::Sender<Facts>>) {
    loop {
        asks.asked().await;
        facts.send_modify(Facts::count_look);
    }
}

fn start(state_dir: &Path, faulty: Option<Instant>) -> Ward {
    let (asked_sender, asked) = mpsc::unbounded_channel();
    let netifd = Arc::new(Netifd::default());
    *netifd.asked.lock().unwrap() = Some(asked_sender);
    let (radios, radios_known) = watch::channel(facts(faulty, 0));
    let radios = Arc::new(radios);
    let (handle, looks) = asks(radios_known);
    tokio::spawn(keep_looking(looks, Arc::clone(&radios)));
    let (armed, armed_known) = watch::channel(false);
    let (restarts, restarts_known) = watch::channel(Vec::new());
    let part = Part {
        settings: watch::channel(config::Recovery::default()).1,
        pace: Pace::REAL,
        state_dir: state_dir.to_owned(),
        root: "/nonexistent".into(),
        boot_id: "a boot".into(),
        clock: Clock::right(),
        radios: handle,
        health: watch::channel(health::Facts::default()).1,
        armed: armed_known,
        actions: Arc::clone(&netifd) as Arc<dyn Actions>,
        events: DeviceEvents::default(),
        restarts,
    };
    let (end, ends) = shutdown();
    Ward {
        netifd,
        asked,
        radios,
        armed,
        restarts: restarts_known,
        task: tokio::spawn(run(part, ends)),
        end,
    }
}

impl Ward {
    async fn asked(&mut self) -> String {
        timeout(LONG, self.asked.recv()).await.unwrap().unwrap()
    }
}

fn kept(state_dir: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(state_dir.join(NAME)).unwrap()).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_has_been_dead_for_two_minutes_is_taken_down_and_brought_up_once() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("state");
    let began = Instant::now();
    let mut ward = start(&dir, Some(began));
    assert_eq!(ward.asked().await, "radio radio0 down");
    let held = began.elapsed();
    assert!(
        held >= Duration::from_secs(120) && held < Duration::from_secs(125),
        "{held:?}"
    );
    assert!(
        kept(&dir).contains(r#""intent":"radio0""#),
        "{}",
        kept(&dir)
    );
    assert_eq!(ward.asked().await, "radio radio0 up");
    let told = ward
        .restarts
        .wait_for(|told| told.iter().any(|of| of.at.is_some()));
    let told = timeout(LONG, told).await.unwrap().unwrap().clone();
    assert_eq!((told[0].radio.as_str(), told[0].count), ("radio0", 1));
    // The same fault, as it was: the next one has to wait for its cooldown.
    assert_eq!(ward.asked().await, "radio radio0 down");
    let since = began.elapsed();
    assert!(
        since >= Duration::from_secs(420) && since < Duration::from_secs(430),
        "{since:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn up_is_repeated_until_netifd_takes_it() {
    let tmp = tempfile::tempdir().unwrap();
    let mut ward = start(&tmp.path().join("state"), Some(Instant::now()));
    *ward.netifd.deaf.lock().unwrap() = true;
    assert_eq!(ward.asked().await, "radio radio0 down");
    for _ in 0..9 {
        assert_eq!(ward.asked().await, "radio radio0 up");
    }
    *ward.netifd.deaf.lock().unwrap() = false;
    ward.radios.send_replace(facts(None, 100));
    assert_eq!(ward.asked().await, "radio radio0 up");
    let more = timeout(LONG, ward.asked.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_finds_a_radio_taken_down_brings_it_up_first() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("state");
    let mut ward = start(&dir, Some(Instant::now()));
    *ward.netifd.deaf.lock().unwrap() = true;
    assert_eq!(ward.asked().await, "radio radio0 down");
    assert_eq!(ward.asked().await, "radio radio0 up");
    // kill -9
    ward.task.abort();
    let mut next = start(&dir, None);
    assert_eq!(next.asked().await, "radio radio0 up");
    let settled = async {
        while kept(&dir).contains(r#""intent":"radio0""#) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, settled)
        .await
        .expect("the intent is taken back");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_finished_before_the_agent_ends() {
    let tmp = tempfile::tempdir().unwrap();
    let mut ward = start(&tmp.path().join("state"), Some(Instant::now()));
    *ward.netifd.deaf.lock().unwrap() = true;
    assert_eq!(ward.asked().await, "radio radio0 down");
    assert_eq!(ward.asked().await, "radio radio0 up");
    *ward.netifd.deaf.lock().unwrap() = false;
    ward.end.fire();
    assert_eq!(ward.asked().await, "radio radio0 up");
    timeout(GRACE, ward.task).await.expect("it ends").unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_armed_guard_holds_restarts_back() {
    let tmp = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut ward = start(&tmp.path().join("state"), Some(began));
    ward.armed.send_replace(true);
    let early = timeout(LONG, ward.asked.recv()).await;
    assert!(early.is_err(), "{early:?}");
    ward.armed.send_replace(false);
    assert_eq!(ward.asked().await, "radio radio0 down");
    assert_eq!(ward.asked().await, "radio radio0 up");
}

#[tokio::test(start_paused = true)]
async fn without_a_place_for_the_note_nothing_is_taken_down() {
    let tmp = tempfile::tempdir().unwrap();
    // A file, where the directory should be.
    let dir = tmp.path().join("state");
    std::fs::write(&dir, "").unwrap();
    let mut ward = start(&dir, Some(Instant::now()));
    let asked = timeout(LONG, ward.asked.recv()).await;
    assert!(asked.is_err(), "{asked:?}");
}
