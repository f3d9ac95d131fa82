//! Downloads: whole and as they were meant to be, whatever the link and the server do, or given up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable::Directory;
use ring::digest::{digest, SHA256};
use socketman::config::Api;
use socketman::lookup::Resolver;
use socketman::process::clock::Pace;
use socketman::upgrade::download::Download;
use socketman::upgrade::request::Source;
use socketman_lab::schedules::Schedules;
use socketman_lab::tls_front::TlsFront;
use tempfile::TempDir;
use tokio::time::timeout;

use super::server::{Manner, Server};
use crate::tls::authority::{Authority, Valid};

const DEADLINE: Duration = Duration::from_secs(120);

fn file(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

/// The file that is wanted.
struct Wanted {
    source: Source,
    directory: TempDir,
    progress: Arc<Mutex<Vec<u64>>>,
}

impl Wanted {
    fn new(file: &[u8], url: &str) -> Self {
        let hash = digest(&SHA256, file);
        Wanted {
            source: Source {
                url: url.parse().unwrap(),
                sha256: hash.as_ref().try_into().unwrap(),
                size: Some(file.len() as u64),
            },
            directory: tempfile::tempdir().unwrap(),
            progress: Arc::default(),
        }
    }

    fn at(file: &[u8], server: &Server) -> Self {
        Wanted::new(
            file,
            &format!("http://{}/dir/a.bin?token=x", server.address),
        )
    }

    async fn fetch(&self) -> Result<Vec<u8>, String> {
        self.fetch_as(true).await
    }

    async fn fetch_as(&self, insecure: bool) -> Result<Vec<u8>, String> {
        let path = self.directory.path().join("ram");
        let directory = Directory::open(&path).unwrap();
        let progress = Arc::clone(&self.progress);
        let tell = move |have, _size: Option<u64>, _why: Option<&str>| {
            progress.lock().unwrap().push(have);
        };
        let api = Api {
            insecure,
            ..Api::default()
        };
        let download = Download {
            api: &api,
            pace: Pace::faster(1000),
            resolver: Resolver::system("lookup"),
            directory: &directory,
            tell: &tell,
        };
        let fetched = timeout(DEADLINE, download.fetch(&self.source, "a.bin")).await;
        fetched.expect("it ends")?;
        Ok(std::fs::read(path.join("a.bin")).unwrap())
    }

    /// The file of a server that is another as soon as it has been asked for the first time.
    async fn fetch_over(&self, server: &Server, change: impl FnOnce(&mut Manner)) -> Vec<u8> {
        let changing = async {
            while server.asked().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            server.change(change);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            fetched = self.fetch() => fetched.unwrap(),
            () = changing => unreachable!(),
        }
    }
}

#[tokio::test]
async fn a_link_that_is_cut_at_any_tenth_costs_no_byte_twice() {
    let file = file(100_000);
    let mut schedules = Schedules::of("downloads, links cut");
    let authority = Authority::new("ours");
    for tenth in 0..=10 {
        for over_tls in [false, true] {
            let server = Server::start(Manner {
                cut_at: Some(file.len() * tenth / 10),
                cuts: 1,
                ..Manner::of(&file)
            })
            .await;
            let any = ([127, 0, 0, 1], 0).into();
            let config = authority.server(Valid::Now);
            let front = TlsFront::start(any, config, server.address).await.unwrap();
            let wanted = match over_tls {
                true => {
                    let url = format!("https://localhost:{}/a.bin", front.addr().port());
                    Wanted::new(&file, &url)
                }
                false => Wanted::at(&file, &server),
            };
            assert_eq!(wanted.fetch().await.unwrap(), file, "{tenth}");
            let from = file.len() * tenth / 10;
            let ranges: Vec<_> = server.asked();
            match tenth {
                0 => assert_eq!(ranges, [None, None]),
                10 => assert_eq!(ranges, [None]),
                _ => assert_eq!(ranges, [None, Some(format!("bytes={from}-"))]),
            }
            schedules.add(1);
        }
    }
    schedules.report_all();
}

#[tokio::test]
async fn a_link_that_is_cut_again_and_again_brings_the_file_in_pieces() {
    let file = file(50_000);
    let server = Server::start(Manner::of(&file)).await;
    // Every answer is five thousand bytes longer than the one before.
    let wanted = Wanted::at(&file, &server);
    server.change(|manner| (manner.cut_at, manner.cuts) = (Some(5000), 1));
    let growing = async {
        let mut at = 5000;
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            server.change(|manner| {
                if manner.cuts == 0 && at < 50_000 {
                    at += 5000;
                    (manner.cut_at, manner.cuts) = (Some(at), 1);
                }
            });
        }
    };
    let fetched = tokio::select! {
        fetched = wanted.fetch() => fetched.unwrap(),
        () = growing => unreachable!(),
    };
    assert_eq!(fetched, file);
    assert!(server.asked().len() >= 2);
}

#[tokio::test]
async fn a_server_that_ignores_range_or_has_another_file_makes_it_start_over() {
    let file = file(40_000);
    for (ranges, matches, etag) in [
        (false, true, "\"one\""),
        (false, false, "\"one\""),
        (true, true, "\"two\""),
        (true, false, "\"two\""),
        (true, true, "W/\"weak\""),
    ] {
        let mut old = file.clone();
        old[3] ^= 1;
        let server = Server::start(Manner {
            cut_at: Some(30_000),
            cuts: 1,
            ..Manner::of(&old)
        })
        .await;
        let wanted = Wanted::at(&file, &server);
        let change = |manner: &mut Manner| {
            manner.file.clone_from(&file);
            manner.etag = Some(etag.to_owned());
            (manner.ranges, manner.matches) = (ranges, matches);
        };
        let fetched = wanted.fetch_over(&server, change).await;
        assert_eq!(fetched, file, "{ranges} {matches} {etag}");
    }
}

#[tokio::test]
async fn a_server_without_etags_is_found_out_by_the_hash() {
    let file = file(40_000);
    let mut old = file.clone();
    old[3] ^= 1;
    let server = Server::start(Manner {
        etag: None,
        cut_at: Some(30_000),
        cuts: 1,
        ..Manner::of(&old)
    })
    .await;
    let wanted = Wanted::at(&file, &server);
    let change = |manner: &mut Manner| manner.file.clone_from(&file);
    assert_eq!(wanted.fetch_over(&server, change).await, file);
    assert_eq!(server.asked().last(), Some(&None), "all of it again");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_missing_file_is_not() {
    let file = file(1000);
    for status in [
        "503 Service Unavailable",
        "500 Oops",
        "429 Too Many Requests",
        "408 Late",
    ] {
        let server = Server::start(Manner {
            status: Some(status),
            statuses: 3,
            ..Manner::of(&file)
        })
        .await;
        assert_eq!(Wanted::at(&file, &server).fetch().await.unwrap(), file);
        assert_eq!(server.asked().len(), 4, "{status}");
    }
    for status in [
        "404 Not Found",
        "403 Forbidden",
        "401 Unauthorized",
        "410 Gone",
        "400 Bad",
    ] {
        let server = Server::start(Manner {
            status: Some(status),
            statuses: 100,
            ..Manner::of(&file)
        })
        .await;
        let error = Wanted::at(&file, &server).fetch().await.unwrap_err();
        let code = &status[..3];
        assert!(error.ends_with(&format!("answered {code}")), "{error}");
        assert!(!error.contains("token"), "{error}");
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_file_of_another_size_or_another_hash_is_refused() {
    let file = file(10_000);
    let longer = [file.as_slice(), b"x"].concat();
    let mut other = file.clone();
    other[9999] ^= 1;
    for (served, says_length, why) in [
        (&longer, true, "has 10001 bytes, not 10000"),
        (&other, true, "sha256 of the file of"),
        (&other, false, "sha256 of the file of"),
    ] {
        let server = Server::start(Manner {
            says_length,
            ..Manner::of(served)
        })
        .await;
        let error = Wanted::at(&file, &server).fetch().await.unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_download_without_progress_is_given_up() {
    let file = file(10_000);
    // Half an hour passes in 1.8 s.
    let server = Server::start(Manner {
        ranges: false,
        cut_at: Some(5000),
        cuts: u32::MAX,
        ..Manner::of(&file)
    })
    .await;
    let error = Wanted::at(&file, &server).fetch().await.unwrap_err();
    assert!(error.starts_with("no more bytes for 30 min: "), "{error}");
    assert!(server.asked().len() > 2);
}

#[tokio::test]
async fn without_room_nothing_is_fetched() {
    let file = file(1000);
    let server = Server::start(Manner::of(&file)).await;
    let mut wanted = Wanted::at(&file, &server);
    wanted.source.size = Some(1 << 60);
    let error = wanted.fetch().await.unwrap_err();
    assert!(error.starts_with("no room in /tmp: "), "{error}");
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn http_needs_insecure_and_a_certificate_has_to_be_good() {
    let file = file(1000);
    let server = Server::start(Manner::of(&file)).await;
    let error = Wanted::at(&file, &server)
        .fetch_as(false)
        .await
        .unwrap_err();
    assert!(
        error.ends_with("is http, and option insecure is not set"),
        "{error}"
    );
    assert_eq!(server.asked().len(), 0);
    let any = ([127, 0, 0, 1], 0).into();
    let config = Authority::new("theirs").server(Valid::Now);
    let front = TlsFront::start(any, config, server.address).await.unwrap();
    let url = format!("https://localhost:{}/a.bin", front.addr().port());
    assert!(Wanted::new(&file, &url).fetch_as(false).await.is_err());
    assert_eq!(server.asked().len(), 0);
}
