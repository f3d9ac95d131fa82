//! Several jobs, an outage and a switch, in simulated time.

use serde_json::Value;
use tokio::time::timeout;

use super::*;

const LONG: Duration = Duration::from_secs(600);

fn piece(text: &str) -> Piece {
    Piece {
        stream: StreamName::Stdout,
        bytes: text.to_owned().into(),
        skipped: 0,
    }
}

/// A job with this id that is followed, and the end of its channel that the worker has.
fn job(live: &Live, id: &str) -> mpsc::Sender<Piece> {
    let (sender, pieces) = mpsc::channel(8);
    live.follow(&id.into(), pieces);
    sender
}

async fn next(output: &mut LiveOutput) -> Value {
    let due = timeout(LONG, output.due(Instant::now()));
    due.await.expect("a message is due");
    serde_json::from_slice(&output.take(MESSAGE_MAX).unwrap()).unwrap()
}

async fn nothing(output: &mut LiveOutput) {
    let due = timeout(LONG, output.due(Instant::now()));
    due.await.expect_err("nothing is due");
}

#[tokio::test(start_paused = true)]
async fn output_goes_at_once_then_four_times_a_second_and_each_job_has_its_turn() {
    let (live, mut output) = Live::new();
    let (a, b) = (job(&live, "a"), job(&live, "b"));
    let began = Instant::now();
    let talking = |sender: mpsc::Sender<Piece>| async move {
        for n in 0..40 {
            let _ = sender.send(piece(&format!("{n};"))).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::spawn(talking(a));
    tokio::spawn(talking(b));
    let mut said: Vec<(String, u128, String)> = Vec::new();
    let text = |said: &[(String, u128, String)], id: &str| -> String {
        let of = said.iter().filter(|one| one.0 == id);
        of.map(|one| one.2.as_str()).collect()
    };
    let whole: String = (0..40).map(|n| format!("{n};")).collect();
    while text(&said, "a") != whole || text(&said, "b") != whole {
        let message = next(&mut output).await;
        said.push((
            message["id"].as_str().unwrap().to_owned(),
            began.elapsed().as_millis(),
            message["data"].as_str().unwrap().to_owned(),
        ));
    }
    for id in ["a", "b"] {
        let at: Vec<u128> = said
            .iter()
            .filter(|one| one.0 == id)
            .map(|one| one.1)
            .collect();
        assert!(at[0] < 10, "{at:?}");
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 250), "{at:?}");
        assert!(at.len() >= 8, "{at:?}");
    }
    nothing(&mut output).await;
    assert!(output.followed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn output_while_nobody_publishes_is_dropped_and_told_afterwards() {
    let (live, mut output) = Live::new();
    let a = job(&live, "a");
    let ended = job(&live, "ended");
    a.send(piece("one")).await.unwrap();
    ended.send(piece("gone")).await.unwrap();
    drop(ended);
    timeout(LONG, output.discard()).await.unwrap_err();
    assert_eq!(output.followed.len(), 1);
    a.send(piece("two")).await.unwrap();
    let message = next(&mut output).await;
    assert_eq!(message["data"], "two");
    assert_eq!(message["skipped"], 3);
    nothing(&mut output).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_that_ended_long_ago_make_room_for_new_ones_and_running_ones_do_not() {
    let (live, mut output) = Live::new();
    // Nobody reads: the channel has room for so many.
    let first: Vec<_> = (0..2 * FOLLOWED)
        .map(|n| job(&live, &n.to_string()))
        .collect();
    assert!(first[FOLLOWED..].iter().all(mpsc::Sender::is_closed));
    timeout(LONG, output.discard()).await.unwrap_err();
    let refused = job(&live, "refused");
    timeout(LONG, output.discard()).await.unwrap_err();
    assert!(refused.is_closed() && !first[0].is_closed());
    drop(first);
    timeout(LONG, output.discard()).await.unwrap_err();
    let late = job(&live, "late");
    late.send(piece("here")).await.unwrap();
    assert_eq!(next(&mut output).await["id"], "late");
}

#[tokio::test(start_paused = true)]
async fn switched_off_it_follows_nobody_any_more() {
    let (live, mut output) = Live::new();
    let before = job(&live, "before");
    before.send(piece("x")).await.unwrap();
    output.due(Instant::now()).await;
    output.switch_off();
    assert!(before.is_closed() && !output.is_on());
    assert!(job(&live, "after").is_closed());
    nothing(&mut output).await;
    timeout(LONG, output.discard()).await.unwrap_err();
}
