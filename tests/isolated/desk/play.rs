//! The lab's script, with the steps that need its network.

use socketman_lab::options::{Options, ONCE_SCALE};
use socketman_lab::play::{play, Scene};

#[tokio::test]
async fn an_outage_and_a_network_job_end_as_they_should() {
    let Some(mut lab) = super::lab(&Options::default()).await else {
        return;
    };
    assert_eq!(lab.program().time_scale, ONCE_SCALE);
    let played = play(&mut lab, |step| {
        println!("{}: {}", step.name, step.detail);
        Ok(())
    });
    let outcome = played.await.unwrap();
    assert!(outcome.ok, "{:#?}", outcome.steps);
    assert_eq!(
        outcome.steps.len(),
        Scene::ALL.len() + Scene::WITH_NETWORK.len()
    );
    lab.end().await.unwrap();
}
