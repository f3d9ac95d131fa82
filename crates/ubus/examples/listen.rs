//! Prints events and notifications: `listen EVENTS OBJECTS`, both patterns, such as `listen '*' 'hostapd.*'`.

use std::env;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use ubus::blobmsg::Value;
use ubus::{Heard, Notice};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let events = args.next().unwrap_or_else(|| "*".to_owned());
    let objects = args.next().unwrap_or_else(|| "hostapd.*".to_owned());
    let (client, connection) = ubus::connect(Path::new("/var/run/ubus/ubus.sock"));
    tokio::spawn(connection.run());
    client.connected(Duration::from_secs(5)).await?;
    let mut events = client.listen(&events).await?;
    // Objects that appear later are followed too.
    let mut notices = client.subscribe(&objects).await?;
    let shown = |data: &[u8]| {
        let value = Value::from_members(data).map_err(|error| error.to_string());
        value.and_then(|value| serde_json::to_string(&value).map_err(|error| error.to_string()))
    };
    loop {
        tokio::select! {
            heard = events.next() => match heard {
                Some(Heard::Event { name, data }) => println!("{name} {:?}", shown(&data)),
                Some(Heard::Lost { count }) => println!("{count} events were lost"),
                None => return Ok(()),
            },
            notice = notices.next() => match notice {
                Some(Notice::Subscribed { path }) => println!("following {path}"),
                Some(Notice::Notification { path, kind, data }) => {
                    println!("{path} {kind} {:?}", shown(&data));
                }
                Some(Notice::Gone { path }) => println!("{path} is gone"),
                Some(Notice::Lost { count }) => println!("{count} notices were lost"),
                None => return Ok(()),
            },
        }
    }
}
