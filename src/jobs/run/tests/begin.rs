//! The environment a job starts in.

use std::fs::{self, File};
use std::os::fd::AsRawFd;

use super::*;
use crate::jobs::run::child::Status;

// Row 16, and security 20.
#[tokio::test]
async fn a_job_begins_with_nothing_of_the_agent() {
    // Sockets are open in the agent, and one descriptor that no exec would close.
    let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for homes in places() {
        let said = ran(&homes, "cat /proc/$$/environ | tr '\\0' '\\n'")
            .await
            .stdout;
        let mut variables: Vec<_> = said.lines().collect();
        variables.sort_unstable();
        let expected = [
            "HOME=/root",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "SOCKETMAN_JOB_ID=op 42",
        ];
        assert_eq!(variables, expected, "{homes:?}");

        let command = "umask; pwd; echo $0; for fd in /proc/$$/fd/*; do readlink $fd; done";
        let said = ran(&homes, command).await.stdout;
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines[..3], ["0077", "/", "sh"], "{homes:?}");
        assert_eq!((lines[3], lines.len()), ("/dev/null", 6), "{said}");
        assert!(
            lines[4..].iter().all(|fd| fd.starts_with("pipe:")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_job_begins_with_every_signal_as_after_a_boot() {
    // SIGPIPE is ignored in every Rust program.
    for homes in places() {
        let command = "sed -nE 's/^Sig(Blk|Ign):\\t//p' /proc/self/status";
        let said = ran(&homes, command).await.stdout;
        let masks: Vec<_> = said
            .lines()
            .map(|mask| u64::from_str_radix(mask, 16).unwrap())
            .collect();
        // The C library keeps 32 to 34 for itself, and busybox's shell ignores SIGQUIT.
        let others = !(0b111 << 31 | 1 << 2);
        assert_eq!(
            (masks.len(), masks[0], masks[1] & others),
            (2, 0, 0),
            "{said} {homes:?}"
        );
    }
}

#[tokio::test]
async fn a_job_has_a_session_and_a_process_group_of_its_own() {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let ours: Vec<_> = stat.rsplit(')').next().unwrap().split(' ').collect();
    for homes in places() {
        let finished = ran(&homes, "echo $$ $(cut -d' ' -f5,6 /proc/$$/stat)").await;
        let fields: Vec<_> = finished.stdout.split_whitespace().collect();
        let [shell, group, session] = fields[..] else {
            panic!("{finished:?}");
        };
        assert_eq!(shell, group, "{homes:?}");
        assert_ne!(session, ours[4], "{homes:?}");
    }
}

// Row 12, and security 20: the arguments of a process are there for everybody to read.
#[tokio::test]
async fn a_command_stands_in_the_arguments_of_one_process() {
    for (homes, secret) in places()
        .iter()
        .zip(["hunter2-in-a-cgroup", "hunter2-without"])
    {
        let dir = TempDir::new().unwrap();
        let gate = fifo(&dir, "gate");
        let command = format!(": {secret}; echo there; read x < {}", gate.display());
        let job = Running::start(homes, &command, 60);
        job.lines(1).await;
        let mut seen = 0;
        for entry in fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            for file in ["cmdline", "environ"] {
                // A process that ends meanwhile has neither.
                let text = fs::read(path.join(file)).unwrap_or_default();
                seen += usize::from(String::from_utf8_lossy(&text).contains(secret));
            }
        }
        tell(&gate, "open\n").await;
        assert_eq!(job.end().await.0.status, Some(Status::Exited(0)));
        assert_eq!(seen, 1, "{homes:?}");
    }
}

// Row 12.
#[tokio::test]
async fn a_command_of_any_length_runs() {
    for homes in places() {
        for size in [0, 120 << 10, 130 << 10, (1 << 20) - 64] {
            let command = format!(": {}; readlink /proc/self/fd/0; exit 3", "x".repeat(size));
            let finished = ran(&homes, &command).await;
            assert_eq!(finished.stdout, "/dev/null\n", "{size}");
            assert_eq!(finished.status, Some(Status::Exited(3)), "{size}");
        }
    }
}

#[tokio::test]
async fn a_command_that_no_shell_can_get_is_said_so() {
    let work = Work {
        id: "1".into(),
        msg: "echo a\0b".to_owned(),
        type_name: String::new(),
        limits: Limits {
            timeout: DEADLINE,
            output_max: 10,
        },
        output: Output::new(),
        tap: None,
    };
    let (_stop, stopped) = oneshot::channel();
    let (outcome, leftover) = run(work, Spare::default(), stopped).await;
    let reason = outcome.reason.unwrap();
    assert!(
        reason.starts_with("/bin/sh cannot be started: "),
        "{reason}"
    );
    assert!(leftover.is_none() && !outcome.success);
}

#[test]
fn a_descriptor_that_the_agent_was_started_with_ends_with_an_exec() {
    let file = File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    crate::kernel::keep_descriptors().unwrap();
    let flags = rustix::io::fcntl_getfd(&file).unwrap();
    assert_eq!(flags, rustix::io::FdFlags::CLOEXEC, "{}", file.as_raw_fd());
}
