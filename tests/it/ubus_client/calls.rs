//! Calls, and the objects they go to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use ubus::blobmsg::Type;
use ubus::{Error, Method, Status};

use super::bus::{raw, service, soon, value, Bus};
use super::{CALL, SOON};

#[tokio::test]
async fn hello_comes_before_anything_is_asked() {
    let bus = Bus::start();
    let (client, connection) = ubus::connect(&bus.path());
    // Not connected yet: an answer at once, not a wait.
    let early = tokio::spawn({
        let client = client.clone();
        async move { client.lookup("", CALL).await }
    });
    tokio::spawn(connection.run());
    client.connected(SOON).await.unwrap();
    let early = soon(early).await.unwrap();
    assert!(
        matches!(early, Ok(_) | Err(Error::Disconnected)),
        "{early:?}"
    );
    assert_eq!(client.lookup("", CALL).await, Ok(vec![]));
}

#[tokio::test]
async fn look_ups_list_all_a_prefix_or_one_and_say_when_there_is_nothing() {
    let bus = Bus::start();
    let ours = bus.client().await;
    let asking = bus.client().await;
    let echo = vec![Method::new(
        "echo",
        &[("text", Type::String), ("n", Type::Int32)],
    )];
    let _a = ours.offer("a.one", echo.clone()).await.unwrap();
    let _b = ours.offer("a.two", vec![]).await.unwrap();
    let _c = ours.offer("b", vec![]).await.unwrap();
    let paths = |pattern: &'static str| {
        let asking = asking.clone();
        async move {
            let found = asking.lookup(pattern, CALL).await.unwrap();
            found.into_iter().map(|o| o.path).collect::<Vec<_>>()
        }
    };
    assert_eq!(paths("").await, ["a.one", "a.two", "b"]);
    assert_eq!(paths("a.*").await, ["a.one", "a.two"]);
    assert_eq!(paths("b").await, ["b"]);
    for nothing in ["nosuch", "zzz*"] {
        let found = asking.lookup(nothing, CALL).await;
        assert_eq!(found, Err(Error::Status(Status::NOT_FOUND)));
    }
    let found = asking.lookup("a.one", CALL).await.unwrap();
    assert_eq!(found[0].methods, echo);
}

#[tokio::test]
async fn calls_bring_data_once_twice_or_never_and_every_status() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let args = value(
        r#"{"s":"é","n":-1,"big":5000000000,"d":1.5,"b":true,"l":[1,"x",null],"t":{"u":{}}}"#,
    );
    assert_eq!(raw(&client, "echo", &args).await, Ok(vec![args.clone()]));
    assert_eq!(raw(&client, "later", &args).await, Ok(vec![args.clone()]));
    assert_eq!(raw(&client, "nothing", &args).await, Ok(vec![]));
    let twice = raw(&client, "twice", &args).await.unwrap();
    assert_eq!(twice, [args.clone(), args.clone()]);
    let refused = |status| Err(Error::Status(status));
    let result = raw(&client, "refuse", &args).await;
    assert_eq!(result, refused(Status::NOT_SUPPORTED));
    let result = raw(&client, "data_then_refuse", &args).await;
    assert_eq!(result, refused(Status(-1)));
    let both = client
        .call_whole("test.service", "data_then_refuse", args.to_members(), CALL)
        .await;
    assert_eq!(both, Ok((vec![args.to_members().into()], Status(-1))));
    let result = raw(&client, "nosuch", &args).await;
    assert_eq!(result, refused(Status::METHOD_NOT_FOUND));
    let missing = client.call_raw("no.such", "echo", vec![], CALL).await;
    assert_eq!(missing, Err(Error::Status(Status::NOT_FOUND)));
    let typed: Result<BTreeMap<String, i32>, Error> =
        client.call("test.service", "nothing", &(), CALL).await;
    assert_eq!(typed, Err(Error::NoData));
}

#[tokio::test]
async fn a_struct_is_read_straight_from_a_reply() {
    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    struct Board {
        kernel: String,
        memory: u64,
        load: Vec<u32>,
        up: bool,
    }
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let board = Board {
        kernel: "6.6.93".into(),
        memory: u64::MAX,
        load: vec![4512, u32::MAX],
        up: true,
    };
    let client = bus.client().await;
    let read: Result<Board, Error> = client.call("test.service", "echo", &board, CALL).await;
    assert_eq!(read, Ok(board));
}

#[tokio::test]
async fn many_calls_are_under_way_at_once_and_answered_in_any_order() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let (late, quick) = (value(r#"{"n":2}"#), value(r#"{"n":3}"#));
    let (a, b, c) = tokio::join!(
        raw(&client, "later", &late),
        raw(&client, "echo", &quick),
        raw(&client, "later", &quick),
    );
    assert_eq!(
        (a, b, c),
        (
            Ok(vec![late]),
            Ok(vec![quick.clone()]),
            Ok(vec![quick.clone()])
        )
    );
}

#[tokio::test]
async fn a_silent_callee_is_a_time_out_and_the_connection_goes_on() {
    let bus = Bus::start();
    service(&bus.client().await, "test.service").await;
    let client = bus.client().await;
    let short = Duration::from_millis(200);
    let silent = client
        .call_raw("test.service", "silent", vec![], short)
        .await;
    assert_eq!(silent, Err(Error::Timeout(200)));
    assert_eq!(raw(&client, "nothing", &value("{}")).await, Ok(vec![]));
}

#[tokio::test]
async fn a_callee_that_dies_in_a_call_costs_only_that_call() {
    let bus = Bus::start();
    let (dying, connection) = ubus::connect(&bus.path());
    let driver = tokio::spawn(connection.run());
    dying.connected(SOON).await.unwrap();
    service(&dying, "test.service").await;
    let client = bus.client().await;
    assert_eq!(raw(&client, "nothing", &value("{}")).await, Ok(vec![]));
    let short = Duration::from_millis(300);
    let call = client.call_raw("test.service", "silent", vec![], short);
    let (result, ()) = tokio::join!(call, async { driver.abort() });
    // Nobody tells the caller; and the object is gone.
    assert!(
        matches!(
            result,
            Err(Error::Timeout(_) | Error::Status(Status::NOT_FOUND))
        ),
        "{result:?}"
    );
    assert_eq!(
        raw(&client, "nothing", &value("{}")).await,
        Err(Error::Status(Status::NOT_FOUND))
    );
}
