//! `backup_stats_url`: who takes the reports while `stats_url` does not.

use std::time::Duration;

use socketman::config::Config;
use socketman::http::SHORTEST;
use socketman_lab::collector::{Collector, Mode, Record};
use tempfile::TempDir;

use super::agent::{collector, config, seqs, Agent, DEADLINE};

/// Two collectors, and settings that name them.
struct Site {
    main: Collector,
    backup: Collector,
    config: Config,
    dirs: [TempDir; 3],
}

async fn site() -> Site {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let main = collector(dirs[0].path()).await;
    let backup = collector(dirs[1].path()).await;
    let mut config = config(main.url("/main"));
    config.upload.backup_url = backup.url("/backup").into();
    Site {
        main,
        backup,
        config,
        dirs,
    }
}

impl Site {
    fn agent(&self) -> Agent {
        Agent::start(self.dirs[2].path(), self.config.clone())
    }
}

/// With `fault` at the first server the reports arrive at the second, and the next ones at the first
/// again once it is well.
async fn the_backup_takes_over(fault: Mode) {
    let site = site().await;
    site.main.set(fault).await.unwrap();
    let agent = site.agent();
    agent.append(3).await;
    agent.reports_left(0).await;
    assert_eq!(seqs(&site.backup), [1, 2, 3], "{fault:?}");
    assert_eq!(site.main.reports(), []);
    let request = &site.backup.record().requests[0];
    assert_eq!(request.path, "/backup");
    let query = request.query.as_deref().unwrap();
    assert!(query.starts_with("access_token="), "{query}");
    let facts = agent.facts(|facts| facts.last_ok.is_some()).await;
    assert_eq!(facts.host, Some(site.backup.addr().to_string()));
    assert_eq!(facts.last_error, None);

    site.main.set(Mode::Up).await.unwrap();
    agent.append(2).await;
    agent.reports_left(0).await;
    assert_eq!(seqs(&site.main), [4, 5], "{fault:?}");
    let main = Some(site.main.addr().to_string());
    agent.facts(|facts| facts.host == main).await;
    agent.stop().await;
}

// Row 29.
#[tokio::test]
async fn the_backup_is_tried_when_the_connection_is_refused() {
    the_backup_takes_over(Mode::Down).await;
}

#[tokio::test]
async fn the_backup_is_tried_on_every_answer_that_is_the_servers_own_fault() {
    for status in [301, 307, 404, 500, 502, 504] {
        the_backup_takes_over(Mode::Status(status, None)).await;
    }
    the_backup_takes_over(Mode::Page).await;
    the_backup_takes_over(Mode::Rubbish).await;
}

#[tokio::test]
async fn the_backup_is_tried_when_the_first_server_does_not_answer_in_time() {
    let site = site().await;
    // It stores them and is silent: the same reports come to both, under one identity.
    let never = Mode::Slow(Duration::from_secs(3600));
    site.main.set(never).await.unwrap();
    let agent = site.agent();
    agent.append(2).await;
    let within = SHORTEST + DEADLINE;
    let arrived = |record: &Record| record.reports.len() == 2;
    site.backup.wait_for(within, arrived).await.unwrap();
    agent.reports_left(0).await;
    assert_eq!(site.main.reports(), site.backup.reports());
    agent.stop().await;
}

#[tokio::test]
async fn the_backup_is_not_tried_on_an_answer_about_what_was_sent_or_who_sent_it() {
    for status in [400, 401, 403, 413, 422, 429, 503] {
        let site = site().await;
        site.main.set(Mode::Status(status, None)).await.unwrap();
        let agent = site.agent();
        agent.append(1).await;
        let error = agent.failure().await;
        let host = site.main.addr();
        let says = match status {
            400 | 413 | 422 => format!("{host}: the server refuses the format ({status})"),
            _ => format!("{host} answered {status}"),
        };
        assert!(error.starts_with(&says), "{error}");
        agent.reports_left(1).await;
        assert_eq!(site.backup.record().requests_total, 0, "{status}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_report_that_the_backup_refuses_holds_up_no_other() {
    let site = site().await;
    site.main.set(Mode::Status(500, None)).await.unwrap();
    site.backup.set(Mode::Picky(4)).await.unwrap();
    let agent = site.agent();
    agent.append(9).await;
    agent.reports_left(1).await;
    // While others wait, the newest may go ahead.
    let mut in_turn = seqs(&site.backup);
    in_turn.retain(|seq| *seq != 9);
    assert_eq!(in_turn, [1, 2, 3, 5, 6, 7, 8]);
    // It waits for a server that takes it.
    site.main.set(Mode::Up).await.unwrap();
    let agent = {
        agent.stop().await;
        site.agent()
    };
    let arrived = |record: &Record| !record.reports.is_empty();
    site.main.wait_for(DEADLINE, arrived).await.unwrap();
    assert_eq!(seqs(&site.main), [4]);
    agent.reports_left(0).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_backlog_goes_to_the_backup_without_asking_the_first_server_for_each_batch() {
    let mut site = site().await;
    // Batches are 128 KiB.
    site.config.spool.max = 8 << 20;
    site.main.set(Mode::Status(500, None)).await.unwrap();
    site.backup.set(Mode::Down).await.unwrap();
    let agent = site.agent();
    for _ in 0..800 {
        let kept = agent.spool.append(|stamp| super::agent::line(stamp, 1000));
        kept.await.unwrap().unwrap();
    }
    let error = agent.failure().await;
    let (main, backup) = (site.main.addr(), site.backup.addr());
    let both = format!("{main} answered 500; backup: {backup}: cannot connect");
    assert!(error.starts_with(&both), "{error}");
    site.backup.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    let mut arrived = seqs(&site.backup);
    arrived.sort_unstable();
    assert_eq!(arrived, (1..=800).collect::<Vec<_>>());
    let batches = site.backup.record().requests;
    assert!(batches.len() > 3, "{}", batches.len());
    agent.stop().await;
}

#[tokio::test]
async fn a_backup_that_is_no_url_is_no_backup() {
    let mut site = site().await;
    site.config.upload.backup_url = "ftp://backup.example.net/".into();
    site.main.set(Mode::Status(500, None)).await.unwrap();
    let agent = site.agent();
    agent.append(1).await;
    let host = site.main.addr();
    assert_eq!(agent.failure().await, format!("{host} answered 500"));
    site.main.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    agent.stop().await;
}
