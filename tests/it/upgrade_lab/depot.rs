//! A server of images and packages with faults on command.

use std::time::Duration;

use socketman_lab::depot::{Depot, Get, Line};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

async fn depot() -> Depot {
    let depot = Depot::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    depot.put("/file", (0..=255).cycle().take(1000).collect::<Vec<u8>>());
    depot
}

/// The head of the answer, and what came of the body.
async fn get(depot: &Depot, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(depot.addr()).await.unwrap();
    let request = format!("GET /file?token=x HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let mut length = None;
    loop {
        let end = all.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(all[..end].to_vec()).unwrap();
            let field = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            length = Some((
                head.clone(),
                end + 4,
                field.unwrap().parse::<usize>().unwrap(),
            ));
        }
        if length
            .as_ref()
            .is_some_and(|(_, from, length)| all.len() >= from + length)
        {
            break;
        }
        let mut part = [0; 4096];
        match timeout(DEADLINE, stream.read(&mut part)).await.unwrap() {
            Ok(0) | Err(_) => break,
            Ok(count) => all.extend(&part[..count]),
        }
    }
    let (head, from, _) = length.unwrap();
    (head, all.split_off(from))
}

fn tag(head: &str) -> &str {
    head.lines()
        .find_map(|line| line.strip_prefix("ETag: "))
        .unwrap()
}

#[tokio::test]
async fn a_range_of_the_same_file_is_sent_and_one_of_another_is_refused() {
    let depot = depot().await;
    let (head, all) = get(&depot, "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(all.len(), 1000);
    let first = tag(&head).to_owned();
    let (head, rest) = get(
        &depot,
        &format!("Range: bytes=400-\r\nIf-Match: {first}\r\n"),
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 206"), "{head}");
    assert!(head.contains("Content-Range: bytes 400-999/1000"), "{head}");
    assert_eq!(rest, all[400..]);
    let (head, rest) = get(&depot, "Range: bytes=1000-\r\n").await;
    assert!(head.starts_with("HTTP/1.1 416"), "{head}");
    assert!(rest.is_empty());

    depot.put("/file", vec![0; 1000]);
    let (head, rest) = get(
        &depot,
        &format!("Range: bytes=400-\r\nIf-Match: {first}\r\n"),
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 412"), "{head}");
    assert!(rest.is_empty());
    let (head, all) = get(
        &depot,
        &format!("Range: bytes=400-\r\nIf-Range: {first}\r\n"),
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(all, vec![0; 1000]);
    assert_ne!(tag(&head), first);
}

#[tokio::test]
async fn the_line_is_cut_once_at_each_place_and_held_until_it_is_let_go() {
    let depot = depot().await;
    depot.set(Line {
        cuts: [300, 600].into(),
        ..Line::default()
    });
    assert_eq!(get(&depot, "").await.1.len(), 300);
    assert_eq!(get(&depot, "Range: bytes=300-\r\n").await.1.len(), 300);
    assert_eq!(get(&depot, "Range: bytes=600-\r\n").await.1.len(), 400);
    assert_eq!(get(&depot, "").await.1.len(), 1000);

    depot.set(Line {
        held_at: Some(500),
        ..Line::default()
    });
    let asked = get(&depot, "");
    let let_go = async {
        depot
            .when(|gets| gets.last().is_some_and(|get| get.sent == 500))
            .await;
        depot.set(Line::default());
    };
    let ((_, all), ()) = tokio::join!(asked, let_go);
    assert_eq!(all.len(), 1000);
    let whole = Line {
        whole: true,
        ..Line::default()
    };
    depot.set(whole);
    let (head, all) = get(&depot, "Range: bytes=300-\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(all.len(), 1000);
    let gets = depot.gets();
    let last = Get {
        path: "/file".to_owned(),
        from: Some(300),
        status: 200,
        sent: 1000,
        done: true,
        ..Get::default()
    };
    assert_eq!(gets.last(), Some(&last));
}
