//! Jobs of who is at the device.

use super::*;

#[tokio::test]
async fn a_local_job_is_answered_to_who_asked_and_not_published() {
    let mut rig = Rig::new();
    let mut changes = rig.handle.changes();
    let mut run = rig.local("echo out; echo err >&2; exit 4").await;
    assert!(run.id.starts_with("local-"));
    let outcome = ended(&mut run).await;
    assert_eq!((&*outcome.stdout, &*outcome.stderr), ("out\n", "err\n"));
    assert_eq!((outcome.exit_code, outcome.success), (Some(4), false));
    let mut states = Vec::new();
    while states.len() < 3 {
        let change = changes.recv().await.unwrap();
        assert_eq!(change.id, run.id);
        states.push(change.state);
    }
    assert_eq!(states, [State::Queued, State::Running, State::Failed]);
    let detail = rig.handle.job(&run.id).await.unwrap().unwrap();
    assert_eq!(detail.output, "out\n");
    assert_eq!(detail.summary.source, Source::Ubus);
    assert!(rig.handle.job("nothing").await.unwrap().is_none());
    // The next thing published is about something else.
    rig.job("later", "true").await;
    assert_eq!(rig.reply().await["id"], "later");
    // The same id again yields the same outcome.
    let again = Request {
        id: Some(run.id.clone()),
        msg: "echo other".into(),
        ..Request::default()
    };
    assert_eq!(
        ended(&mut rig.handle.run(again).await.unwrap()).await,
        outcome
    );
}

#[tokio::test]
async fn a_local_job_that_is_none_is_refused_with_its_reason() {
    let rig = Rig::new();
    for (request, reason) in [
        (
            Request {
                id: Some(String::new()),
                ..Request::default()
            },
            "id is empty",
        ),
        (
            Request {
                msg: "a\0b".into(),
                ..Request::default()
            },
            "meta.msg has a NUL character",
        ),
        (Request::default(), "meta.msg is empty"),
        (
            Request {
                msg: "true".into(),
                timeout: Some(Duration::ZERO),
                ..Request::default()
            },
            "meta.timeout is below 1 s",
        ),
    ] {
        let error = rig.handle.run(request).await.unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
}

#[tokio::test]
async fn a_job_shows_the_beginning_of_its_command_and_one_that_waits_is_counted() {
    let one_at_a_time = config().with(|config| config.jobs.workers = 1);
    let rig = Rig::with(one_at_a_time, Duration::from_secs(4));
    let mut first = rig.local("sleep 60").await;
    let long = format!("# {}", "é".repeat(150));
    let second = rig.local(&long).await;
    let mut facts = rig.handle.facts();
    let both = facts.wait_for(|facts| facts.queued == 1 && facts.running == 1);
    timeout(DEADLINE, both).await.unwrap().unwrap();
    let detail = rig.handle.job(&second.id).await.unwrap().unwrap();
    assert_eq!(detail.command, format!("# {}…", "é".repeat(99)));
    let cancel = Request {
        msg: first.id.clone(),
        type_name: "cancel".into(),
        ..Request::default()
    };
    rig.handle.run(cancel).await.unwrap();
    ended(&mut first).await;
    let none = facts.wait_for(|facts| facts.queued == 0 && facts.running == 0);
    timeout(DEADLINE, none).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_sees_a_job_wait_and_run_and_end() {
    let one_at_a_time = config().with(|config| config.jobs.workers = 1);
    let rig = Rig::with(one_at_a_time, Duration::from_secs(4));
    let first = rig.local("exec sleep 60").await;
    assert_eq!(first.stand.borrow().state(), State::Running);
    let mut second = rig.local("exec sleep 60").await;
    assert_eq!(second.stand.borrow().state(), State::Queued);
    let cancel = |id: &str| Request {
        msg: id.into(),
        type_name: "cancel".into(),
        ..Request::default()
    };
    rig.handle.run(cancel(&first.id)).await.unwrap();
    let runs = |stand: &Stand| stand.state() == State::Running;
    timeout(DEADLINE, second.stand.wait_for(runs))
        .await
        .expect("it runs when the first has ended")
        .unwrap();
    rig.handle.run(cancel(&second.id)).await.unwrap();
    ended(&mut second).await;
    assert_eq!(second.stand.borrow().state(), State::Failed);
}
