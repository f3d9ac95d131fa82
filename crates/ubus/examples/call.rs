//! Calls a method and prints what it brings: `call PATH METHOD`.

use std::env;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use ubus::blobmsg::Value;

const WITHIN: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(path), Some(method)) = (args.next(), args.next()) else {
        return Err("usage: call PATH METHOD, such as: call system board".into());
    };
    let (client, connection) = ubus::connect(Path::new("/var/run/ubus/ubus.sock"));
    tokio::spawn(connection.run());
    client.connected(WITHIN).await?;
    let replies = client.call_raw(&path, &method, Vec::new(), WITHIN).await?;
    for data in replies {
        let value = Value::from_members(&data)?;
        println!("{}", serde_json::to_string_pretty(&value)?);
    }
    Ok(())
}
