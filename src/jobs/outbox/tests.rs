//! Replies that are taken, dropped, refused and sent another way.

use super::*;

use Outlet::{Api, Broker};

fn hand_out(outbox: &mut Outbox, to: Outlet) {
    let permit = outbox.sender(to).try_reserve_owned().unwrap();
    outbox.hand_out(to, permit, |item, _| Some(format!("{item:?}").into_bytes()));
}

/// Hands out the next one, and says whose it is.
async fn next(outbox: &mut Outbox, to: Outlet, replies: &mut Replies) -> Reply {
    hand_out(outbox, to);
    replies.next().await.unwrap()
}

#[tokio::test]
async fn a_reply_that_is_dropped_is_offered_again_and_a_taken_one_is_not() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Broker);
    let replies = &mut outlets.broker;
    let id: Arc<str> = "a".into();
    outbox.result(&id);
    hand_out(&mut outbox, Broker);
    drop(replies.next().await.unwrap());
    assert_eq!(
        outbox.settle(&returns.recv().await.unwrap(), Instant::now()),
        Settled::Again
    );
    assert!(outbox.is_ready(Broker));
    hand_out(&mut outbox, Broker);
    replies.next().await.unwrap().acknowledged();
    assert_eq!(
        outbox.settle(&returns.recv().await.unwrap(), Instant::now()),
        Settled::Taken(id)
    );
    assert!(outbox.is_settled());
}

#[tokio::test]
async fn a_waiting_result_is_not_offered_twice_but_one_on_its_way_is() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Broker);
    let replies = &mut outlets.broker;
    let id: Arc<str> = "a".into();
    outbox.result(&id);
    outbox.result(&id);
    hand_out(&mut outbox, Broker);
    assert!(!outbox.is_ready(Broker));
    outbox.result(&id);
    assert!(outbox.is_ready(Broker));
    // Given back, it is the same as the one that waits.
    drop(replies.next().await.unwrap());
    assert_eq!(
        outbox.settle(&returns.recv().await.unwrap(), Instant::now()),
        Settled::Again
    );
    hand_out(&mut outbox, Broker);
    assert!(!outbox.is_ready(Broker));
}

#[tokio::test]
async fn a_burst_of_results_does_not_keep_its_room() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Broker);
    let later = Instant::now();
    for n in 0..300 {
        outbox.result(&n.to_string().into());
    }
    while !outbox.is_settled() || outbox.next_again().is_some() {
        outbox.again(later);
        while outbox.is_ready(Broker) {
            let reply = next(&mut outbox, Broker, &mut outlets.broker).await;
            // The first of each hundred is refused once, and put aside.
            match outbox.next_token % 100 {
                1 => reply.refused(),
                _ => reply.acknowledged(),
            }
        }
        while outbox.broker.out > 0 {
            outbox.settle(&returns.recv().await.unwrap(), later);
        }
    }
    assert!(outbox.offered.is_empty() && outbox.offered.capacity() < 16);
    let Outbox {
        broker, handed_out, ..
    } = &outbox;
    assert!(broker.waiting.capacity() <= FEW && handed_out.capacity() <= FEW);
}

#[tokio::test]
async fn no_more_than_the_window_is_handed_out() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Broker);
    let replies = &mut outlets.broker;
    for n in 0..WINDOW + 1 {
        outbox.result(&n.to_string().into());
    }
    let mut held = Vec::new();
    while outbox.is_ready(Broker) {
        hand_out(&mut outbox, Broker);
        held.push(replies.next().await.unwrap());
    }
    assert_eq!(held.len(), WINDOW);
    held.clear();
    for _ in 0..WINDOW {
        outbox.settle(&returns.recv().await.unwrap(), Instant::now());
    }
    assert_eq!(outbox.broker.waiting.len(), WINDOW + 1);
}

#[test]
fn rejections_that_nobody_fetches_are_bounded() {
    let (mut outbox, _outlets, _returns) = Outbox::new(Broker);
    let taken = (0..1000).filter(|_| outbox.rejected("a", "b")).count();
    assert_eq!(taken, REJECTIONS_MAX);
}

#[tokio::test]
async fn results_change_their_way_and_what_waits_or_comes_back_goes_along() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Broker);
    let ids: Vec<Arc<str>> = ["a", "b", "c"].map(Into::into).into();
    outbox.delivered(&ids[0]);
    outbox.result(&ids[0]);
    outbox.result(&ids[1]);
    assert!(outbox.rejected("c", "no"));
    let delivered = next(&mut outbox, Broker, &mut outlets.broker).await;
    assert_eq!(delivered.channel, Channel::Delivery);
    let on_its_way = next(&mut outbox, Broker, &mut outlets.broker).await;

    outbox.route_results(Api);
    assert!(!outbox.is_ready(Broker));
    drop(on_its_way);
    drop(delivered);
    for _ in 0..2 {
        outbox.settle(&returns.recv().await.unwrap(), Instant::now());
    }
    for id in ["a", "b", "c"] {
        let reply = next(&mut outbox, Api, &mut outlets.api).await;
        assert_eq!((&*reply.id, reply.channel), (id, Channel::Result));
        reply.acknowledged();
        outbox.settle(&returns.recv().await.unwrap(), Instant::now());
    }
    assert!(!outbox.is_ready(Api) && !outbox.is_settled());
    next(&mut outbox, Broker, &mut outlets.broker)
        .await
        .acknowledged();
    outbox.settle(&returns.recv().await.unwrap(), Instant::now());
    assert!(outbox.is_settled());
}

#[tokio::test(start_paused = true)]
async fn a_refused_reply_lets_those_behind_it_pass_and_comes_again_later() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Api);
    for id in ["a", "b"] {
        outbox.result(&id.into());
    }
    let later = Instant::now() + std::time::Duration::from_secs(300);
    next(&mut outbox, Api, &mut outlets.api).await.refused();
    let settled = outbox.settle(&returns.recv().await.unwrap(), later);
    assert_eq!(settled, Settled::Again);
    let second = next(&mut outbox, Api, &mut outlets.api).await;
    assert_eq!(&*second.id, "b");
    second.acknowledged();
    let settled = outbox.settle(&returns.recv().await.unwrap(), later);
    assert_eq!(settled, Settled::Taken("b".into()));
    // Nobody waits for it at the end.
    assert!(outbox.is_settled());
    // Asked for meanwhile, it is not offered twice.
    outbox.result(&"a".into());
    outbox.again(Instant::now());
    assert!(!outbox.is_ready(Api));
    assert_eq!(outbox.next_again(), Some(later));
    outbox.again(later);
    assert_eq!(outbox.next_again(), None);
    assert_eq!(&*next(&mut outbox, Api, &mut outlets.api).await.id, "a");
}

#[tokio::test]
async fn suspects_go_alone_and_behind_others_that_wait() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Broker);
    let replies = &mut outlets.broker;
    let at = Instant::now();
    for id in ["a", "b"] {
        outbox.result(&id.into());
    }
    let first = next(&mut outbox, Broker, replies).await;
    let second = next(&mut outbox, Broker, replies).await;
    first.closed(false);
    second.closed(false);
    for _ in 0..2 {
        outbox.settle(&returns.recv().await.unwrap(), at);
    }
    outbox.result(&"c".into());
    let other = next(&mut outbox, Broker, replies).await;
    assert_eq!(&*other.id, "c");
    // Not beside another one.
    assert!(!outbox.is_ready(Broker));
    other.acknowledged();
    outbox.settle(&returns.recv().await.unwrap(), at);
    for id in ["a", "b"] {
        let suspect = next(&mut outbox, Broker, replies).await;
        assert_eq!(&*suspect.id, id);
        outbox.delivered(&"d".into());
        assert!(!outbox.is_ready(Broker));
        suspect.acknowledged();
        outbox.settle(&returns.recv().await.unwrap(), at);
        next(&mut outbox, Broker, replies).await.acknowledged();
        outbox.settle(&returns.recv().await.unwrap(), at);
    }
    assert!(outbox.is_settled());
}

#[tokio::test]
async fn a_suspect_that_moves_to_the_api_leaves_nothing_behind() {
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Broker);
    let at = Instant::now();
    outbox.result(&"a".into());
    next(&mut outbox, Broker, &mut outlets.broker)
        .await
        .closed(false);
    outbox.settle(&returns.recv().await.unwrap(), at);
    outbox.route_results(Api);
    assert!(!outbox.is_ready(Broker));
    next(&mut outbox, Api, &mut outlets.api)
        .await
        .acknowledged();
    outbox.settle(&returns.recv().await.unwrap(), at);
    assert!(outbox.is_settled() && !outbox.doubts.contain(&Item::Result("a".into())));
}
