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
    ] {
        let error = rig.handle.run(request).await.unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
}
