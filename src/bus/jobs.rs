//! Methods `jobs`, `job` and `run_job`.

use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::timeout;
use ubus::{Request, Status};

use super::waits::{Open, Waits};
use super::Sources;
use crate::jobs::{self, RunError, Stand, State};

/// Longest wait of `run_job` for the end of the job; a caller that wants more asks `job` later.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Output in a reply, bytes, both streams together. A NUL becomes three bytes on the bus, so that the
/// reply stays below [`super::REPLY_MAX`] whatever the output is.
const OUTPUT_MAX: usize = 160 << 10;

#[derive(Serialize)]
struct Recent {
    jobs: Vec<jobs::Summary>,
}

/// Replies the last 50 jobs, newest first, without their output.
pub(super) async fn recent(request: Request, jobs: &jobs::Handle) {
    match jobs.recent().await {
        Ok(jobs) => request.reply(&Recent { jobs }),
        Err(jobs::Gone) => request.finish(Status::NO_DATA),
    }
}

#[derive(Deserialize)]
struct OneArgs {
    id: String,
}

/// Replies one job with its output; "not found" if its id is not known (any more).
pub(super) async fn one(request: Request, jobs: &jobs::Handle) {
    let Some((args, request)) = super::args::<OneArgs>(request) else {
        return;
    };
    match jobs.job(&args.id).await {
        Ok(Some(mut job)) => {
            job.cut(OUTPUT_MAX);
            request.reply(&job);
        }
        Ok(None) => request.finish(Status::NOT_FOUND),
        Err(jobs::Gone) => request.finish(Status::NO_DATA),
    }
}

#[derive(Deserialize)]
struct RunArgs {
    msg: String,
    id: Option<String>,
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// s; what cannot be one is refused with a reason.
    timeout: Option<i32>,
    wait: Option<bool>,
    /// Added by uhttpd and rpcd, with any value: the call comes from LuCI or over HTTP.
    #[serde(default, rename = "ubus_rpc_session", deserialize_with = "is_there")]
    is_from_session: bool,
}

/// True for an argument of any type and number, null too.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// A job that ended.
#[derive(Serialize)]
struct Ended<'a> {
    id: &'a str,
    state: State,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    output: &'a str,
    stderr: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    truncated: bool,
    #[serde(skip_serializing_if = "is_false")]
    rolled_back: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A job that has not ended yet.
#[derive(Serialize)]
struct Underway<'a> {
    id: &'a str,
    state: State,
}

/// A job that will not run.
#[derive(Serialize)]
struct Refused<'a> {
    state: State,
    success: bool,
    reason: &'a str,
}

/// Runs a job and replies its outcome, or its id if it is not to be waited for or too many wait.
pub(super) async fn run(request: Request, sources: &Sources, waits: &Waits, open: &mut Open) {
    let Some((args, request)) = super::args::<RunArgs>(request) else {
        return;
    };
    let current = sources.settings.current();
    if args.is_from_session && !current.borrow().loaded.config.jobs.from_web {
        return request.finish(Status::PERMISSION_DENIED);
    }
    let wanted = jobs::Request {
        msg: args.msg,
        id: args.id,
        type_name: args.type_name.unwrap_or_default(),
        timeout: args
            .timeout
            .map(|s| Duration::from_secs(u64::try_from(s).unwrap_or(0))),
    };
    let run = match sources.jobs.run(wanted).await {
        Ok(run) => run,
        Err(RunError::Rejected(reason)) => {
            return request.reply(&Refused {
                state: State::Rejected,
                success: false,
                reason: &reason,
            });
        }
        Err(RunError::Gone(_)) => return request.finish(Status::NO_DATA),
    };
    let permit = match args.wait.unwrap_or(true) {
        true => waits.take(),
        false => None,
    };
    let Some(permit) = permit else {
        return request.reply(&Underway {
            id: &run.id,
            state: run.stand.borrow().state(),
        });
    };
    let (id, mut stand) = (run.id, run.stand);
    let newest = stand.clone();
    let work = async move {
        let _permit = permit;
        // Or the part ended before the job did, or the time is up.
        let _ended = timeout(WAIT_MAX, stand.wait_for(Stand::has_ended))
            .await
            .is_ok();
    };
    open.wait(request, work, move |request, _| {
        let stand = newest.borrow().clone();
        answer(request, &id, &stand);
    });
}

/// Replies what became of a job, or where it stands.
fn answer(request: Request, id: &str, stand: &Stand) {
    let state = stand.state();
    let Stand::Ended(outcome) = stand else {
        return request.reply(&Underway { id, state });
    };
    let outcome = outcome.brief_of(OUTPUT_MAX);
    request.reply(&Ended {
        id,
        state,
        success: outcome.success,
        exit_code: outcome.exit_code,
        signal: outcome.signal,
        output: &outcome.stdout,
        stderr: &outcome.stderr,
        truncated: outcome.truncated,
        rolled_back: outcome.rolled_back,
        reason: outcome.reason.as_deref(),
        duration_ms: outcome.duration.map(jobs::reply::millis),
    });
}

#[cfg(test)]
mod tests {
    use serde::ser::{SerializeMap, Serializer};
    use serde_json::{json, Value};
    use ubus::blobmsg::Value as Blob;
    use ubus::{from_arguments, to_members};

    use super::*;

    /// Arguments in this order, names more than once included.
    struct Args<'a>(&'a [(&'a str, Value)]);

    impl Serialize for Args<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut map = to.serialize_map(None)?;
            for (name, value) in self.0 {
                map.serialize_entry(name, value)?;
            }
            map.end()
        }
    }

    #[test]
    fn a_call_with_a_session_is_one_of_a_session_whatever_it_holds_and_how_often() {
        let session = "ubus_rpc_session";
        let id = json!("0123456789abcdef0123456789abcdef");
        for values in [
            vec![id.clone()],
            vec![json!("")],
            vec![json!(null)],
            vec![json!(0)],
            vec![json!(false)],
            vec![json!([])],
            vec![json!({})],
            vec![json!(null), id.clone()],
            vec![id, json!(null)],
            vec![json!(null), json!(null)],
        ] {
            let mut args = vec![("msg", json!("true"))];
            args.extend(values.iter().map(|value| (session, value.clone())));
            for _ in 0..args.len() {
                args.rotate_left(1);
                let bytes = to_members(&Args(&args)).unwrap();
                let read: RunArgs = from_arguments(&bytes).unwrap();
                assert!(read.is_from_session, "{args:?}");
            }
        }
        let bytes = to_members(&json!({ "msg": "true", "ubus_rpc": "x" })).unwrap();
        let read: RunArgs = from_arguments(&bytes).unwrap();
        assert!(!read.is_from_session);
    }

    #[test]
    fn text_that_is_not_utf_8_and_a_bool_for_a_number_are_no_arguments() {
        let odd = || Blob::String(b"rm -r /mnt/caf\xe9".to_vec());
        let read = |more: (&str, Blob)| {
            let msg = (b"msg".to_vec(), Blob::String(b"true".to_vec()));
            let args = Blob::Table(vec![(more.0.into(), more.1), msg]).to_members();
            from_arguments::<RunArgs>(&args)
        };
        for name in ["msg", "id", "type"] {
            assert!(read((name, odd())).is_err(), "{name}");
        }
        assert!(read(("timeout", Blob::Int8(1))).is_err());
        assert!(read(("wait", Blob::Int32(1))).is_err());
        assert_eq!(read(("timeout", Blob::Int32(1))).unwrap().timeout, Some(1));
        assert!(read(("ubus_rpc_session", odd())).unwrap().is_from_session);
        let id = Blob::Table(vec![(b"id".to_vec(), odd())]).to_members();
        assert!(from_arguments::<OneArgs>(&id).is_err());
    }
}
