//! The way of the file over a line that breaks.

use std::time::Duration;

use socketman_lab::depot::{Get, Line};
use socketman_lab::firmware::Release;
use socketman_lab::lab::IMAGE_SIZE;

use super::{World, PATIENT};

/// The whole of an image.
const SIZE: u64 = IMAGE_SIZE as u64;

/// Where the line is cut: at every tenth.
fn tenths() -> Vec<u64> {
    (1..10).map(|tenth| SIZE * tenth / 10).collect()
}

impl World {
    async fn line(&mut self, line: Line) {
        self.lab.depot().await.unwrap().set(line);
    }

    async fn gets(&mut self) -> Vec<Get> {
        self.lab.depot().await.unwrap().gets()
    }

    /// Waits until the last request has so many bytes of the file.
    async fn sent(&mut self, bytes: u64) {
        let depot = self.lab.depot().await.unwrap().watch();
        let sent = async {
            depot
                .when(|gets| gets.last().is_some_and(|get| get.sent == bytes))
                .await;
        };
        self.during("the file comes", sent).await;
    }
}

#[tokio::test]
async fn a_download_goes_on_where_the_line_was_cut() {
    let mut world = World::new(PATIENT).await;
    world
        .line(Line {
            cuts: tenths().into(),
            ..Line::default()
        })
        .await;
    let id = world.flash(&world.image()).await;
    world.succeeded(&id).await;
    let gets = world.gets().await;
    let froms: Vec<Option<u64>> = gets.iter().map(|get| get.from).collect();
    let expected: Vec<Option<u64>> = [None]
        .into_iter()
        .chain(tenths().into_iter().map(Some))
        .collect();
    assert_eq!(froms, expected);
    assert!(
        gets[1..]
            .iter()
            .all(|get| get.status == 206 && get.tag.is_some()),
        "{gets:#?}"
    );
    let sent: u64 = gets.iter().map(|get| get.sent).sum();
    assert_eq!(sent, SIZE);
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_asked_for_all_of_it_again() {
    let mut world = World::new(PATIENT).await;
    world
        .line(Line {
            cuts: [SIZE / 2].into(),
            whole: true,
            ..Line::default()
        })
        .await;
    let id = world.flash(&world.image()).await;
    world.succeeded(&id).await;
    let gets = world.gets().await;
    assert_eq!(gets.len(), 2, "{gets:#?}");
    assert_eq!(gets[1].sent, SIZE);
}

#[tokio::test]
async fn parts_of_two_files_are_never_flashed() {
    for untagged in [false, true] {
        let mut world = World::new(PATIENT).await;
        let line = Line {
            untagged,
            ..Line::default()
        };
        world
            .line(Line {
                held_at: Some(SIZE / 2),
                ..line.clone()
            })
            .await;
        let id = world.flash(&world.image()).await;
        world.sent(SIZE / 2).await;
        let other = vec![7; IMAGE_SIZE];
        let path = format!("/{}.bin", Release::next().revision);
        world.lab.depot().await.unwrap().put(&path, other);
        world
            .line(Line {
                cuts: [SIZE / 2].into(),
                ..line
            })
            .await;
        let reason = world.failed(&id).await;
        assert!(reason.contains("sha256"), "{reason}");
        let gets = world.gets().await;
        assert_eq!(gets.last().map(|get| get.sent), Some(SIZE), "{gets:#?}");
        assert_eq!(world.lab.steps.taken(), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_server_without_tags_is_trusted_for_what_the_hash_says() {
    let mut world = World::new(PATIENT).await;
    world
        .line(Line {
            cuts: [SIZE / 3].into(),
            untagged: true,
            ..Line::default()
        })
        .await;
    let id = world.flash(&world.image()).await;
    world.succeeded(&id).await;
    assert_eq!(world.gets().await[1].from, Some(SIZE / 3));
}

#[tokio::test]
async fn a_slow_line_is_waited_for_and_a_file_that_is_not_there_is_not() {
    let mut world = World::new(PATIENT).await;
    world
        .line(Line {
            slow: Some((IMAGE_SIZE / 20, Duration::from_millis(100))),
            ..Line::default()
        })
        .await;
    let id = world.flash(&world.image()).await;
    // Other jobs do not wait for it.
    world.sent(SIZE / 20).await;
    let job = world.lab.send_job("echo meanwhile").await.unwrap();
    let (_, meta) = world.only_result(&job).await;
    assert_eq!(meta["msg"], "meanwhile\n");
    assert!(world.results(&id).is_empty());
    world.succeeded(&id).await;
    assert_eq!(world.release(), Release::next().revision);

    world
        .line(Line {
            status: Some(404),
            ..Line::default()
        })
        .await;
    let id = world.flash(&world.image()).await;
    let reason = world.failed(&id).await;
    assert!(reason.contains("404"), "{reason}");
}
