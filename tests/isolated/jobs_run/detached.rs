//! Jobs that outlive the agent.

use std::fs;
use std::time::Duration;

use rustix::process::{kill_process, Pid, Signal};
use serde_json::json;
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{line_of, lives, script, Site, WITHOUT};
use crate::service::{binary, lab};

#[tokio::test]
async fn a_detached_job_that_replaces_the_program_and_restarts_the_agent_is_reported_once() {
    for cgroups in [true, false] {
        let dir = TempDir::new().unwrap();
        let (program, start) = (dir.path().join("program"), dir.path().join("start"));
        fs::copy(binary().await, &program).unwrap();
        let mode = match cgroups {
            true => String::new(),
            false => format!("{WITHOUT}=1 "),
        };
        script(&start, &format!("{mode}exec {} \"$@\"", program.display()));
        let mut site = Site::of(lab(start).await, dir).await;
        let mut ear = site.lab.mqtt.listen();
        let old = site.lab.agent().unwrap().pid();
        let command = format!(
            "echo before; cp {0} {0}.new; mv {0}.new {0}; kill -TERM {old}
            while kill -0 {old}; do sleep 0.05; done 2> /dev/null
            setsid {1} {2} > /dev/null 2>&1 < /dev/null & echo $! > {3}; echo after; exit 6",
            program.display(),
            site.lab.program().binary.display(),
            site.lab.program().args().join(" "),
            site.file("new").display()
        );
        site.send("upgrade", &command, true).await;
        within("the old agent ends", site.lab.agent_ended())
            .await
            .unwrap();
        let new = line_of(&site.file("new")).await;
        let result = site.result(&mut ear, "upgrade").await;
        assert_eq!(
            (&*result.event_type, result.meta.exit_code),
            ("PROCESSED", Some(6))
        );
        assert_eq!(result.meta.msg, "before\nafter\n");
        // Nothing is left of it, and it is not told again.
        site.send("last", "true", false).await;
        loop {
            let words = within("a result", ear.wait_for(|_| true)).await.unwrap();
            assert_ne!((&*words.id, &*words.event_type), ("upgrade", "PROCESSED"));
            if (&*words.id, &*words.event_type) == ("last", "PROCESSED") {
                break;
            }
        }
        site.end_stranger(&new).await;
    }
}

#[tokio::test]
async fn a_detached_job_outlives_an_agent_that_is_killed_and_is_cancelled_by_the_next() {
    for cgroups in [true, false] {
        let mut site = Site::new(cgroups).await;
        let mut ear = site.lab.mqtt.listen();
        let (one, two) = (site.file("one"), site.file("two"));
        let gate = site.file("gate");
        let waits = format!(
            "mkfifo {0}; echo x > {1}; read x < {0}; echo $x",
            gate.display(),
            one.display()
        );
        site.send("waits", &waits, true).await;
        let orphan = format!(
            "(env -i setsid sh -c 'echo $$ > {}; exec /bin/sleep 300' &); sleep 300",
            two.display()
        );
        site.send("endless", &orphan, true).await;
        line_of(&one).await;
        let orphan = line_of(&two).await;
        site.lab.agent().unwrap().kill().await.unwrap();
        assert!(lives(&orphan));

        site.lab.start_agent().unwrap();
        site.connected().await;
        let cancel = json!({"id": "cancel", "meta": {"type": "cancel", "msg": "endless"}});
        site.lab.mqtt.send(cancel.to_string()).await.unwrap();
        let result = site.result(&mut ear, "endless").await;
        assert_eq!(result.meta.reason, "cancelled", "{result:?}");
        assert!(!lives(&orphan), "cgroups {cgroups}");
        fs::write(&gate, "done\n").unwrap();
        let result = site.result(&mut ear, "waits").await;
        assert_eq!(
            (result.meta.success, &*result.meta.msg),
            (Some(true), "done\n")
        );
    }
}

impl Site {
    /// Ends a process that is not our child.
    pub(super) async fn end_stranger(&self, pid: &str) {
        let number = Pid::from_raw(pid.parse().unwrap()).unwrap();
        kill_process(number, Signal::TERM).unwrap();
        let ended = async {
            while lives(pid) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        within("it ends", ended).await;
    }
}
