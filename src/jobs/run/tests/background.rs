//! Background processes of a job whose shell has ended.

use super::*;
use crate::jobs::run::child::Status;

// Row 16.
#[tokio::test]
async fn a_child_in_the_background_is_left_alone_and_may_talk() {
    for homes in places() {
        let dir = TempDir::new().unwrap();
        let (gate, done) = (fifo(&dir, "gate"), fifo(&dir, "done"));
        let command = format!(
            "(read x < {}; head -c 300000 /dev/zero && echo more; echo $? > {}) & echo $!",
            gate.display(),
            done.display()
        );
        let (finished, leftover) = Running::start(&homes, &command, 60).end().await;
        assert_eq!(finished.status, Some(Status::Exited(0)), "{finished:?}");
        assert!(lives(finished.stdout.trim()), "{homes:?}");
        let drained = tokio::spawn(leftover.expect("its pipes are open").drain());
        tell(&gate, "go\n").await;
        assert_eq!(hear(&done).await, "0\n");
        within("its pipes end", drained).await.unwrap();
    }
}

#[tokio::test]
async fn a_cgroup_goes_with_its_last_process() {
    let homes = places().remove(0);
    let ours = || homes.made_by(rustix::process::getpid()).len();
    if homes == Homes::none() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    // It closes its pipes, so that nothing but the cgroup tells of it.
    let command = format!(
        "setsid sh -c 'read x < {}' >/dev/null 2>&1 &",
        gate.display()
    );
    let (_, leftover) = Running::start(&homes, &command, 60).end().await;
    let leftover = leftover.expect("its cgroup is not empty");
    assert!(ours() >= 1);
    let drained = tokio::spawn(leftover.drain());
    tell(&gate, "go\n").await;
    within("the cgroup is empty", drained).await.unwrap();
}

#[tokio::test]
async fn a_job_may_have_cgroups_of_its_own() {
    let homes = places().remove(0);
    if homes == Homes::none() {
        return;
    }
    let point = "$(sed -n 's/.* \\([^ ]*\\) [^ ]* - cgroup2 .*/\\1/p' /proc/self/mountinfo)";
    let command = format!(
        "set -e; c={point}$(sed -n 's/^0:://p' /proc/self/cgroup)
        mkdir $c/below $c/below/deep; (echo 0 > $c/below/deep/cgroup.procs; exec sleep 300) &
        echo $!; wait"
    );
    let job = Running::start(&homes, &command, 60);
    let pid = job.lines(1).await.remove(0);
    job.stop.send(Stop::Cancel).unwrap();
    let (finished, leftover) = within("a job ends", job.finished).await.unwrap();
    assert_eq!(finished.reason.as_deref(), Some("cancelled"));
    assert!(
        !lives(&pid) && leftover.as_ref().is_none_or(Leftover::is_empty),
        "{leftover:?}"
    );
}
