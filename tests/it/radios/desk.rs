//! The real agent on the lab's router: a radio fails, falls silent, listens for radar.

use std::time::Duration;

use serde_json::Value;
use socketman_lab::agent_binary;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::router::{RadioFacts, RadioFault, RADIOS};
use socketman_lab::within::within;

/// Two minutes of a fault pass in 4 s, five minutes of cooldown in 10 s.
const SCALE: u32 = 30;

/// The radio that falls ill.
const SICK: usize = 1;

struct Desk {
    lab: Lab,
}

fn of(list: &Value, radio: usize) -> &Value {
    let radios = list["radios"].as_array().map(Vec::as_slice);
    let mut radios = radios.unwrap_or_default().iter();
    let found = radios.find(|of| of["name"] == RADIOS[radio]);
    found.unwrap_or(&Value::Null)
}

impl Desk {
    async fn new() -> Self {
        let binary = agent_binary::find().await.unwrap();
        let mut lab = Lab::start(&Options::default(), binary, SCALE)
            .await
            .unwrap();
        lab.start_agent().unwrap();
        within("registration", lab.registered()).await.unwrap();
        let desk = Desk { lab };
        desk.verdict(SICK, "ok").await;
        desk
    }

    async fn make(&self, fault: Option<RadioFault>) {
        self.lab.router.set_radio(SICK, fault).await.unwrap();
    }

    /// Waits for a verdict in `status`, and returns what that says of the radio.
    async fn verdict(&self, radio: usize, verdict: &str) -> Value {
        let wanted = |status: &Value| of(status, radio)["verdict"] == verdict;
        let told = within(verdict, self.lab.status_when(wanted)).await;
        of(&told, radio).clone()
    }

    /// Waits for a report in which `wanted` holds.
    async fn report_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                // A report each `monitor`.
                if let Ok(report) = self.lab.call("stats", &()).await {
                    if wanted(&report) {
                        return report;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        within(what, found).await
    }

    /// Waits until the router knows this of the radio.
    async fn known(&self, what: &str, wanted: impl Fn(&RadioFacts) -> bool) {
        let mut facts = self.lab.router.watch();
        let found = facts.wait_for(|facts| wanted(&facts.radios[SICK]));
        drop(within(what, found).await.unwrap());
    }

    fn downs(&self) -> [u32; 2] {
        let facts = self.lab.router.facts();
        [facts.radios[0].downs, facts.radios[1].downs]
    }

    /// The lines of the API's record in which an event of the radio stands.
    fn events(&self, kind: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.lab.place().reports()).unwrap_or_default();
        let reports = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let events = reports.flat_map(|report: Value| match &report["events"] {
            Value::Array(events) => events.clone(),
            _ => Vec::new(),
        });
        let of_it = |event: &Value| event["type"] == kind && event["radio"] == RADIOS[SICK];
        events.filter(of_it).collect()
    }

    /// Waits until the API has an event of the radio.
    async fn event(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                if let Some(event) = self.events(kind).into_iter().find(|event| wanted(event)) {
                    return event;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        within(kind, found).await
    }
}

/// A fault is reported, ends by a restart, and is over.
async fn restarts_once(fault: RadioFault, verdict: &str) {
    let desk = Desk::new().await;
    desk.make(Some(fault)).await;
    let told = desk.verdict(SICK, verdict).await;
    assert_eq!(told["restarts"], 0);
    let reported = |report: &Value| of(report, SICK)["verdict"] == verdict;
    desk.report_when("the fault in a report", reported).await;
    desk.known("the restart", |radio| radio.ups == 1 && radio.beacons)
        .await;
    let well = desk.verdict(SICK, "ok").await;
    assert_eq!((&well["restarts"], &well["up"]), (&1.into(), &true.into()));
    let event = desk
        .event("radio", |event| event["verdict"] == verdict)
        .await;
    assert!(event["why"].is_string(), "{event}");
    let restart = desk
        .event("recovery", |event| event["step"] == "radio")
        .await;
    assert!(restart["why"].is_string(), "{restart}");
    desk.event("radio", |event| event["verdict"] == "ok").await;
    assert_eq!(desk.downs(), [0, 1]);
    within("the end", desk.lab.end()).await.unwrap();
}

#[tokio::test]
async fn a_radio_that_netifd_gave_up_is_told_and_restarted_once() {
    restarts_once(RadioFault::Fail, "setup_failed").await;
}

#[tokio::test]
async fn a_radio_that_does_not_beacon_is_told_and_restarted_once() {
    restarts_once(RadioFault::Silent, "not_beaconing").await;
}

#[tokio::test]
async fn a_radio_that_listens_for_radar_is_left_alone() {
    let desk = Desk::new().await;
    desk.make(Some(RadioFault::Cac)).await;
    let told = desk.verdict(SICK, "waiting").await;
    assert_eq!(told["up"], true);
    // Twice the time after which a fault would end in a restart.
    let listened = |report: &Value| {
        let dfs = &of(report, SICK)["dfs"];
        dfs["cac_active"] == true && dfs["cac_seconds_left"].as_u64() < Some(50)
    };
    let report = desk.report_when("ten seconds of listening", listened).await;
    assert_eq!(of(&report, SICK)["verdict"], "waiting");
    assert_eq!(of(&report, 0)["verdict"], "ok");
    let is_used = |report: &Value| {
        let radio = of(report, 0);
        let airtime = &radio["airtime"];
        radio["verdict"] == "ok"
            && airtime["busy"].as_u64() <= airtime["time"].as_u64()
            && airtime["utilization"].is_u64()
    };
    desk.report_when("the use of a channel", is_used).await;
    desk.make(None).await;
    desk.verdict(SICK, "ok").await;
    assert_eq!(desk.downs(), [0, 0]);
    let event = desk
        .event("radio", |event| event["verdict"] == "waiting")
        .await;
    assert!(event["why"].as_str().unwrap().contains("radar"), "{event}");
    within("the end", desk.lab.end()).await.unwrap();
}
