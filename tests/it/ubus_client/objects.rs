//! Objects that come and go, and who follows them.

use std::time::Duration;

use tokio::time::Instant;
use ubus::blobmsg::Value;
use ubus::{Error, Heard, Notice, Status};

use super::bus::{one, raw, service, soon, value, Bus};
use super::CALL;

#[tokio::test]
async fn a_path_is_offered_once_and_free_again_when_its_object_is_dropped() {
    let bus = Bus::start();
    let (owner, other, listener) = (bus.client().await, bus.client().await, bus.client().await);
    let mut events = listener.listen("ubus.object.*").await.unwrap();
    let object = owner.offer("me", vec![]).await.unwrap();
    let refused = other.offer("me", vec![]).await.unwrap_err();
    assert_eq!(refused, Error::Status(Status::INVALID_ARGUMENT));
    drop(object);
    for expected in ["ubus.object.add", "ubus.object.remove"] {
        let Some(Heard::Event { name, data }) = soon(events.next()).await else {
            panic!("no event");
        };
        assert_eq!(name, expected);
        let value = Value::from_members(&data).unwrap();
        assert_eq!(value.get("path"), Some(&Value::string("me")));
    }
    other.offer("me", vec![]).await.unwrap();
}

#[tokio::test]
async fn notifications_reach_subscribers_while_the_object_lives() {
    let bus = Bus::start();
    let (owner, reader) = (bus.client().await, bus.client().await);
    let mut subscription = reader.subscribe("ap.*").await.unwrap();
    let object = owner.offer("ap.wlan0", vec![]).await.unwrap();
    let path = "ap.wlan0".to_owned();
    let subscribed = Notice::Subscribed { path: path.clone() };
    assert_eq!(soon(subscription.next()).await, Some(subscribed));
    let mut subscribers = object.subscribers();
    soon(subscribers.wait_for(|any| *any)).await.unwrap();
    object.notify("assoc", &one("address", "aa")).unwrap();
    let Some(Notice::Notification {
        path: from,
        kind,
        data,
    }) = soon(subscription.next()).await
    else {
        panic!("no notification");
    };
    assert_eq!((from, kind), (path.clone(), "assoc".to_owned()));
    let data = Value::from_members(&data).unwrap();
    assert_eq!(data.get("address"), Some(&Value::string("aa")));
    drop(object);
    let gone = Notice::Gone { path };
    assert_eq!(soon(subscription.next()).await, Some(gone));
}

#[tokio::test]
async fn unsubscribing_is_dropping() {
    let bus = Bus::start();
    let (owner, reader) = (bus.client().await, bus.client().await);
    let object = owner.offer("ap", vec![]).await.unwrap();
    let mut subscribers = object.subscribers();
    let mut subscription = reader.subscribe("ap").await.unwrap();
    let news = soon(subscription.next()).await;
    assert!(matches!(news, Some(Notice::Subscribed { .. })), "{news:?}");
    soon(subscribers.wait_for(|any| *any)).await.unwrap();
    drop(subscription);
    soon(subscribers.wait_for(|any| !*any)).await.unwrap();
}

#[tokio::test]
async fn events_are_heard_by_pattern_but_not_by_their_sender() {
    let bus = Bus::start();
    let (sender, listener) = (bus.client().await, bus.client().await);
    let mut own = sender.listen("*").await.unwrap();
    let mut wild = listener.listen("net.*").await.unwrap();
    let mut exact = listener.listen("net.up").await.unwrap();
    sender.send_event("other", &one("n", 5)).await.unwrap();
    sender.send_event("net.up", &one("n", 5)).await.unwrap();
    for events in [&mut wild, &mut exact] {
        let Some(Heard::Event { name, data }) = soon(events.next()).await else {
            panic!("no event");
        };
        assert_eq!(name, "net.up");
        assert_eq!(Value::from_members(&data), Ok(value(r#"{"n":5}"#)));
    }
    let forbidden = sender.send_event("ubus.object.add", &one("n", 5)).await;
    assert_eq!(forbidden, Err(Error::Status(Status::PERMISSION_DENIED)));
    listener.send_event("last", &one("n", 5)).await.unwrap();
    let Some(Heard::Event { name, .. }) = soon(own.next()).await else {
        panic!("no event");
    };
    assert_eq!(name, "last", "the sender heard itself");
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_told_how_much_it_missed() {
    let bus = Bus::start();
    let (sender, listener) = (bus.client().await, bus.client().await);
    let mut events = listener.listen("e").await.unwrap();
    for n in 0..ubus::EVENTS + 50 {
        sender.send_event("e", &one("n", n as u32)).await.unwrap();
    }
    // The daemon delivered all of them to us before it answers this.
    listener.lookup("", CALL).await.unwrap();
    for _ in 0..ubus::EVENTS {
        let heard = soon(events.next()).await;
        assert!(matches!(heard, Some(Heard::Event { .. })), "{heard:?}");
    }
    sender.send_event("e", &one("n", 0)).await.unwrap();
    assert_eq!(soon(events.next()).await, Some(Heard::Lost { count: 50 }));
    let heard = soon(events.next()).await;
    assert!(matches!(heard, Some(Heard::Event { .. })), "{heard:?}");
}

#[tokio::test]
async fn after_a_restart_of_the_bus_all_is_back_within_a_second() {
    let mut bus = Bus::start();
    let (ours, other) = (bus.client().await, bus.client().await);
    service(&ours, "test.service").await;
    let mut events = other.listen("e").await.unwrap();
    let mut subscription = other.subscribe("test.*").await.unwrap();
    let news = soon(subscription.next()).await;
    assert!(matches!(news, Some(Notice::Subscribed { .. })), "{news:?}");
    for _ in 0..3 {
        bus.stop().await;
        let news = soon(subscription.next()).await;
        assert!(matches!(news, Some(Notice::Gone { .. })), "{news:?}");
        let refused = raw(&other, "echo", &value("{}")).await;
        assert_eq!(refused, Err(Error::Disconnected));
        bus.start_again();
        let started = Instant::now();
        let news = soon(subscription.next()).await;
        assert!(matches!(news, Some(Notice::Subscribed { .. })), "{news:?}");
        // The promise is 1 s; the rest is for a machine that is busy with other things.
        let took = started.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        let echoed = raw(&other, "echo", &value("{}")).await;
        assert_eq!(echoed, Ok(vec![value("{}")]));
        ours.send_event("e", &()).await.unwrap();
        let heard = soon(events.next()).await;
        assert!(matches!(heard, Some(Heard::Event { .. })), "{heard:?}");
    }
}
