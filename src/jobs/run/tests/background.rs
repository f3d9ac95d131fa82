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
async fn a_job_begins_in_the_spare_cgroup_or_in_a_new_one_if_somebody_removed_that() {
    let homes = places().remove(0);
    if homes == Homes::none() {
        return;
    }
    for removed in [false, true] {
        let mut spare = Spare::default();
        spare.prepare();
        let path = spare.path().unwrap().to_path_buf();
        if removed {
            fs::remove_dir(&path).unwrap();
        }
        let command = "sed -n 's/^0:://p' /proc/self/cgroup";
        let (finished, leftover) = Running::start_in(&homes, spare.take(), command, 60)
            .end()
            .await;
        assert_eq!(finished.status, Some(Status::Exited(0)), "{finished:?}");
        let name = Path::new(finished.stdout.trim()).file_name().unwrap();
        assert!(name.to_str().unwrap().starts_with("socketman-"), "{name:?}");
        assert_eq!(path.file_name() == Some(name), !removed);
        assert!(leftover.as_ref().is_none_or(Leftover::is_empty));
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn what_is_ready_for_a_job_is_made_once_and_removed_if_no_job_took_it() {
    let mut spare = Spare::default();
    spare.prepare();
    let made = |spare: &Spare| (spare.path().map(Path::to_path_buf), spare.descriptors());
    let first = made(&spare);
    assert!(first.1.is_some(), "streams need no cgroup");
    spare.prepare();
    assert_eq!(made(&spare), first);
    drop(spare.take());
    assert_eq!(made(&spare), (None, None));
    assert!(first.0.is_none_or(|path| !path.exists()));
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
