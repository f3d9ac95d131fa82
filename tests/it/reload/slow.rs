//! Settings on flash that takes its time.

use std::fs;
use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use socketman_lab::slow_sync::SlowSync;

use super::desk::Desk;

/// The delay of each sync.
const SYNC: Duration = Duration::from_secs(2);

#[tokio::test]
async fn while_a_copy_of_the_settings_goes_to_flash_the_agent_answers_and_ends() {
    let mut desk = Desk::new().await;
    let slow = SlowSync::new(desk.lab.place().path(), SYNC).unwrap();
    desk.lab.slow_down_syncs(slow);
    desk.start().await;
    // Its first reading, which nobody asked for, is over then.
    desk.call("reload").await;
    for monitor in [17, 18] {
        desk.edit(&[("monitor", json!(monitor))]);
        let mut reload = pin!(desk.call("reload"));
        // Each is asked when the one before was answered.
        for n in 0..3 {
            tokio::select! {
                biased;
                _ = &mut reload => panic!("after {n} answers it was read already"),
                _ = desk.call("status") => {}
            }
        }
        if monitor == 18 {
            break;
        }
        let outcome = reload.await;
        assert_eq!(outcome["errors"], json!([]));
        let root = &desk.lab.program().root;
        let copy = fs::read_to_string(root.join("etc/socketman/state/config.json")).unwrap();
        assert!(copy.contains("\"monitor\":17"), "{copy}");
    }
    desk.lab.stop_agent().await.unwrap();
}
