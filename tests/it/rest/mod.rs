//! Option `rest`: results of jobs and presence over HTTP.

mod site;

use std::time::Duration;

use serde_json::{json, Value};
use socketman::config::ApiAuth;
use socketman::health::Verdict;
use socketman::http::Dates;
use socketman::jobs::{self, Decision};
use socketman::lookup::Resolver;
use socketman::process::clock::Pace;
use socketman::rest;
use socketman_lab::agent_binary;
use socketman_lab::collector::{Mode, Record, Request};
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::within::{within, DEADLINE};
use tokio::sync::{oneshot, watch};

use site::{asked, Site};

const MAC: &str = "aa:bb:cc:00:11:22";

#[tokio::test]
async fn a_result_is_patched_with_the_true_outcome_and_the_delivery_goes_to_the_broker() {
    let mut site = Site::new(|_| {}).await;
    site.job("op_1", "echo out; echo err >&2").await;
    let result = site.accepted("/api/v1/operations/op_1").await;
    assert_eq!(
        result,
        json!({"success": true, "output": "out\n", "msg": "out\n"})
    );
    site.job("op_2", "echo err >&2; exit 3").await;
    let result = site.accepted("/api/v1/operations/op_2").await;
    assert_eq!(
        result,
        json!({"success": false, "output": "err\n", "msg": "err\n"})
    );

    let request = &site.api.record().requests[0];
    assert_eq!(request.method, "PATCH");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let query = "access_token=hush&mac=aa%3Abb%3Acc%3A00%3A11%3A22";
    assert_eq!(request.query.as_deref(), Some(query));
    for id in ["op_1", "op_2"] {
        let reply = within("delivery", site.broker.next()).await.unwrap();
        assert_eq!((reply.channel, &*reply.id), (jobs::Channel::Delivery, id));
        reply.acknowledged();
    }
    let facts = site.facts(|facts| facts.last_ok.is_some()).await;
    assert_eq!(facts.host, Some(site.api.addr().to_string()));
    site.stop().await;
}

#[tokio::test]
async fn an_id_is_percent_encoded_and_the_result_of_one_that_fits_no_url_goes_to_the_broker() {
    let mut site = Site::new(|config| config.api.auth = ApiAuth::Bearer).await;
    for id in ["..", ".", "a/b?ü", "../x", "c d%2f#"] {
        site.job(id, "echo hello").await;
    }
    for path in ["a%2Fb%3F%C3%BC", "..%2Fx", "c%20d%252f%23"] {
        site.accepted(&format!("/api/v1/operations/{path}")).await;
    }
    assert_eq!(site.taken().len(), 3);
    let mut results = Vec::new();
    // Five receipts and two results.
    for _ in 0..7 {
        let reply = within("reply", site.broker.next()).await.unwrap();
        if reply.channel == jobs::Channel::Result {
            let result: Value = serde_json::from_slice(&reply.payload).unwrap();
            assert_eq!(result["meta"]["msg"], "hello\n");
            results.push(reply.id.to_string());
        }
        reply.acknowledged();
    }
    results.sort();
    assert_eq!(results, [".", ".."]);
    let request = &site.api.record().requests[0];
    assert_eq!(request.header("authorization"), Some("Bearer hush"));
    assert_eq!(
        request.query.as_deref(),
        Some("mac=aa%3Abb%3Acc%3A00%3A11%3A22")
    );
    site.stop().await;
}

#[tokio::test]
async fn a_job_that_is_refused_is_answered_with_the_reason() {
    let site = Site::new(|_| {}).await;
    let job = json!({"id": "1", "device": "00:00:00:00:00:01", "meta": {"msg": "true"}});
    assert!(matches!(site.submit(job).await, Decision::Rejected { .. }));
    let result = site.accepted("/api/v1/operations/1").await;
    assert_eq!(result["success"], false);
    assert_eq!(result["output"], "job is for another device");
    site.stop().await;
}

#[tokio::test]
async fn a_refusal_of_an_id_that_fits_no_url_goes_to_the_broker() {
    let mut site = Site::new(|_| {}).await;
    let job = json!({"id": "..", "device": "00:00:00:00:00:01", "meta": {"msg": "true"}});
    assert!(matches!(site.submit(job).await, Decision::Rejected { .. }));
    let reply = within("reply", site.broker.next()).await.unwrap();
    let refusal: Value = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(refusal["event_type"], "REJECTED");
    assert_eq!(refusal["meta"]["reason"], "job is for another device");
    reply.acknowledged();
    assert_eq!(site.api.record().requests_total, 0);
    site.stop().await;
}

/// With `fault` nothing is taken and nothing lost; without it all arrives, in order and once.
async fn results_wait(fault: Mode, why: &str) {
    let site = Site::new(|config| config.jobs.workers = 1).await;
    site.api.set(fault).await.unwrap();
    for id in ["1", "2", "3"] {
        site.job(id, &format!("echo {id}")).await;
    }
    let facts = site.facts(|facts| facts.last_error.is_some()).await;
    let error = facts.last_error.unwrap();
    assert!(error.contains(why) && !error.contains("hush"), "{error}");
    site.facts(|facts| facts.next_attempt.is_some()).await;
    let mut jobs = site.jobs.facts();
    within("jobs run", jobs.wait_for(|facts| facts.done == 3))
        .await
        .unwrap();
    // Tried again, and kept again.
    for _ in 0..3 {
        site.facts(|facts| facts.next_attempt.is_none()).await;
        site.facts(|facts| facts.next_attempt.is_some()).await;
    }
    assert_eq!(site.taken(), [""; 0]);

    site.api.set(Mode::Up).await.unwrap();
    site.accepted("/api/v1/operations/3").await;
    let paths = ["1", "2", "3"].map(|id| format!("/api/v1/operations/{id}"));
    assert_eq!(site.taken(), paths, "{fault:?}");
    site.facts(|facts| facts.last_error.is_none()).await;
    site.stop().await;
}

#[tokio::test]
async fn results_wait_for_an_api_that_is_down() {
    results_wait(Mode::Down, "connection refused").await;
}

#[tokio::test]
async fn results_are_kept_and_sent_again_when_the_api_answers_401() {
    results_wait(Mode::Status(401, None), "answered 401").await;
}

#[tokio::test]
async fn results_are_kept_and_sent_again_whatever_is_wrong_with_the_api() {
    results_wait(Mode::Status(403, None), "answered 403").await;
    results_wait(Mode::Status(503, Some(1)), "asked again in 1 s").await;
    results_wait(Mode::Status(500, None), "answered 500").await;
    results_wait(Mode::Status(302, None), "a redirect").await;
}

#[tokio::test]
async fn a_result_that_a_captive_portal_may_have_taken_is_sent_again() {
    let site = Site::new(|_| {}).await;
    site.is_found(1, Verdict::CaptivePortal);
    site.job("1", "echo 1").await;
    let facts = site.facts(|facts| facts.next_attempt.is_some()).await;
    let error = facts.last_error.unwrap();
    assert!(
        error.ends_with("or a captive portal in its place"),
        "{error}"
    );
    assert_eq!(facts.last_ok, None);
    site.is_found(9, Verdict::Ok);
    site.facts(|facts| facts.last_ok.is_some()).await;
    let paths = site.taken();
    assert!(paths.len() > 1, "{paths:?}");
    assert!(paths.iter().all(|path| path == "/api/v1/operations/1"));
    site.stop().await;
}

#[tokio::test]
async fn a_result_is_accepted_by_the_head_of_the_answer_however_its_body_ends() {
    for mode in [Mode::Drip, Mode::Huge] {
        let site = Site::new(|_| {}).await;
        site.api.set(mode).await.unwrap();
        site.job("1", "echo 1").await;
        let facts = site.facts(|facts| facts.last_ok.is_some()).await;
        assert_eq!(facts.last_error, None, "{mode:?}");
        site.stop().await;
    }
}

#[tokio::test]
async fn a_result_the_api_refuses_lets_the_others_pass_and_is_sent_again() {
    // At this pace 5 min are 15 s.
    let site = Site::new(|config| config.pace = Pace::faster(20)).await;
    site.api.set(Mode::Status(404, None)).await.unwrap();
    site.job("unknown", "echo 1").await;
    let error = site
        .facts(|facts| facts.last_error.is_some())
        .await
        .last_error;
    assert!(error
        .unwrap()
        .ends_with("answered 404 to the result of a job"));
    site.api.set(Mode::Up).await.unwrap();
    site.job("known", "echo 2").await;
    site.accepted("/api/v1/operations/known").await;
    site.accepted("/api/v1/operations/unknown").await;
    let paths = ["known", "unknown"].map(|id| format!("/api/v1/operations/{id}"));
    assert_eq!(site.taken(), paths);
    site.stop().await;
}

#[tokio::test]
async fn presence_is_posted_at_the_ping_interval_with_the_health_code_once_known() {
    let site = Site::new(|config| {
        config.ping.off = false;
        config.ping.interval = Duration::from_secs(30);
    })
    .await;
    let is_ping = |request: &Request| request.path == "/api/v1/ping";
    let first = site.request(is_ping).await;
    assert_eq!(first.method, "POST");
    assert!(first.query.unwrap().starts_with("access_token=hush&mac="));
    let ping = first.json.unwrap();
    assert_eq!(
        (&ping["app"], &ping["event_type"], &ping["mac"]),
        (&json!("socketman"), &json!("PING"), &json!(MAC))
    );
    assert!(
        ping["timestamp"].is_u64() && ping.get("status").is_none(),
        "{ping}"
    );
    site.is_found(9, Verdict::Ok);
    let code = |request: &Request| {
        request
            .json
            .as_ref()
            .and_then(|ping| ping["status"].as_u64())
    };
    site.request(|request| code(request) == Some(9)).await;
    site.stop().await;
}

#[tokio::test]
async fn without_a_usable_api_url_results_wait_and_the_facts_say_why() {
    for (url, why) in [
        ("", "api_url is not set"),
        ("ftp://h/", "'api_url' is not an http or https URL"),
    ] {
        let site = Site::new(|config| config.rest.url = url.into()).await;
        site.job("1", "true").await;
        let facts = site.facts(|facts| facts.last_error.is_some()).await;
        assert_eq!(facts.last_error.as_deref(), Some(why));
        site.stop().await;
    }
}

#[tokio::test]
async fn without_rest_the_api_gets_nothing_and_the_broker_the_results() {
    let mut site = Site::new(|config| config.rest.enabled = false).await;
    site.job("1", "echo x").await;
    for channel in [jobs::Channel::Delivery, jobs::Channel::Result] {
        let reply = within("reply", site.broker.next()).await.unwrap();
        assert_eq!(reply.channel, channel);
        reply.acknowledged();
    }
    assert_eq!(site.api.record().requests_total, 0);
    assert_eq!(*site.facts.borrow(), None);
    site.stop().await;
}

#[tokio::test]
async fn a_result_that_waits_for_the_broker_goes_to_the_api_when_rest_is_set() {
    let mut site = Site::new(|config| config.rest.enabled = false).await;
    site.job("1", "echo x").await;
    within("delivery", site.broker.next())
        .await
        .unwrap()
        .acknowledged();
    // In the publisher's hands, and given back.
    let result = within("result", site.broker.next()).await.unwrap();
    let config = site
        .config
        .clone()
        .with(|config| config.rest.enabled = true);
    site.options.send((&config).into()).unwrap();
    drop(result);
    // The agent restarts the part, for one of its options has changed.
    site.stop_rest.send(()).unwrap();
    let replies = within("rest ends", site.rest).await.unwrap();
    let (facts, _known) = watch::channel(None);
    let part = rest::Part {
        settings: (&config).into(),
        mac: MAC.parse().unwrap(),
        resolver: Resolver::system("lookup"),
        replies,
        dates: Dates::default(),
        commands: Default::default(),
        facts,
        health: site.health.subscribe(),
    };
    let (stop, stopped) = oneshot::channel();
    let rest = tokio::spawn(rest::run(part, asked(stopped)));
    let took = |record: &Record| record.requests_total == 1;
    site.api.wait_for(DEADLINE, took).await.unwrap();
    assert_eq!(site.api.record().requests[0].path, "/api/v1/operations/1");
    stop.send(()).unwrap();
    within("rest ends", rest).await.unwrap();
}

#[tokio::test]
async fn the_agent_takes_a_job_from_the_broker_and_reports_it_to_the_api_alone() {
    let options = Options::default();
    let binary = agent_binary::find().await.unwrap();
    let mut lab = Lab::start(&options, binary, 30).await.unwrap();
    let mut settings: Value =
        serde_json::from_slice(&std::fs::read(lab.program().config_file()).unwrap()).unwrap();
    settings["rest"] = json!(1);
    settings["api_url"] = json!(lab.api.url("/api"));
    lab.program().configure(&settings).unwrap();
    lab.start_agent().unwrap();
    within("registration", lab.registered()).await.unwrap();
    let online = |status: &Value| status["mqtt"]["connected"] == true;
    within("broker", lab.status_when(online)).await;
    let id = lab.send_job("echo over http").await.unwrap();
    let path = format!("/api/operations/{id}");
    let result = |request: &Request| request.path == path;
    let request = lab.api.request(DEADLINE, result).await.unwrap();
    assert_eq!(request.json.unwrap()["output"], "over http\n");
    let told = |status: &Value| status["rest"]["last_ok"].is_u64();
    within("status", lab.status_when(told)).await;
    let is_ping = |request: &Request| request.path == "/api/ping";
    lab.api.request(DEADLINE, is_ping).await.unwrap();
    lab.end().await.unwrap();
}
