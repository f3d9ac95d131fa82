//! The order of replies.

use super::*;

#[tokio::test]
async fn a_reply_that_was_given_back_goes_out_before_those_behind_it() {
    let mut rig = Rig::new();
    let mut facts = rig.handle.facts();
    for n in 1..=30 {
        rig.job(&n.to_string(), "true").await;
        let finished = facts.wait_for(|facts| facts.done == n);
        timeout(DEADLINE, finished).await.unwrap().unwrap();
        // A connection ends, and the next one begins.
        rig.replies.give_back();
        for event in ["DELIVERED", "PROCESSED"] {
            assert_eq!(rig.reply().await["event_type"], event, "job {n}");
        }
    }
}
