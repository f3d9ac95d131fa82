//! Parts that follow their settings while they run.

use super::*;

#[tokio::test]
async fn a_part_is_woken_by_its_own_settings_only_and_has_them_when_a_reload_is_answered() {
    let device = Device::new();
    device.json(r#"{"mac": "112233445566", "topic": "first", "debug": false}"#);
    let (mut part, handle) = device.part(device.inputs());
    let mut topic = part.follow(|config| config.broker.topic.clone());
    let mut debug = part.follow(|config| config.debug);
    assert_eq!((&**topic.borrow(), *debug.borrow()), ("first", false));
    let (_end, ends) = shutdown();
    tokio::spawn(part.run(ends));

    device.json(r#"{"mac": "112233445566", "topic": "second", "debug": false}"#);
    within(handle.reload()).await.unwrap();
    assert_eq!((&**topic.borrow(), *debug.borrow()), ("second", false));
    assert!(topic.has_changed().unwrap());
    assert!(!debug.has_changed().unwrap());

    topic.mark_unchanged();
    device.json(r#"{"mac": "112233445566", "topic": "second", "debug": true}"#);
    within(handle.reload()).await.unwrap();
    assert_eq!((&**topic.borrow(), *debug.borrow()), ("second", true));
    assert!(!topic.has_changed().unwrap());
    assert!(debug.has_changed().unwrap());

    // Options of others, and the same again.
    debug.mark_unchanged();
    device.json(r#"{"mac": "112233445566", "topic": "second", "debug": true, "qos": 2}"#);
    for _ in 0..2 {
        within(handle.reload()).await.unwrap();
        assert!(!topic.has_changed().unwrap());
        assert!(!debug.has_changed().unwrap());
    }
}
