//! The disk's time.

use tokio::sync::oneshot;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_late_is_not_given_up() {
    let tmp = tempfile::tempdir().unwrap();
    let (books, _) = Books::open(tmp.path().join("state")).unwrap();
    let (disk, answers) = oneshot::channel();
    let mut ledger = Ledger {
        place: Place::Ram(Box::new(books)),
        path: tmp.path().to_path_buf(),
        writing: Some(Box::pin(async {
            answers.await.map_err(|_| AskError::Closed)
        })),
        late_at: Some(Instant::now() + LATE),
    };
    let began = Instant::now();
    let wrote = ledger.wrote().await;
    assert!(wrote.is_late && wrote.error.is_some());
    assert_eq!(began.elapsed(), LATE);
    let later = began + Duration::from_secs(86400);
    assert!(timeout_at(later, ledger.wrote()).await.is_err());
    let reply = Reply::Wrote(Ok(()), Growth::Little, Registered::Nothing);
    let answer = Answer {
        reply,
        synced: Ok(()),
    };
    assert!(disk.send(answer).is_ok());
    let wrote = ledger.wrote().await;
    assert!(!wrote.is_late && wrote.error.is_none());
}
