//! `listen`: events as they come.

use std::io::{self, Write};
use std::time::Duration;

use tokio::sync::mpsc;
use ubus::blobmsg::Value;
use ubus::{matches, Client, Events, Heard};

use super::{format, status, End, UbusArgs};

/// Events that wait to be printed; more make the listeners wait in turn.
const HEARD: usize = 64;

/// Prints events until the time is over or the bus is gone.
pub(super) async fn listen(
    client: &Client,
    patterns: &[&str],
    args: &UbusArgs,
    out: &mut impl Write,
) -> Result<(), End> {
    let (heard_tx, mut heard) = mpsc::channel(HEARD);
    let mut tasks = tokio::task::JoinSet::new();
    for pattern in distinct(patterns) {
        let events = client
            .listen(pattern)
            .await
            .map_err(|error| End::Listen(pattern.to_owned(), status(&error)))?;
        tasks.spawn(forward(events, heard_tx.clone()));
    }
    drop(heard_tx);
    let mut state = client.state();
    let gone = state.wait_for(|state| !state.connected);
    tokio::pin!(gone);
    let over = tokio::time::sleep(Duration::from_secs(args.timeout.unwrap_or(0).into()));
    tokio::pin!(over);
    let limited = args.timeout.is_some_and(|timeout| timeout > 0);
    loop {
        tokio::select! {
            biased;
            Some(event) = heard.recv() => print_event(&event, out)?,
            _ = &mut gone => return Ok(()),
            () = &mut over, if limited => return Ok(()),
        }
    }
}

async fn forward(mut events: Events, heard: mpsc::Sender<Heard>) {
    while let Some(event) = events.next().await {
        if heard.send(event).await.is_err() {
            return;
        }
    }
}

/// Without those patterns that another one covers: the bus tells an object of an event once only,
/// but each of ours is an object of its own.
fn distinct<'p>(patterns: &[&'p str]) -> Vec<&'p str> {
    let covers = |wide: &str, narrow: &str| match wide.strip_suffix('*') {
        Some(prefix) => narrow
            .strip_suffix('*')
            .unwrap_or(narrow)
            .starts_with(prefix),
        None => matches(wide, narrow) && !narrow.ends_with('*'),
    };
    let mut kept: Vec<&str> = Vec::new();
    for pattern in patterns {
        if !kept.iter().any(|have| covers(have, pattern)) {
            kept.retain(|have| !covers(pattern, have));
            kept.push(pattern);
        }
    }
    kept
}

/// Events lost here are lost to the original without a word.
fn print_event(event: &Heard, out: &mut impl Write) -> io::Result<()> {
    let Heard::Event { name, data } = event else {
        return Ok(());
    };
    let Ok(value) = Value::from_members(data) else {
        return Ok(());
    };
    write!(out, "{{ \"{name}\": ")?;
    out.write_all(&format(&value, None))?;
    out.write_all(b" }\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covered_patterns_are_listened_to_once() {
        assert_eq!(distinct(&["a.*", "a.b", "a.b", "b"]), ["a.*", "b"]);
        assert_eq!(distinct(&["a.b", "a.c", "a.*"]), ["a.*"]);
        assert_eq!(distinct(&["x", "*"]), ["*"]);
        assert_eq!(distinct(&["a", "ab"]), ["a", "ab"]);
    }
}
