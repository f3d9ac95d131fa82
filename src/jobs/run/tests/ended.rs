//! Jobs that are ended before they end by themselves.

use super::*;
use crate::jobs::run::child::Status;

/// Fifty children that left the session and lost their parent, and fifty that cleared their
/// environment as well. Each says its process id.
const HUNDRED: &str = "i=0; while [ $i -lt 50 ]; do i=$((i+1))
    (setsid sh -c 'echo $$; exec sleep 300' &)
    (env -i setsid sh -c 'echo $$; exec /bin/sleep 300' &)
    done; sleep 300";

// Security 7.
#[tokio::test]
async fn a_timeout_kills_a_hundred_orphans_and_none_of_another_job() {
    for homes in places() {
        let other = Running::start(
            &homes,
            "(env -i setsid /bin/sleep 300 & echo $!); sleep 300",
            60,
        );
        let orphan = other.lines(1).await.remove(0);
        // It ends when all are there, however long that takes here.
        let job = Running::start(&homes, HUNDRED, 60);
        let pids = job.lines(100).await;
        assert_eq!(pids.iter().filter(|pid| lives(pid)).count(), 100);
        job.stop.send(Stop::Cancel).unwrap();
        let (finished, leftover) = within("a job ends", job.finished).await.unwrap();
        assert_eq!(pids.iter().filter(|pid| lives(pid)).count(), 0, "{homes:?}");
        // Nothing was left when its second was over.
        assert_eq!(finished.reason.as_deref(), Some("cancelled"));
        assert_eq!(finished.status, Some(Status::Killed(9)));
        assert!(
            leftover.as_ref().is_none_or(Leftover::is_empty),
            "{homes:?}"
        );

        assert!(lives(&orphan), "{homes:?}");
        other.stop.send(Stop::Cancel).unwrap();
        within("a job ends", other.finished).await.unwrap();
        assert!(!lives(&orphan), "{homes:?}");
    }
}

#[tokio::test]
async fn a_job_is_ended_when_its_time_is_over() {
    for homes in places() {
        let command = "(env -i setsid /bin/sleep 300 & echo $!); trap '' TERM; sleep 300";
        let (finished, leftover) = Running::start(&homes, command, 2).end().await;
        assert_eq!(finished.reason.as_deref(), Some("timed out after 2 s"));
        assert!(!lives(finished.stdout.trim()), "{finished:?}");
        assert!(leftover.as_ref().is_none_or(Leftover::is_empty));
    }
}

// A process that forks and ends all the time has another number whenever somebody looks.
#[tokio::test]
async fn a_process_that_hops_from_number_to_number_is_killed() {
    for homes in places() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("hops");
        let command = format!(
            "hop() {{ (echo x >> {0}; sleep 0.01; hop) & }}; hop
            while [ ! -s {0} ]; do sleep 0.01; done; echo there; sleep 300",
            file.display()
        );
        let job = Running::start(&homes, &command, 60);
        job.lines(1).await;
        job.stop.send(Stop::Cancel).unwrap();
        let (finished, _) = within("a job ends", job.finished).await.unwrap();
        assert_eq!(finished.reason.as_deref(), Some("cancelled"));
        let before = fs::read(&file).unwrap().len();
        sleep(Duration::from_millis(300)).await;
        assert_eq!(fs::read(&file).unwrap().len(), before, "{homes:?}");
    }
}

#[tokio::test]
async fn a_job_that_kills_its_supervisor_ends_with_it() {
    let command = "sleep 300 & echo $$ $!; kill -9 $PPID; sleep 300";
    let (finished, _) = Running::start(&Homes::none(), command, 60).end().await;
    let reason = finished.reason.unwrap();
    assert!(reason.contains("its supervisor was killed"), "{reason}");
    assert_eq!(finished.status, None);
    for pid in finished.stdout.split_whitespace() {
        assert!(!lives(pid), "{pid}");
    }
}

#[tokio::test]
async fn a_job_that_ends_every_process_it_may_signal_is_still_reported() {
    // Its supervisor hears no signal but SIGKILL.
    let command = "kill -TERM $PPID; kill -HUP $PPID; kill -USR1 $PPID; echo lives; exit 4";
    let finished = ran(&Homes::none(), command).await;
    assert_eq!(
        (&*finished.stdout, finished.status),
        ("lives\n", Some(Status::Exited(4)))
    );
}

#[tokio::test]
async fn the_signal_that_ends_a_shell_is_told() {
    for homes in places() {
        let finished = ran(&homes, "kill -11 $$").await;
        assert_eq!(finished.status, Some(Status::Killed(11)), "{homes:?}");
    }
}

// The script that restarts the agent ignores SIGTERM until the agent is gone, and may talk then.
#[tokio::test]
async fn what_ignores_sigterm_outlives_the_agent_and_may_go_on_talking() {
    for homes in places() {
        let dir = TempDir::new().unwrap();
        let (gate, done) = (fifo(&dir, "gate"), fifo(&dir, "done"));
        let command = format!(
            "sh -c 'trap \"\" TERM; echo there; read x < {}; echo more; echo $? > {}'",
            gate.display(),
            done.display()
        );
        let job = Running::start(&homes, &format!("{command}; exit 0"), 60);
        job.lines(1).await;
        job.stop
            .send(Stop::Shutdown(Duration::from_millis(100)))
            .unwrap();
        let (finished, leftover) = within("a job ends", job.finished).await.unwrap();
        assert_eq!(finished.end, End::Interrupted);
        let leftover = leftover.expect("its pipes are open");
        // As the agent's end does.
        drop(leftover);
        tell(&gate, "go\n").await;
        assert_eq!(hear(&done).await, "0\n", "{homes:?}");
    }
}

#[tokio::test]
async fn every_process_of_a_job_is_asked_to_end_with_the_agent() {
    for homes in places() {
        let dir = TempDir::new().unwrap();
        let done = fifo(&dir, "done");
        let orphan = format!(
            "trap \"echo asked > {}; exit\" TERM; echo there; while :; do sleep 0.05; done",
            done.display()
        );
        let command = format!("(env -i setsid sh -c '{orphan}' &); sleep 300");
        let job = Running::start(&homes, &command, 60);
        job.lines(1).await;
        job.stop
            .send(Stop::Shutdown(Duration::from_secs(5)))
            .unwrap();
        assert_eq!(hear(&done).await, "asked\n", "{homes:?}");
        let (finished, _) = job.finished.await.unwrap();
        assert_eq!(finished.status, Some(Status::Killed(15)));
        assert_eq!(finished.reason.as_deref(), Some("the agent stopped"));
    }
}
