//! Messages that are too large, too slow or never come.

use std::time::Duration;

use ubus::blob::{Writer, MAX_BLOB};
use ubus::blobmsg::Value;
use ubus::{Error, Method, Status};

use super::bus::{raw, service, soon, value, Bus};
use super::CALL;

#[tokio::test]
async fn large_messages_pass_up_to_the_limit_and_beyond_it_is_an_error_on_our_side() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let text = |size| Value::Table(vec![(b"s".to_vec(), Value::String(vec![b'x'; size]))]);
    for size in [100_000, 1_000_000] {
        assert_eq!(
            raw(&client, "echo", &text(size)).await,
            Ok(vec![text(size)])
        );
    }
    let refused = raw(&client, "echo", &text(MAX_BLOB - 100)).await;
    assert!(matches!(refused, Err(Error::TooLarge(_))), "{refused:?}");
    assert_eq!(raw(&client, "nothing", &value("{}")).await, Ok(vec![]));
}

#[tokio::test]
async fn a_reply_over_the_limit_does_not_cost_the_connection() {
    let bus = Bus::start();
    let owner = bus.client().await;
    let methods = vec![Method::new("get", &[])];
    let mut object = owner.offer("big", methods).await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = object.next().await {
            let responder = request.into_responder();
            let mut writer = Writer::new();
            writer.string(b"s", &vec![b'x'; MAX_BLOB]);
            responder.data_raw(writer.into_bytes());
            responder.finish(Status::OK);
        }
    });
    let client = bus.client().await;
    for _ in 0..2 {
        let result = client.call_raw("big", "get", vec![], CALL).await;
        assert_eq!(result, Err(Error::Status(Status::NO_MEMORY)));
    }
}

#[tokio::test]
async fn a_responder_that_is_dropped_answers_for_itself() {
    let bus = Bus::start();
    let owner = bus.client().await;
    let methods = vec![Method::new("get", &[])];
    let mut object = owner.offer("rude", methods).await.unwrap();
    tokio::spawn(async move { while object.next().await.is_some() {} });
    let client = bus.client().await;
    let result = client.call_raw("rude", "get", vec![], CALL).await;
    assert_eq!(result, Err(Error::Status(Status::UNKNOWN_ERROR)));
}

#[tokio::test]
async fn an_owner_that_does_not_read_makes_callers_fail_not_wait() {
    let bus = Bus::start();
    let owner = bus.client().await;
    let methods = vec![Method::new("get", &[])];
    let _unread = owner.offer("busy", methods).await.unwrap();
    let client = bus.client().await;
    let calls: Vec<_> = (0..ubus::REQUESTS + 10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let short = Duration::from_millis(500);
                client.call_raw("busy", "get", vec![], short).await
            })
        })
        .collect();
    let mut refused = 0;
    for call in calls {
        match soon(call).await.unwrap() {
            Err(Error::Status(Status::TIMEOUT)) => refused += 1,
            Err(Error::Timeout(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 10);
}
