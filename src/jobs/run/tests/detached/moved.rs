//! A device whose `state_dir` changes while a job runs.

use super::*;

/// Devices that are one device, whose `state_dir` changes.
fn moves<const N: usize>() -> [Device; N] {
    std::array::from_fn(|_| Device::new())
}

#[tokio::test]
async fn a_job_is_found_from_every_state_directory_that_follows_its_own() {
    let devices: [Device; 3] = moves();
    let [first, second, third] = &devices;
    let gate = fifo(&first.dir, "gate");
    let command = format!(
        "echo begun; read word < {}; echo $word; exit 3",
        gate.display()
    );
    let agent = first.starts(&command, 60);
    agent.lines(1).await;
    agent.ends().await;
    follow(&first.state, &second.state, NAME).unwrap();
    // An agent of a moment in between finds it as well.
    let agent = second.adopts();
    assert_eq!(agent.lines(1).await, ["begun"]);
    agent.ends().await;
    follow(&second.state, &third.state, NAME).unwrap();
    assert!(names(&second.state).unwrap().is_empty());
    let agent = third.adopts();
    assert_eq!(agent.lines(1).await, ["begun"]);
    tell(&gate, "done\n").await;
    let outcome = agent.outcome().await;
    assert_eq!(
        (outcome.exit_code, &*outcome.stdout),
        (Some(3), "begun\ndone\n")
    );
    // Its result is not lost before it is recorded.
    assert_eq!(third.adopts().outcome().await, outcome);
    forget(&third.state, NAME).unwrap();
    for device in &devices {
        assert!(names(&device.state).unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_job_is_cancelled_from_another_state_directory_and_found_again_in_its_own() {
    let devices: [Device; 2] = moves();
    let [own, other] = &devices;
    let agent = own.starts("echo begun; sleep 300", 600);
    agent.lines(1).await;
    agent.ends().await;
    follow(&own.state, &other.state, NAME).unwrap();
    follow(&other.state, &own.state, NAME).unwrap();
    assert!(names(&other.state).unwrap().is_empty());
    let agent = own.adopts();
    assert_eq!(agent.lines(1).await, ["begun"]);
    agent.ends().await;
    follow(&own.state, &other.state, NAME).unwrap();
    let agent = other.adopts();
    assert_eq!(agent.lines(1).await, ["begun"]);
    agent.stop.send(Stop::Cancel).unwrap();
    let outcome = within("a job ends", agent.outcome).await.unwrap().unwrap();
    assert_eq!(outcome.reason.as_deref(), Some("cancelled"));
    forget(&other.state, NAME).unwrap();
    assert!(names(&own.state).unwrap().is_empty() && names(&other.state).unwrap().is_empty());
}

#[tokio::test]
async fn a_job_whose_old_state_directory_is_gone_was_interrupted() {
    let devices: [Device; 2] = moves();
    let [old, new] = &devices;
    old.starts("exit 3", 60).outcome().await;
    follow(&old.state, &new.state, NAME).unwrap();
    fs::remove_dir_all(&old.state).unwrap();
    assert_eq!(new.adopts().outcome().await.end, End::Interrupted);
    assert_eq!(new.adopts().output.snapshot(), Default::default());
    forget(&new.state, NAME).unwrap();
    assert!(names(&new.state).unwrap().is_empty() && !old.state.exists());
}

#[tokio::test]
async fn no_note_leads_to_anything_but_the_files_of_its_job() {
    let devices: [Device; 2] = moves();
    let [old, new] = &devices;
    old.starts("exit 3", 60).outcome().await;
    let files = old.state.join("detached").join(NAME);
    for odd in [
        b"".to_vec(),
        b"detached/00112233aabbccdd".to_vec(),
        old.state.as_os_str().as_bytes().to_vec(),
        [files.as_os_str().as_bytes(), b"0"].concat(),
        [&b"/"[..], &[b'x'; 5000]].concat(),
        b"/\xff\0/detached/00112233aabbccdd".to_vec(),
    ] {
        follow(&old.state, &new.state, NAME).unwrap();
        fs::write(new.file("elsewhere"), &odd).unwrap();
        assert_eq!(new.adopts().outcome().await.end, End::Interrupted);
        let _refused = forget(&new.state, NAME);
        assert!(names(&new.state).unwrap().is_empty());
    }
    assert_eq!(old.adopts().outcome().await.exit_code, Some(3));
}

#[tokio::test]
async fn a_job_that_begins_after_the_move_has_its_files_in_the_new_state_directory() {
    let devices: [Device; 2] = moves();
    let [old, new] = &devices;
    follow(&old.state, &new.state, NAME).unwrap();
    let outcome = new.starts("exit 3", 60).outcome().await;
    assert_eq!(outcome.exit_code, Some(3));
    assert_eq!(new.adopts().outcome().await, outcome);
    forget(&new.state, NAME).unwrap();
    assert!(names(&new.state).unwrap().is_empty());
}
