//! Messages of other parts: that somebody wants a delivery, and that a captive portal is in the way.

use std::time::{Duration, Instant};

use socketman::health::{Facts, Verdict};
use socketman_lab::collector::Mode;

use super::agent::{collector, config, seqs, Agent, DEADLINE};

#[tokio::test]
async fn a_person_who_wants_a_delivery_waits_for_nothing_and_hears_what_the_server_says() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let mut config = config(collector.url("/"));
    // By itself it would deliver today, perhaps.
    config.upload.heartbeat = Duration::from_secs(10_000_000);
    config.spread = Duration::from_secs(10_000_000);
    let agent = Agent::start(tmp.path(), config);
    agent.append(3).await;
    let asked = Instant::now();
    let outcome = agent.deliveries.deliver().await.unwrap();
    assert_eq!((outcome.accepted, &outcome.error), (3, &None));
    assert_eq!(outcome.host, Some(collector.addr().to_string()));
    assert_eq!(seqs(&collector), [1, 2, 3]);

    let outcome = agent.deliveries.deliver().await.unwrap();
    assert_eq!(
        (outcome.accepted, outcome.error),
        (0, None),
        "nothing waits"
    );

    collector.set(Mode::Status(500, None)).await.unwrap();
    agent.append(1).await;
    let outcome = agent.deliveries.deliver().await.unwrap();
    let error = outcome.error.unwrap();
    assert!(error.ends_with("answered 500"), "{error}");
    assert!(asked.elapsed() < DEADLINE);
    agent.stop().await;
}

#[tokio::test]
async fn under_a_captive_portal_no_answer_lets_anything_go() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    for mode in [
        Mode::Up,
        Mode::Status(400, None),
        Mode::Status(413, None),
        Mode::Status(429, Some(3600)),
    ] {
        collector.set(mode).await.unwrap();
        let agent = Agent::start(&tmp.path().join("device"), config(collector.url("/")));
        let believe = |verdict| {
            agent
                .health
                .send_modify(|facts: &mut Facts| facts.verdict = Some(verdict));
        };
        believe(Verdict::CaptivePortal);
        agent.append(2).await;
        let error = agent.failure().await;
        assert!(error.contains("captive portal"), "{mode:?}: {error}");
        agent.reports_left(2).await;

        collector.set(Mode::Up).await.unwrap();
        believe(Verdict::Ok);
        agent.reports_left(0).await;
        agent.stop().await;
        std::fs::remove_dir_all(tmp.path().join("device")).unwrap();
    }
}
