//! The stand-in of the `ubus` tool: what it prints, and how it exits.

use std::io::{self, Write};
use std::time::Duration;

use clap::Parser;
use socketman_lab::ubus_cli::{run, UbusArgs};
use socketman_lab::ubusd::Ubusd;
use tokio::sync::mpsc;
use ubus::blobmsg::{Type, Value};
use ubus::{Client, Method, Status};

/// As the lab's binary embeds it.
#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    ubus: UbusArgs,
}

struct Desk {
    ubusd: Ubusd,
    client: Client,
    _dir: tempfile::TempDir,
}

/// A bus with one object, `test`.
async fn desk() -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ubus.sock");
    let ubusd = Ubusd::start(&socket).unwrap();
    let (client, connection) = ubus::connect(&socket);
    tokio::spawn(connection.run());
    let methods = vec![
        Method::new("echo", &[("text", Type::String), ("loud", Type::Int8)]),
        Method::new("fail", &[("status", Type::Int32)]),
        Method::new("many", &[]),
        Method::new("silent", &[]),
    ];
    let mut object = client.offer("test", methods).await.unwrap();
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some(request) = object.next().await {
            let args = Value::from_members(request.data()).unwrap();
            match request.method.as_str() {
                "echo" => {
                    let answer = request.into_responder();
                    answer.data_raw(args.to_members());
                    answer.finish(Status::OK);
                }
                "fail" => {
                    let status = args.get("status").and_then(Value::as_i64).unwrap_or(0);
                    request.finish(Status(status as i32));
                }
                "many" => {
                    let answer = request.into_responder();
                    for n in 0..3 {
                        let table = Value::Table(vec![(b"n".to_vec(), Value::Int32(n))]);
                        answer.data_raw(table.to_members());
                    }
                    answer.finish(Status::OK);
                }
                "silent" => unanswered.push(request),
                _ => request.finish(Status::METHOD_NOT_FOUND),
            }
        }
    });
    Desk {
        ubusd,
        client,
        _dir: dir,
    }
}

impl Desk {
    fn args(&self, words: &[&str]) -> UbusArgs {
        let socket = self.ubusd.path().to_str().unwrap();
        let line = ["ubus", "-s", socket]
            .into_iter()
            .chain(words.iter().copied());
        Cli::try_parse_from(line).unwrap().ubus
    }

    /// Runs the tool: exit code, standard output, standard error.
    async fn ubus(&self, words: &[&str]) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&self.args(words), &mut out, &mut err).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }
}

#[tokio::test]
async fn list_prints_paths_and_verbose_the_methods() {
    let desk = desk().await;
    assert_eq!(
        desk.ubus(&["list"]).await,
        (0, "test\n".into(), String::new())
    );
    assert_eq!(desk.ubus(&["list", "te*"]).await.1, "test\n");
    let (code, out, _) = desk.ubus(&["list", "-v", "test"]).await;
    let id = desk
        .client
        .lookup("test", Duration::from_secs(5))
        .await
        .unwrap()[0]
        .id;
    let expected = format!(
        "'test' @{id:08x}\n\t\"echo\":{{\"text\":\"String\",\"loud\":\"Boolean\"}}\n\
         \t\"fail\":{{\"status\":\"Integer\"}}\n\t\"many\":{{}}\n\t\"silent\":{{}}\n"
    );
    assert_eq!((code, out), (0, expected));
}

#[tokio::test]
async fn call_prints_every_reply_indented_with_tabs() {
    let desk = desk().await;
    let json = r#"{"text":"a\"b","big":5000000000,"half":0.5,"list":[1,true,null],"none":{}}"#;
    let (code, out, err) = desk.ubus(&["call", "test", "echo", json]).await;
    assert_eq!(
        out,
        "{\n\t\"text\": \"a\\\"b\",\n\t\"big\": 5000000000,\n\t\"half\": 0.500000,\n\
         \t\"list\": [\n\t\t1,\n\t\ttrue,\n\t\tnull\n\t],\n\t\"none\": {\n\t\t\n\t}\n}\n"
    );
    assert_eq!((code, err.as_str()), (0, ""));
    let (_, out, _) = desk.ubus(&["call", "test", "many"]).await;
    assert_eq!(
        out,
        "{\n\t\"n\": 0\n}\n{\n\t\"n\": 1\n}\n{\n\t\"n\": 2\n}\n"
    );
    let (_, out, _) = desk.ubus(&["-S", "call", "test", "echo", json]).await;
    assert!(
        out.starts_with("{\"text\":\"a\\\"b\",\"big\":5000000000,"),
        "{out}"
    );
}

#[tokio::test]
async fn failures_have_the_words_and_exit_codes_of_the_tool() {
    let desk = desk().await;
    for (words, code, text) in [
        (
            vec!["call", "test", "nosuch"],
            253,
            "Command failed: ubus call test nosuch (Method not found)\n",
        ),
        (
            vec!["call", "test", "fail", r#"{"status":6}"#],
            250,
            "Command failed: ubus call test fail {\"status\":6} (Permission denied)\n",
        ),
        (
            vec!["call", "test", "fail", r#"{"status":14}"#],
            242,
            "Command failed: ubus call test fail {\"status\":14} (Unknown error: 14)\n",
        ),
        (vec!["list", ""], 2, "Command failed: Invalid argument\n"),
        (
            vec!["call", "test", "echo", "[]"],
            244,
            "Command failed: ubus call test echo [] (Parsing message data failed)\n",
        ),
        (
            vec!["-t", "1", "call", "test", "silent"],
            249,
            "Command failed: ubus call test silent (Request timed out)\n",
        ),
        (
            vec!["call", "nosuch", "echo"],
            4,
            "Command failed: Not found\n",
        ),
        (vec!["list", "nosuch"], 4, "Command failed: Not found\n"),
        (
            vec!["send", "x", "5"],
            12,
            "Command failed: Parsing message data failed\n",
        ),
        (
            vec!["send", "ubus.x"],
            6,
            "Command failed: Permission denied\n",
        ),
        (vec!["-S", "call", "test", "nosuch"], 3, ""),
        (vec!["-S", "list", "nosuch"], 4, ""),
    ] {
        let expected = (code, String::new(), text.to_owned());
        assert_eq!(desk.ubus(&words).await, expected, "{words:?}");
    }
}

#[tokio::test]
async fn wrong_usage_is_explained() {
    let desk = desk().await;
    for (words, exit) in [
        (vec![], 1),
        (vec!["nosuch"], 254),
        (vec!["call", "test"], 254),
        (vec!["send"], 254),
        (vec!["list", "a", "b"], 254),
    ] {
        let (code, out, err) = desk.ubus(&words).await;
        assert_eq!((code, out.as_str()), (exit, ""), "{words:?}");
        assert!(err.starts_with("Usage: "), "{err}");
    }
    let (code, _, err) = desk
        .ubus(&["call", "test", "fail", r#"{"status":2}"#])
        .await;
    assert_eq!(code, 254);
    assert!(
        err.starts_with("Command failed: ubus call test fail "),
        "{err}"
    );
    assert!(err.contains("(Invalid argument)\nUsage: "), "{err}");
}

#[tokio::test]
async fn without_a_bus_it_says_so() {
    let desk = desk().await;
    let words = ["list"];
    let args = desk.args(&words);
    desk.ubusd.stop().await;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(run(&args, &mut out, &mut err).await, 255);
    assert_eq!(err, b"Failed to connect to ubus\n");
}

/// Hands on each line as soon as it is flushed.
struct Lines(Vec<u8>, mpsc::UnboundedSender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.0.is_empty() {
            let line = String::from_utf8(std::mem::take(&mut self.0)).unwrap();
            self.1.send(line).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn listen_prints_each_event_once_and_at_once_and_ends_with_the_bus() {
    let desk = desk().await;
    let args = desk.args(&["listen", "lab.*", "lab.event", "done"]);
    let (lines_tx, mut lines) = mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        let mut err = Vec::new();
        (
            run(&args, &mut Lines(Vec::new(), lines_tx), &mut err).await,
            err,
        )
    });
    // Whether it listens already is only to be seen by sending until it hears.
    let first = loop {
        desk.ubus(&["send", "lab.ready"]).await;
        match tokio::time::timeout(Duration::from_millis(50), lines.recv()).await {
            Ok(line) => break line.unwrap(),
            Err(_) => continue,
        }
    };
    assert_eq!(first, "{ \"lab.ready\": {} }\n");
    let send = desk
        .ubus(&["send", "lab.event", r#"{"n":1,"t":{"x":"y"}}"#])
        .await;
    assert_eq!(send, (0, String::new(), String::new()));
    desk.ubus(&["send", "other"]).await;
    desk.ubus(&["send", "done"]).await;
    let mut heard = Vec::new();
    while heard
        .last()
        .is_none_or(|line: &String| !line.contains("done"))
    {
        let line = tokio::time::timeout(Duration::from_secs(10), lines.recv()).await;
        heard.push(line.unwrap().unwrap());
    }
    heard.retain(|line| !line.contains("ready"));
    assert_eq!(
        heard,
        [
            "{ \"lab.event\": {\"n\":1,\"t\":{\"x\":\"y\"}} }\n",
            "{ \"done\": {} }\n"
        ]
    );
    desk.ubusd.stop().await;
    assert_eq!(listening.await.unwrap(), (0, Vec::new()));
}

#[tokio::test]
async fn listen_ends_when_its_time_is_over() {
    let desk = desk().await;
    let ended = tokio::time::timeout(Duration::from_secs(10), desk.ubus(&["-t", "1", "listen"]));
    assert_eq!(ended.await.unwrap(), (0, String::new(), String::new()));
}
