//! Offers the object `example` with a method `add`, until it is stopped.
//!
//! ```text
//! ubus call example add '{"a": 2, "b": 3}'
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ubus::blobmsg::Type;
use ubus::{Method, Status};

#[derive(Deserialize)]
struct Add {
    a: i32,
    b: i32,
}

#[derive(Serialize)]
struct Sum {
    sum: i32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, connection) = ubus::connect(Path::new("/var/run/ubus/ubus.sock"));
    tokio::spawn(connection.run());
    client.connected(Duration::from_secs(5)).await?;
    let add = Method::new("add", &[("a", Type::Int32), ("b", Type::Int32)]);
    // It comes back by itself when the bus restarts.
    let mut object = client.offer("example", vec![add]).await?;
    while let Some(request) = object.next().await {
        match request.args::<Add>() {
            Ok(Add { a, b }) => match a.checked_add(b) {
                Some(sum) => request.reply(&Sum { sum }),
                None => request.finish(Status::INVALID_ARGUMENT),
            },
            Err(error) => {
                eprintln!("{}: {error}", request.method);
                request.finish(Status::INVALID_ARGUMENT);
            }
        }
    }
    Ok(())
}
